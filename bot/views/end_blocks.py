"""Servers that end by themselves: the line of each, the list, and what the owner or a channel is asked."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, header, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted, moment
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.common.text import one_line
from vpsops.core.ends import lifecycle
from vpsops.core.ends.labels import end_text
from vpsops.core.ends.model import EndState, ServerEnd

LISTED: Final = 20
KEEP_BY: Final = "1d"


def ends_post(ends: Sequence[ServerEnd]) -> Post:
    """Render the servers that end by themselves, the next one first."""
    if not ends:
        return note("No server ends by itself.", f"{SLASH} create HOSTNAME for 3d makes one that does.")
    blocks: list[Block] = []
    for number, end in enumerate(ends[:LISTED]):
        blocks.append(section(mrkdwn(end_line(end)), _keep_button(end, number)))
    if len(ends) > LISTED:
        blocks.append(context(plain(f"And {len(ends) - LISTED} more that end later.")))
    return Post(tuple(blocks))


def with_coming_ends(post: Post, ends: Sequence[ServerEnd]) -> Post:
    """Append the stops of servers at their ends to what is scheduled, if any."""
    coming = [end for end in ends if end.state is EndState.OPEN]
    if not coming:
        return post
    rows = section(mrkdwn("\n".join(end_line(end) for end in coming[:LISTED])))
    more = f"And {len(coming) - LISTED} more. " if len(coming) > LISTED else ""
    return Post((*post.blocks, header("Stopped at their ends"), rows, context(plain(f"{more}{SLASH} ends lists all."))))


def end_line(end: ServerEnd) -> str:
    """Return a server's end on one line (mrkdwn)."""
    text = f"Ends {moment(end.ends_at)}." if end.state is EndState.OPEN else escape_untrusted(end_text(end), 300)
    return f"*{escape_untrusted(end.hostname, 120)}*: {text} Owner: {escape_untrusted(end.owner.cited, 80)}"


def kept_post(end: ServerEnd) -> Post:
    """Say until when a server is kept."""
    return note(f"{one_line(end.hostname, 120)} is kept.", end_text(end))


def end_notice(end: ServerEnd, event: str, mention: str) -> Post:
    """Render what becomes of a server's end, with what can be done; `mention` is the owner (mrkdwn)."""
    name = f"*{escape_untrusted(end.hostname, 120)}*"
    words = {
        lifecycle.REMINDED: f"{name} ends {moment(end.ends_at)}: it is stopped then. Is it still needed?",
        lifecycle.STOPPED: f"{name}: {escape_untrusted(end.note, 400)}",
        lifecycle.ASKED: f"{name} is at its end. {escape_untrusted(end.note, 400)} What becomes of it?",
        lifecycle.KEPT: f"{name} is kept: it ends {moment(end.ends_at)}.",
    }.get(event.partition(":")[0], f"{name}: {escape_untrusted(end_text(end), 300)}")
    row = [] if event.startswith(lifecycle.KEPT) else [actions(_buttons(end))]
    small = context(mrkdwn(f"Owner {mention}"), plain(end.change_id, 80))
    return Post((section(mrkdwn(words)), *row, small))


def _buttons(end: ServerEnd) -> list[Block]:
    stop = button(
        "Stop now", action_ids.numbered_action_id(action_ids.RUN, 1), {"op": "stop", "args": {"server": end.server_id}}
    )
    delete = button(
        "Ask for deletion",
        action_ids.numbered_action_id(action_ids.RUN, 2),
        {"op": "delete", "args": {"server": end.server_id}},
    )
    running = [stop] if end.state in {EndState.OPEN, EndState.ASKED} else []
    asked = end.state is EndState.STOPPED and end.delete_id  # its card is where people decide
    return [_keep_button(end, 0), *running, *([delete] if end.state is not EndState.OPEN and not asked else [])]


def _keep_button(end: ServerEnd, number: int) -> Block:
    typed = f"keep {end.server_id} {KEEP_BY}"
    return button("Keep 1 day", action_ids.numbered_action_id(action_ids.TYPED, number), {"t": typed})
