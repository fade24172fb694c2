"""The status report: servers, costs, agents, open and finished changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, context, field_sections, header, mrkdwn, plain, section
from vpsops.bot.blocks.labels import STATE_LABELS
from vpsops.bot.blocks.text import escape_untrusted, moment
from vpsops.bot.messages.lists import PageLinks, PageQuery, change_rows, page_buttons
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.model import Change, State
from vpsops.core.common.text import monthly, one_line
from vpsops.core.policy.decision import Decision

SHOWN: Final = 8
STATES: Final = 8


@dataclass(frozen=True, slots=True)
class MonthlyCosts:
    """Monthly cost by currency, and the number of servers without a known price."""

    sums: Mapping[str, float]
    unknown: int = 0
    nameless: int = 0  # priced, in an unknown currency


@dataclass(frozen=True, slots=True)
class FleetCounts:
    """Number of servers by state; `problem` explains why it is unknown."""

    states: Mapping[str, int] = field(default_factory=dict)
    costs: MonthlyCosts | None = None
    lack: str = ""  # what is missing from the list
    problem: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The report's data; `counted` are the changes finished in the last 24 hours, by final state."""

    at: datetime
    fleet: FleetCounts
    pause: Pause
    going_on: tuple[Change, ...] = ()
    ended: tuple[Change, ...] = ()
    counted: Mapping[State, int] = field(default_factory=dict)
    crowded: bool = False  # more changes are open than were read

    @property
    def holds(self) -> list[Change]:
        """The changes that wait for confirmation or approval."""
        return [item for item in self.going_on if item.state is State.HELD]


def report_page(report: StatusReport, links: Mapping[str, str], *, everyone: bool = False) -> Post:
    """Render the report; a shared report (`everyone`) contains no mentions."""
    pairs = [
        ("Servers", fleet_words(report.fleet)),
        ("Monthly cost", costs_words(report.fleet.costs)),
        ("Pending", holds_words(report.holds) + (" and more" if report.crowded else "")),
        ("Agents", report.pause.words if report.pause.paused else "active"),
        ("Finished in 24 h", counted_words(report.counted)),
    ]
    blocks = [
        header("Status report"),
        *field_sections(pairs),
        *_rows("Open (newest)" if report.crowded else "Open", report.going_on, links, everyone=everyone),
        *_rows("Finished", report.ended, links, everyone=everyone),
        context(mrkdwn(f"As of {moment(report.at)}")),
        page_buttons(PageLinks(PageQuery("report", {}))),
    ]
    summary = ". ".join(f"{label}: {escape_untrusted(words, 300)}" for label, words in pairs if words)
    return Post(summary, tuple(blocks))


def fleet_words(fleet: FleetCounts) -> str:
    """Format the number of servers by state."""
    if fleet.problem:
        return f"unavailable: {one_line(fleet.problem, 400)}"
    total = sum(fleet.states.values())
    most = sorted(fleet.states.items(), key=lambda entry: (-entry[1], entry[0]))
    named = ", ".join(f"{count:,} {one_line(state, 30)}" for state, count in most[:STATES])
    more = ", others in other states" if len(most) > STATES else ""
    lacking = f" ({one_line(fleet.lack, 200)})" if fleet.lack else ""
    return f"{total:,}: {named}{more}{lacking}" if total else f"none{lacking}"


def costs_words(costs: MonthlyCosts | None) -> str:
    """Format the monthly cost, as far as the API reports prices."""
    if costs is None:
        return ""
    sums = " and ".join(monthly(amount, currency) for currency, amount in sorted(costs.sums.items()))
    lacking = [(costs.unknown, "of unknown price"), (costs.nameless, "in an unknown currency")]
    rest = ", ".join(f"{count} {words}" for count, words in lacking if count)
    if not sums:
        return f"not available from the API: {rest}" if rest else ""
    return f"{sums}, and {rest}" if rest else sums


def holds_words(holds: list[Change]) -> str:
    """Format the number of pending changes by kind of decision."""
    votes = sum(hold.ruling.decision is Decision.APPROVE for hold in holds)
    parts = [(votes, "waiting for approval"), (len(holds) - votes, "waiting for confirmation")]
    return ", ".join(f"{count} {words}" for count, words in parts if count) or "none"


def counted_words(counted: Mapping[State, int]) -> str:
    """Format the number of finished changes by final state."""
    return ", ".join(f"{count} {STATE_LABELS[state].words}" for state, count in counted.items() if count) or "none"


def _rows(title: str, changes: tuple[Change, ...], links: Mapping[str, str], *, everyone: bool) -> list[Block]:
    if not changes:
        return []
    more = f", {SHOWN} of {len(changes)}" if len(changes) > SHOWN else ""
    return [section(plain(f"{title}{more}")), *change_rows(changes[:SHOWN], links, everyone=everyone)]
