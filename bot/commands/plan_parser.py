"""The words after an operation that mean many servers: names, patterns such as `web*`, filters and options.

A name has a digit or a dot, as a word of a sentence has not: `reboot web01 please` means no plan.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.bot.commands.argument_parser import ArgumentsError
from vpsops.bot.commands.corrections import is_like_name
from vpsops.bot.protocol.text_normalization import abbreviate, strip_quotes
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import whole_number
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.server_lookup import plain_reference
from vpsops.core.plans.model import PlanOptions
from vpsops.core.plans.selection import FILTER, separate_names
from vpsops.core.policy.context import is_glob

OPTION: Final = re.compile(r"-{0,2}(at[_-]once|pause|stop[_-]after|probe)=(.*)", re.IGNORECASE)
SECONDS: Final = re.compile(r"([0-9]{1,4})(s|m)?")
MOST: Final = 1_000_000
SIGNS: Final = re.compile(r"[a-z0-9*](?=.*[?\[])(?:[a-z0-9.*?-]|\[[a-z0-9!-]{1,40}\])*(?<![a-z0-9]\?)(?<!\.)")
"""A pattern with `?` or `[…]`: a `?` behind a letter or a digit at the end asks, as people do."""


class PlanWordsError(ArgumentsError):
    """An option of a plan has a value that it does not take."""


@dataclass(frozen=True, slots=True)
class PlanWords:
    """The words that select servers, and the options of their plan."""

    words: tuple[str, ...]
    options: PlanOptions


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Ask once about many servers: those that `words` select; `arguments` are those of each member but the server."""

    operation: str
    words: tuple[str, ...]
    options: PlanOptions
    arguments: Mapping[str, Json] = field(default_factory=dict)
    reason: str = ""
    later: str = ""  # the time that was named


def plan_of_words(operation: str, words: Sequence[str]) -> RunPlan | None:
    """Return the plan of an operation that takes a server alone, or None where the words mean at most one server.

    Raises `PlanWordsError`.
    """
    plan = parse_plan(words) if OPERATIONS[operation].plannable else None
    return RunPlan(operation, plan.words, plan.options) if plan is not None else None


def plan_of_arguments(operation: str, arguments: Mapping[str, Json]) -> RunPlan | None:
    """Return the plan of an operation with more arguments, where the word for its server means several."""
    server = str(arguments.get("server", ""))
    plan = parse_plan([server]) if OPERATIONS[operation].plannable and names_many(server) else None
    others = {key: value for key, value in arguments.items() if key != "server"}
    return RunPlan(operation, plan.words, plan.options, others) if plan is not None else None


def parse_plan(words: Sequence[str], *, sentence: bool = True) -> PlanWords | None:
    """Return the plan that words mean, or None where they may mean something else.

    With `sentence` a word may be no name at all. Raises `PlanWordsError` for an option's value.
    """
    options = {_name(match[1]): match[2] for match in map(OPTION.fullmatch, words) if match}
    servers = separate_names([word for word in words if not OPTION.fullmatch(word)])
    if not servers or (sentence and not all(map(_selects, servers))):
        return None
    many = len(servers) > 1 or names_many(servers[0])
    return PlanWords(tuple(map(_plain, servers)), options_from(options)) if many else None


def taken_words(operation: str) -> str:
    """Return the words that an operation takes for its servers."""
    many = OPERATIONS[operation].plannable
    return "names with a digit or a dot, patterns and filters" if many else "one server at a time"


def names_many(word: str) -> bool:
    """Return whether one word means several servers: a pattern, a filter, or names that commas join."""
    if len(names := separate_names([word])) > 1:
        return all(map(_selects, names))
    return FILTER.fullmatch(word) is not None or bool(_pattern(word)) or is_glob(plain_reference(word))


def _pattern(word: str) -> str:
    """Return a pattern with `?` or `[…]`, or "" where these are punctuation around a name."""
    plain = strip_quotes(word).lower()
    return plain if SIGNS.fullmatch(plain) else ""


def _selects(word: str) -> bool:
    return names_many(word) or is_like_name(plain_reference(word))


def _plain(word: str) -> str:
    match = FILTER.fullmatch(word)
    return f"{match[1].lower()}:{strip_quotes(match[2])}" if match else _pattern(word) or plain_reference(word)


def _name(word: str) -> str:
    return word.lower().replace("-", "_")


def options_from(typed: Mapping[str, str]) -> PlanOptions:
    """Return options from their texts; raises `PlanWordsError`."""
    readers: Mapping[str, Callable[[str], int | None]] = {
        "at_once": _number,
        "stop_after": _number,
        "pause": _seconds,
    }
    numbers = {name: read(typed[name]) for name, read in readers.items() if name in typed}
    wrong = next((name for name, value in numbers.items() if value is None), "")
    if wrong:
        form = "seconds or minutes, such as 30s" if wrong == "pause" else "a number"
        raise PlanWordsError(f"{wrong} takes {form}, and not '{abbreviate(typed[wrong])}'.")
    known = {name: value for name, value in numbers.items() if value is not None}
    return PlanOptions(**known, probe=typed.get("probe", ""))


def _number(text: str) -> int | None:
    return whole_number(text, 0, MOST)


def _seconds(text: str) -> int | None:
    match = SECONDS.fullmatch(text.lower())
    return int(match[1]) * (60 if match[2] == "m" else 1) if match else None
