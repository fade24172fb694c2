"""The time behind a command: `reboot web01 at 02:00`, `in 2h`, `in window nightly`. It raises; it never guesses."""

from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.protocol.command_catalog import TIME, takes_open_text
from vpsops.bot.protocol.text_normalization import abbreviate
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import arguments_of
from vpsops.core.schedule.time_words import FORMS, is_time

CREATE: Final = {
    "hostname": "hostname",
    "plan": "plan",
    "region": "region",
    "os": "os_template",
    "os_template": "os_template",
    "for": "lifetime",
}
"""Words of a new server by what the form calls them."""
BEGINNINGS: Final = frozenset(form.split()[0] for form in TIME)


def split_time(operation: Operation, words: list[str]) -> tuple[list[str], str]:
    """Return the words before the time that they end with, and the time, or "" without one.

    Raises `ArgumentsError` for what looks like a time and is none, and where it may be a part of an argument.
    """
    own = {argument.word.lower() for argument in arguments_of(operation.arguments)}
    for index in range(len(words)):
        if words[index].lower() not in BEGINNINGS - own:
            continue
        time = " ".join(words[index:])
        if is_time(time):
            if takes_open_text(operation):
                raise ArgumentsError(f"'{abbreviate(time)}' may be a part of the text, so nothing was run.")
            return words[:index], time
        if not operation.reads and _looks_like_time(words[index:]):
            raise ArgumentsError(f"'{abbreviate(time)}' is no time to run at. Write {FORMS}.")
    return words, ""


def _looks_like_time(words: list[str]) -> bool:
    following = words[1].lower() if len(words) > 1 else ""
    return following[:1].isdigit() or following == "window"
