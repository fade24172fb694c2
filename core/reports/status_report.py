"""The status report as data, and its figures in words: the same for Slack, the terminal and assistants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from vpsops.core.changes.labels import PHASE_LABELS, Phase
from vpsops.core.changes.model import Change, State
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.text import monthly, one_line
from vpsops.core.operations.prices import LAST, NOT_KNOWN, WITHOUT, LabelCost
from vpsops.core.policy.decision import Decision

if TYPE_CHECKING:
    from vpsops.core.authorization.agent_pause import Pause


SHOWN: Final = 8
STATES: Final = 8
LONGEST_KEY: Final = 63
NO_LABEL: Final = {WITHOUT: "no label", NOT_KNOWN: "labels not known"}


@dataclass(frozen=True, slots=True)
class CostQuery:
    """What the costs are added up by: a label's key, or that of owners; not at all where others may read along."""

    label: str = ""
    owner_label: str = ""
    priced: bool = True


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
    labelled: tuple[LabelCost, ...] = ()  # the costs by the values of one label
    problem: str = ""
    failure: VpsopsError | None = None  # what the problem is, for an exit code


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
    label: str = ""  # the costs are added up by its values; empty: by owner

    @property
    def holds(self) -> list[Change]:
        """The changes that wait for confirmation or approval."""
        return [change for change in self.going_on if change.state is State.HELD]

    @property
    def key(self) -> str:
        """What the costs are added up by, for people."""
        return one_line(self.label, LONGEST_KEY) or "owner"

    @property
    def figures(self) -> tuple[tuple[str, str], ...]:
        """The labelled figures, as text; one without a value is not shown."""
        return (
            ("Servers", fleet_words(self.fleet)),
            ("Monthly cost", costs_words(self.fleet.costs)),
            (f"Cost by {self.key}", label_costs_words(self.fleet.labelled, self.label)),
            ("Pending", holds_words(self.holds) + (" and more" if self.crowded else "")),
            ("Agents", self.pause.words if self.pause.paused else "active"),
            ("Finished in 24 h", counted_words(self.counted)),
        )


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


def label_costs_words(costs: Sequence[LabelCost], label: str = "") -> str:
    """Format the monthly cost by the values of a label, else by owner.

    Servers without one, and those whose labels are not known, stand apart.
    """
    named = [cost for cost in costs if cost.label not in LAST]
    more = [f"{len(named) - SHOWN} more {'values' if label else 'owners'}"] if len(named) > SHOWN else []
    rest = [cost for cost in costs if cost.label in LAST]
    last = [replace(cost, label=NO_LABEL[cost.label]) for cost in rest] if label else rest
    return "; ".join([*map(_cost_words, named[:SHOWN]), *more, *map(_cost_words, last)])


def _cost_words(cost: LabelCost) -> str:
    sums = " and ".join(monthly(amount, currency) for currency, amount in sorted(cost.sums.items()))
    who = one_line(cost.label.partition("=")[2] or cost.label, 60)
    unpriced = f"{cost.unpriced} without a known price" if cost.unpriced else ""
    return f"{who}: {' and '.join(part for part in (sums, unpriced) if part)}"


def holds_words(holds: Sequence[Change]) -> str:
    """Format the number of pending changes by kind of decision."""
    votes = sum(hold.ruling.decision is Decision.APPROVE for hold in holds)
    parts = [(votes, "waiting for approval"), (len(holds) - votes, "waiting for confirmation")]
    return ", ".join(f"{count} {words}" for count, words in parts if count) or "none"


def counted_words(counted: Mapping[State, int]) -> str:
    """Format the number of finished changes by final state."""
    named = [(PHASE_LABELS[Phase(state.value)].label, count) for state, count in counted.items() if count]
    return ", ".join(f"{count} {words}" for words, count in named) or "none"
