"""Short private replies: errors, refusals, suggestions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpsops.bot.blocks.elements import Block, Post, actions, button, context, mrkdwn, pack, plain, section
from vpsops.bot.blocks.labels import action_label
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.protocol.text_normalization import undo_slack_markup
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.text import one_line

VALUE = 2000


NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


def note(message: str, hint: str = "", ident: str = "") -> Post:
    """Render a private reply: what happened, what to do next, and an id to look up."""
    blocks = [section(plain(one_line(message, 1200) + (f" {one_line(hint, 600)}" if hint else "")))]
    if ident:
        blocks.append(context(plain(ident, 80)))
    fallback = " ".join(part for part in (message, hint, f"({ident})" if ident else "") if part)
    return Post(escape_untrusted(fallback, 1800), tuple(blocks))


def error_note(error: VpsopsError) -> Post:
    """Render an error with its hint and id."""
    return note(error.message, error.hint, error.error_id)


def with_link(post: Post, address: str) -> Post:
    """Return a reply with a link to a card below it."""
    return Post(post.text, (*post.blocks, context(mrkdwn(f"<{address}|Open the card>"))))


def server_suggestions(
    error: VpsopsError,
    operation: str,
    nearest: Sequence[str],
    reason: str = "",
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
) -> Post:
    """Render "no such server" with a button for each similar name; a button runs exactly the name it shows.

    All other arguments stay as they were given.
    """
    base = error_note(error)
    why = {"why": one_line(reason, 400)} if reason else {}
    row = [
        button(
            action_label(operation, name),
            action_ids.numbered_action_id(action_ids.RUN, number),
            {"op": operation, "args": {**arguments, "server": name}, **why},
        )
        for number, name in enumerate(nearest[:5])
    ]
    return Post(base.text, (*base.blocks, actions(row))) if row else base


def command_suggestions(message: str, hint: str, near: Sequence[str]) -> Post:
    """Render "command not understood" with a button for each likely command."""
    base = note(message, hint)
    row = [command_button(undo_slack_markup(text), text, number) for number, text in enumerate(near)]
    fitting = [item for item in row if item is not None]
    return Post(base.text, (*base.blocks, actions(fitting))) if fitting else base


def command_button(words: str, text: str, number: int) -> Block | None:
    """Return a button that executes a typed command; None if the text exceeds a button's value."""
    value = {"t": text}
    if len(pack(value)) > VALUE:
        return None
    return button(f"{SLASH} {one_line(words, 70)}", action_ids.numbered_action_id(action_ids.TYPED, number), value)
