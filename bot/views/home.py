"""App Home: pending votes, the user's changes, servers, agents, recent activity and settings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, actions, button, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.labels import change_title
from vpsops.bot.blocks.text import escape, escape_untrusted, moment
from vpsops.bot.messages.change_card import Audience, block_id, controls, requester_text, votes_given
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.audit.chain import TrailRecord
from vpsops.core.audit.queries import body_of
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.model import Change, State
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import one_line
from vpsops.core.messaging.preferences import Preferences
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import Server

VOTES_SHOWN: Final = 8
UNCLEAR_SHOWN: Final = 4
OPEN_SHOWN: Final = 8
RECENT_SHOWN: Final = 6
PROBLEMS_SHOWN: Final = 8
RECORDS_SHOWN: Final = 8
SETTINGS: Final[Mapping[str, tuple[str, str]]] = {
    "dm_settled": (
        "Notify me when my changes finish",
        "Send a direct message when my change, or my agent's, has finished.",
    ),
    "dm_reminders": ("Remind me to vote", "Send a direct message while a change waits for my vote."),
}


@dataclass(frozen=True, slots=True)
class HomeServers:
    """The servers of one list call; `trouble` explains why it failed or is incomplete."""

    servers: Sequence[Server] | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class HomePage:
    """The content of one user's Home."""

    now: datetime
    votes: Sequence[Change] = ()
    votes_trouble: str = ""
    unclear: Sequence[Change] = ()  # changes of others with an unknown outcome that this user may settle
    own: Sequence[Change] = ()
    fleet: HomeServers = field(default_factory=HomeServers)
    records: Sequence[TrailRecord] = ()
    pause: Pause = field(default_factory=Pause)
    may_resume: bool = False
    preferences: Preferences = field(default_factory=Preferences)
    links: Mapping[str, str] = field(default_factory=dict)  # permalink of the card, by change id
    notice: str = ""  # result of the last click on Home


def home_view(page: HomePage) -> Block:
    """Render a user's Home; it stays far below Slack's limit of 100 blocks."""
    top = [button("New server", action_ids.NEW, {}, "primary"), button("Refresh", action_ids.REFRESH, {})]
    blocks = [
        *([section(plain(page.notice, 1500))] if page.notice else []),
        actions(top, "vps:home:top"),
        *_pending_votes(page),
        *_unknown_outcomes(page),
        *_own_changes(page),
        *_fleet(page.fleet),
        *_agents(page),
        *_recent_activity(page.records),
        *_settings(page.preferences),
        context(mrkdwn(f"As of {moment(page.now)}")),
    ]
    return {"type": "home", "callback_id": action_ids.HOME, "blocks": blocks}


def plain_home(*words: str) -> Block:
    """Render a Home with text only: while data is loading, or for users without access."""
    return {"type": "home", "callback_id": action_ids.HOME, "blocks": [section(plain(word)) for word in words]}


def comparable_blocks(view: Block) -> list[Block]:
    """Return the blocks that decide whether a Home has changed: all but its timestamp."""
    blocks: list[Block] = view["blocks"]
    return blocks[:-1]


def _pending_votes(page: HomePage) -> list[Block]:
    blocks = [header(_counted("Waiting for your vote", page.votes))]
    if page.votes_trouble:
        blocks.append(section(plain(page.votes_trouble, 1000)))
    elif not page.votes:
        blocks.append(section(plain("No pending votes.")))
    for change in page.votes[:VOTES_SHOWN]:
        blocks += _entry(page, change, Audience.VOTERS)
    return [*blocks, *_more(page.votes, VOTES_SHOWN)]


def _unknown_outcomes(page: HomePage) -> list[Block]:
    if not page.unclear:
        return []
    blocks = [header(_counted("Outcome unknown: check the server", page.unclear))]
    for change in page.unclear[:UNCLEAR_SHOWN]:
        blocks += _entry(page, change, Audience.VOTERS)
    return [*blocks, *_more(page.unclear, UNCLEAR_SHOWN)]


def _own_changes(page: HomePage) -> list[Block]:
    waiting = [item for item in page.own if item.state.open]
    ended = [item for item in page.own if not item.state.open]
    blocks = [header(_counted("Your changes", waiting))]
    if not page.own:
        blocks.append(section(plain(f"None in the last 30 days. {SLASH} help lists the commands.")))
    for change in waiting[:OPEN_SHOWN]:
        blocks += _entry(page, change, Audience.ASKER)
    blocks += _more(waiting, OPEN_SHOWN)
    for change in ended[:RECENT_SHOWN]:
        blocks.append(
            context(plain(change_title(change, 200)), mrkdwn(_where(page, change, moment(change.updated_at))))
        )
    return blocks


def _entry(page: HomePage, change: Change, audience: Audience) -> list[Block]:
    """Render one change: title, target, requester, reason, and its card's buttons, bound to the displayed version."""
    careful = lookalike_warning(change.target.hostname)
    what = [change_title(change, 250), *([careful] if careful else []), _target(change)]
    logins = key_words(change, brief=True)
    what += [logins] if logins else []
    what += [f"Reason: {one_line(change.reason, 300)}"] if change.reason.strip() else []
    words = section(lines(*what, limit=2900)) | {"block_id": block_id(change, "home")}
    small = context(
        mrkdwn(_where(page, change, f"Requested by {requester_text(change)}", *_until(change))), plain(change.id)
    )
    return [words, small, *controls(change, audience)]


def _target(change: Change) -> str:
    target = change.target
    state = f"was {one_line(target.state, 40)} at request" if target.state else ""
    made = (system_of(change), label_of(change))
    parts = (target.id, target.address, target.region, target.plan, *made, state, change.cost, _progress(change))
    return " · ".join(one_line(part, 130) for part in parts if part)


def _progress(change: Change) -> str:
    if change.state is not State.HELD or change.ruling.decision is not Decision.APPROVE:
        return ""
    return votes_given(change)


def _until(change: Change) -> list[str]:
    if change.state is not State.HELD or change.expires_at is None:
        return []
    return [f"Expires {moment(change.expires_at)}"]


def _where(page: HomePage, change: Change, *words: str) -> str:
    link = page.links.get(change.id, "")
    return " · ".join([*words, *([f"<{escape(link)}|Open card>"] if link else [])])


def _fleet(fleet: HomeServers) -> list[Block]:
    servers = fleet.servers
    if servers is None:
        return [header("Servers"), section(plain(fleet.trouble or "The servers could not be read.", 1000))]
    counts = Counter(item.state for item in servers)
    ranked = sorted(counts.items(), key=lambda item: (_rank(item[0]), -item[1], item[0]))[:10]
    shares = [f"{count} {one_line(state, 40)}" for state, count in ranked]
    problems = sorted((server for server in servers if server.failed or server.pending), key=_problem_order)
    blocks = [header(_counted("Servers", servers)), section(plain(", ".join(shares) or "There are no servers yet."))]
    if problems:
        rows = [
            f"{one_line(problem.hostname, 120)}: {one_line(problem.state, 40)}" for problem in problems[:PROBLEMS_SHOWN]
        ]
        more = len(problems) - len(rows)
        rows += [f"and {more} more: {SLASH} list state:failed or state:pending"] if more > 0 else []
        blocks.append(section(lines("Failed or in transition:", *rows)))
    return [*blocks, context(plain(fleet.trouble, 500))] if fleet.trouble else blocks


def _rank(state: str) -> int:
    return {"failed": 0, "running": 2, "stopped": 3}.get(state, 1)


def _problem_order(server: Server) -> tuple[bool, str]:
    return not server.failed, server.hostname


def _agents(page: HomePage) -> list[Block]:
    if not page.pause.paused:
        words = "Agents may request changes. People confirm or approve each change."
        asks = _confirmation("Pause all agents?", PAUSED, "Pause")
        control = button("Pause agents", action_ids.HOME_PAUSE, {}) | {"confirm": asks}
        return [header("Agents"), section(plain(words), control)]
    at = page.pause.at.timestamp() if page.pause.at else 0.0
    sure = _confirmation("Resume agents?", RESUMED, "Resume")
    go_on = button("Resume agents", action_ids.HOME_RESUME, {"at": at}) | {"confirm": sure}
    return [header("Agents"), section(plain(page.pause.words, 1000), go_on if page.may_resume else None)]


PAUSED: Final = "Agents cannot change anything until an approver resumes them. Reads still work."
RESUMED: Final = "Agents can request changes again. Cancelled changes stay cancelled."


def _confirmation(title: str, words: str, yes: str) -> Block:
    dialog = {"title": plain(title, 100), "text": plain(words, 300)}
    return {**dialog, "confirm": plain(yes, 30), "deny": plain("Back", 30)}


def _recent_activity(records: Sequence[TrailRecord]) -> list[Block]:
    if not records:
        return []
    rows = [_record_line(record) for record in reversed(records[-RECORDS_SHOWN:])]
    return [header("Recent activity"), section(mrkdwn("\n".join(rows))), context(plain(f"{SLASH} audit shows more."))]


def _record_line(record: TrailRecord) -> str:
    """Format one audit record; its content is untrusted."""
    body = body_of(record)
    target = body.get("target")
    hostname = target.get("hostname", "") if isinstance(target, Mapping) else ""
    who: Mapping[str, Any] = next((body[name] for name in ("by", "actor") if isinstance(body.get(name), Mapping)), {})
    words = [record.event.replace("_", " "), str(body.get("operation") or ""), str(hostname)]
    words += [f"by {who.get('name') or who.get('id')}" if who else "", record.change_id or ""]
    line = escape_untrusted(" ".join(word for word in words if word), 220)
    return f"{moment(datetime.fromtimestamp(record.at, UTC))} · {line}"


def _settings(preferences: Preferences) -> list[Block]:
    blocks = [header("Your settings")]
    for number, (name, (label, words)) in enumerate(SETTINGS.items()):
        on = bool(getattr(preferences, name))
        value: dict[str, Any] = {"set": name, "to": not on}
        control = button(
            "Turn off" if on else "Turn on", action_ids.numbered_action_id(action_ids.SETTING, number), value
        )
        blocks.append(section(lines(f"{label}: {'on' if on else 'off'}", words), control))
    return blocks


def _counted(title: str, things: Sequence[object]) -> str:
    return f"{title} ({len(things)})" if things else title


def _more(things: Sequence[object], count: int) -> list[Block]:
    left = len(things) - count
    return [context(plain(f"and {left} more: {SLASH} changes open lists them."))] if left > 0 else []
