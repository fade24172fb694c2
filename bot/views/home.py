"""App Home: pending votes, the user's changes, servers, agents, recent activity and settings."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, actions, button, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.labels import change_title
from vpsops.bot.blocks.text import escape, escape_untrusted, moment
from vpsops.bot.messages.change_card import (
    Audience,
    block_id,
    controls,
    requester_text,
    review_buttons,
    runs_text,
    votes_given,
)
from vpsops.bot.messages.lists import newest_of_changes
from vpsops.bot.messages.servers import first_line, more_button, second_line
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.views.end_blocks import end_line
from vpsops.bot.views.grant_blocks import grant_blocks
from vpsops.core.audit.records import TrailRecord
from vpsops.core.audit.subjects import body_of
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.changes.create_spec import key_words, label_of, system_of
from vpsops.core.changes.model import Change, State
from vpsops.core.common.hostnames import lookalike_warning
from vpsops.core.common.text import one_line
from vpsops.core.ends.model import ServerEnd
from vpsops.core.grants.model import Grant
from vpsops.core.messaging.preferences import Preferences
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import Server

VOTES_SHOWN: Final = 8
UNCLEAR_SHOWN: Final = 4
REVIEWS_SHOWN: Final = 4
OPEN_SHOWN: Final = 8
RECENT_SHOWN: Final = 6
PROBLEMS_SHOWN: Final = 8
RECORDS_SHOWN: Final = 8
FILTERS_SHOWN: Final = 5
GRANTS_SHOWN: Final = 4
ENDS_SHOWN: Final = 5
SETTINGS: Final[Mapping[str, tuple[str, str]]] = {
    "dm_settled": (
        "Notify me when my changes finish",
        "Mention me where I asked, or send a direct message, when my change, or my agent's, has finished.",
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
    reviews: Sequence[Change] = ()  # runs without approval of others that this user may review
    own: Sequence[Change] = ()
    fleet: HomeServers = field(default_factory=HomeServers)
    records: Sequence[TrailRecord] = ()
    ends: Mapping[str, Change] = field(default_factory=dict)  # the changes of `records`, by id
    pause: Pause = field(default_factory=Pause)
    may_resume: bool = False
    grants: Sequence[Grant] = ()
    server_ends: Sequence[ServerEnd] = ()  # of all visible servers, the next one first
    preferences: Preferences = field(default_factory=Preferences)
    links: Mapping[str, str] = field(default_factory=dict)  # permalink of the card, by change id
    notice: str = ""  # result of the last click on Home


def home_view(page: HomePage) -> Block:
    """Render a user's Home; it stays far below Slack's limit of 100 blocks."""
    top = [
        button("New server", action_ids.NEW, {}, "primary"),
        button("Find a server", action_ids.MORE, {}),
        button("Refresh", action_ids.REFRESH, {}),
    ]
    blocks = [
        *([section(plain(page.notice, 1500))] if page.notice else []),
        actions(top, "vps:home:top"),
        *_pending_votes(page),
        *_unknown_outcomes(page),
        *_open_reviews(page),
        *_own_changes(page),
        *_fleet(page.fleet),
        *_agents(page),
        *_grants(page),
        *_server_ends(page),
        *_recent_activity(page),
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


def _open_reviews(page: HomePage) -> list[Block]:
    """Show the runs without approval that this user may review; nothing without any."""
    if not page.reviews:
        return []
    blocks = [header(_counted("Run without approval: review", page.reviews))]
    for change in page.reviews[:REVIEWS_SHOWN]:
        reason = change.override.reason if change.override is not None else ""
        words = [change_title(change, 250), _target(change), f"Because: {one_line(reason, 300)}"]
        small = context(mrkdwn(_where(page, change, f"By {requester_text(change)}")), plain(change.id))
        blocks += [section(lines(*words, limit=2900)) | {"block_id": block_id(change, "review")}, small]
        blocks.append(actions(review_buttons(change), block_id(change, "close")))
    left = len(page.reviews) - REVIEWS_SHOWN
    return [*blocks, *([context(plain(f"and {left} more: {SLASH} reviews lists them."))] if left > 0 else [])]


def _own_changes(page: HomePage) -> list[Block]:
    waiting = [change for change in page.own if change.state.open]
    ended = [change for change in page.own if not change.state.open]
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
    parts = (target.id, target.address, target.place, target.plan, *made, state, change.cost, _progress(change))
    return " · ".join(one_line(part, 130) for part in parts if part)


def _progress(change: Change) -> str:
    if change.state is not State.HELD or change.ruling.decision is not Decision.APPROVE:
        return ""
    return votes_given(change)


def _until(change: Change) -> list[str]:
    runs = [runs_text(change)] if runs_text(change) else []
    if change.state is not State.HELD or change.expires_at is None:
        return runs
    return [f"Expires {moment(change.expires_at)}", *runs]


def _where(page: HomePage, change: Change, *words: str) -> str:
    link = page.links.get(change.id, "")
    return " · ".join([*words, *([f"<{escape(link)}|Open card>"] if link else [])])


def _fleet(fleet: HomeServers) -> list[Block]:
    servers = fleet.servers
    if servers is None:
        return [header("Servers"), section(plain(fleet.trouble or "The servers could not be read.", 1000))]
    counts = Counter(server.state for server in servers)
    ranked = sorted(counts.items(), key=lambda count: (_rank(count[0]), -count[1], count[0]))[:10]
    shares = [f"{count} {one_line(state, 40)}" for state, count in ranked]
    problems = sorted((server for server in servers if server.failed or server.pending), key=_problem_order)
    blocks = [header(_counted("Servers", servers)), section(plain(", ".join(shares) or "There are no servers yet."))]
    filters = [_filter_button(number, state, count) for number, (state, count) in enumerate(ranked[:FILTERS_SHOWN])]
    blocks += [actions(filters, "vps:home:states")] if filters else []
    if problems:
        blocks.append(section(plain("Failed or in transition:")))
        blocks += [_problem_row(problem) for problem in problems[:PROBLEMS_SHOWN]]
        more = len(problems) - PROBLEMS_SHOWN
        words = f"and {more} more: {SLASH} list state:failed or state:pending"
        blocks += [context(plain(words))] if more > 0 else []
    return [*blocks, context(plain(fleet.trouble, 500))] if fleet.trouble else blocks


def _filter_button(number: int, state: str, count: int) -> Block:
    """Return the way from a count to its servers: their list, in one's direct messages."""
    value = {"op": "list", "args": {"state": one_line(state, 40)}}
    return button(f"List {count} {one_line(state, 40)}", action_ids.numbered_action_id(action_ids.RUN, number), value)


def _problem_row(server: Server) -> Block:
    """Return a server with the way to all that may be done with it."""
    return section(lines(first_line(server), second_line(server)), more_button(server))


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


def _grants(page: HomePage) -> list[Block]:
    """Return what agents may do without votes now."""
    shown = [block for grant in page.grants[:GRANTS_SHOWN] for block in grant_blocks(grant, page.now)]
    more = len(page.grants) - GRANTS_SHOWN
    return [*shown, context(plain(f"and {more} more: {SLASH} grants"))] if more > 0 else shown


def _server_ends(page: HomePage) -> list[Block]:
    """Return the servers that end by themselves; nothing where none does."""
    if not page.server_ends:
        return []
    rows = section(mrkdwn("\n".join(end_line(end) for end in page.server_ends[:ENDS_SHOWN])))
    more = len(page.server_ends) - ENDS_SHOWN
    words = f"and {more} more: {SLASH} ends" if more > 0 else f"{SLASH} keep SERVER 1d keeps one longer."
    return [header("Servers with an end"), rows, context(plain(words))]


PAUSED: Final = "Agents cannot change anything until an approver resumes them. Reads still work."
RESUMED: Final = "Agents can request changes again. Cancelled changes stay cancelled."


def _confirmation(title: str, words: str, yes: str) -> Block:
    dialog = {"title": plain(title, 100), "text": plain(words, 300)}
    return {**dialog, "confirm": plain(yes, 30), "deny": plain("Back", 30)}


def _recent_activity(page: HomePage) -> list[Block]:
    """Return one line for each change, with its end, and for each record of anything else; the newest first."""
    records = newest_of_changes(list(reversed(page.records)), page.ends)[:RECORDS_SHOWN]
    if not records:
        return []
    rows = [_end_line(page, record) or _record_line(record) for record in records]
    words = section(mrkdwn("\n".join(rows)))
    return [header("Recent activity"), words, context(plain(f"{SLASH} audit shows more."))]


def _end_line(page: HomePage, record: TrailRecord) -> str:
    change = page.ends.get(record.change_id or "")
    if change is None:
        return ""
    title = escape_untrusted(change_title(change, 200), 220)
    return _where(page, change, moment(datetime.fromtimestamp(record.at, UTC)), title)


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
