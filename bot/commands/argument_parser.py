"""Reads the words after a command as the arguments of its operation, by their kinds. Raises; it never guesses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.bot.protocol.text_normalization import abbreviate, strip_quotes
from vpsops.core.common.json_types import Json
from vpsops.core.operations import Operation
from vpsops.core.operations.arguments import Argument, ArgumentKind, arguments_of

PAIR: Final = re.compile(r"-{0,2}([A-Za-z_]+)[=:](.+)", re.DOTALL)


KEYED: Final = re.compile(r"-{0,2}([A-Za-z_]+)[=:](.*)", re.DOTALL)


class ArgumentsError(Exception):
    """The words cannot be read as the arguments; the text, for people, says why."""


class MissingArgumentError(ArgumentsError):
    """Required arguments are missing; `values` holds the others."""

    def __init__(self, label: str, values: Mapping[str, Json]) -> None:
        super().__init__(f"It needs a {label}.")
        self.values = values


def parse_arguments(operation: Operation, words: Sequence[str]) -> Mapping[str, Json]:
    """Return an operation's arguments as they were typed; raises `ArgumentsError`.

    The required ones come first, in their order. `word=value` names one anywhere; once the required ones are there, an
    optional one may also be named by its word before its value. Free text and labels take all words that are left.
    """
    reading = _Reading(arguments_of(operation.arguments))
    rest = list(words)
    while rest:
        rest = reading.take(rest)
    missing = [argument.spec.label.lower() for argument in reading.left if argument.required]
    if missing:
        raise MissingArgumentError(missing[0], reading.values)
    return reading.values


def pair_of(word: str, keys: frozenset[str]) -> tuple[str, str] | None:
    """Return the key and the value of a word such as plan=small, where the key is one of these; None for any other."""
    match = KEYED.fullmatch(word)
    if match is None or match[1].lower() not in keys:
        return None
    return match[1].lower(), strip_quotes(match[2])


@dataclass(slots=True)
class _Reading:
    arguments: tuple[Argument, ...]
    values: dict[str, Json] = field(default_factory=dict)

    @property
    def left(self) -> list[Argument]:
        """The arguments without a value, the required ones first."""
        left = [argument for argument in self.arguments if argument.name not in self.values]
        return sorted(left, key=lambda argument: not argument.required)

    def take(self, words: list[str]) -> list[str]:
        """Take the next argument from words, and return the words after it."""
        word, left = words[0], self.left
        if left and left[0].spec.kind is ArgumentKind.LABELS and self.values:  # a label's key may be an argument's name
            return self._put(left[0], words, [])
        pair = PAIR.fullmatch(word)
        named = self._named(pair[1]) if pair is not None else None
        if pair is not None and named is not None:
            return self._put(named, [strip_quotes(pair[2])], words[1:])
        keyed = self._named(word) if len(words) > 1 and not any(argument.required for argument in left) else None
        if keyed is not None:
            return self._put(keyed, words[1:2], words[2:])
        if not left:
            raise ArgumentsError(f"Unexpected word '{abbreviate(word)}'.")
        if left[0].spec.kind in {ArgumentKind.TEXT, ArgumentKind.LABELS} or left[0].many:
            return self._put(left[0], words, [])
        return self._put(left[0], [word], words[1:])

    def _named(self, word: str) -> Argument | None:
        known = {argument.word.lower(): argument for argument in self.arguments}
        return known.get(word.lower())

    def _put(self, argument: Argument, values: list[str], rest: list[str]) -> list[str]:
        if argument.name in self.values:
            raise ArgumentsError(f"{argument.spec.label} is there twice.")
        self.values[argument.name] = list(values) if argument.many else " ".join(values)
        return rest
