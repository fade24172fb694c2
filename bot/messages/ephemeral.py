"""Short private replies: errors, refusals, suggestions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vpsops.bot.blocks.elements import (
    MAX_VALUE,
    Block,
    Post,
    actions,
    button,
    choice,
    context,
    mrkdwn,
    pack,
    plain,
    section,
)
from vpsops.bot.blocks.labels import MAX_BUTTON_TEXT, action_label, action_verb
from vpsops.bot.blocks.local_times import local_times
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.bot.protocol.text_normalization import undo_slack_markup
from vpsops.core.changes.requests import Refused
from vpsops.core.common.errors import PreconditionError, Remedy, VpsopsError
from vpsops.core.common.text import one_line

NO_ARGUMENTS: Final[Mapping[str, Any]] = {}


def note(message: str, hint: str = "", ident: str = "") -> Post:
    """Render a private reply: what happened, what to do next, and an id to look up."""
    blocks = [section(plain(one_line(message, 1200) + (f" {one_line(hint, 600)}" if hint else "")))]
    if ident:
        blocks.append(context(plain(ident, 80)))
    return Post(tuple(blocks))


def error_note(error: VpsopsError) -> Post:
    """Render an error with its hint, in words of this front end, and its id if the log explains it."""
    return note(error.message, error.hint_with(f"{SLASH} {{}}"), error.shown_id)


def with_link(post: Post, address: str) -> Post:
    """Return a reply with a link to a card below it."""
    return Post((*post.blocks, context(mrkdwn(f"<{address}|Open the card>"))))


def server_suggestions(
    error: VpsopsError,
    operation: str,
    nearest: Sequence[str],
    given: Mapping[str, Any] = NO_ARGUMENTS,
    arguments: Mapping[str, Any] = NO_ARGUMENTS,
) -> Post:
    """Render "no such server" with a button for each similar name; a button runs exactly the name it shows.

    All other arguments stay as they were given, and so do the reason and the time in `given`.
    """
    base = error_note(error)
    row = [
        button(
            action_label(operation, name),
            action_ids.numbered_action_id(action_ids.RUN, number),
            {"op": operation, "args": {**arguments, "server": name}, **given},
        )
        for number, name in enumerate(nearest[:5])
    ]
    fitting = [item for item in row if len(item["value"]) <= MAX_VALUE]  # the hint has all of the names
    return Post((*base.blocks, actions(fitting))) if fitting else base


def time_choice(error: VpsopsError, readings: Sequence[str], call: Mapping[str, Any]) -> Post:
    """Render a local time that can mean two moments, with a button for each; `call` is the value of the request."""
    row = [
        button(one_line(words, 75), action_ids.numbered_action_id(action_ids.RUN, number), {**call, "when": words})
        for number, words in enumerate(readings)
    ]
    return Post((section(plain(error.message)), context(plain("Which one?")), choice(row, readings)))


def precondition_note(error: PreconditionError, first: Mapping[str, Any], again: Mapping[str, Any]) -> Post:
    """Render an unmet precondition with the change that meets it, and with the request to repeat after that.

    `first` and `again` are the values of the buttons.
    """
    base, remedy = error_note(error), error.remedy
    row = [
        button(remedy_label(remedy), action_ids.REMEDY, first),
        button(f"Then: {action_label(str(again['op']), remedy.hostname, 69)}", action_ids.AGAIN, again),
    ]
    fitting = [element for element in row if len(element["value"]) <= MAX_VALUE]
    return Post((*base.blocks, actions(fitting))) if fitting else base


def busy_note(refused: Refused, now: datetime, label: str = "", value: Mapping[str, Any] = NO_ARGUMENTS) -> Post:
    """Render a refusal behind another change, with a button that sets that one aside where there is a `value`.

    The value has the change in the way, and the request to repeat, named by `label`; that is left out if it does not
    fit.
    """
    base = note(refused.reason, refused.hint, refused.error_id)
    blocks = [*base.blocks, *local_times((refused.reason,), now)]
    if value:
        repeats = len(pack(value)) <= MAX_VALUE
        text = one_line(f"Set aside, then: {label}", MAX_BUTTON_TEXT) if repeats else "Set aside"
        kept = value if repeats else {"c": value["c"]}
        blocks.append(actions([button(text, action_ids.SET_ASIDE, kept)]))
    return Post(tuple(blocks))


def remedy_label(remedy: Remedy) -> str:
    """Return the label of the button that asks for a remedy: "Stop first: web01.example.com"."""
    first = f"{action_verb(remedy.operation)} first: "
    return f"{first}{one_line(remedy.hostname, MAX_BUTTON_TEXT - len(first))}"


def command_suggestions(message: str, hint: str, near: Sequence[str]) -> Post:
    """Render "command not understood" with a button for each likely command."""
    base = note(message, hint)
    row = [command_button(undo_slack_markup(text), text, number) for number, text in enumerate(near)]
    fitting = [element for element in row if element is not None]
    return Post((*base.blocks, actions(fitting))) if fitting else base


def command_button(words: str, text: str, number: int) -> Block | None:
    """Return a button that executes a typed command; None if the text exceeds a button's value."""
    value = {"t": text}
    if len(pack(value)) > MAX_VALUE:
        return None
    return button(f"{SLASH} {one_line(words, 70)}", action_ids.numbered_action_id(action_ids.TYPED, number), value)
