"""The words of `/vps runbook NAME`: ARGUMENT=VALUE … and a time. Raises; it never guesses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.commands.time_parser import split_time
from vpsops.bot.protocol.text_normalization import abbreviate, strip_quotes
from vpsops.core.operations.traits import RUNBOOK

VALUE: Final = re.compile(r"-{0,2}([A-Za-z][A-Za-z0-9_]*)[=:](.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RunRunbook:
    """Ask once for the steps of a registered runbook, with the values of its arguments."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    later: str = ""  # the time that was named


def parse_runbook(words: Sequence[str], reason: str = "") -> RunRunbook:
    """Return the request that words mean; raises `ArgumentsError` for a word that is no value."""
    rest, time = split_time(RUNBOOK, list(words[1:]))
    values: dict[str, str] = {}
    for word in rest:
        match = VALUE.fullmatch(word)
        if match is None:
            raise ArgumentsError(f"'{abbreviate(word)}' is no value of an argument.")
        name = match[1].lower()
        if name in values:
            raise ArgumentsError(f"{abbreviate(name)} is there twice.")
        values[name] = strip_quotes(match[2])
    return RunRunbook(strip_quotes(words[0]).lower(), values, reason, time)
