"""Filters of `/vps list` as they are typed; a slip is answered with the filters that were meant, and lists nothing."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vpsops.bot.commands.vocabulary import distance
from vpsops.bot.protocol.text_normalization import abbreviate, strip_quotes
from vpsops.core.operations.servers import DOWN_WORDS, OTHER_STATES, UP_WORDS
from vpsops.core.wayscloud.answers.regions import ALIASES

FILTERS: Final = ("name", "state", "region", "label")
LONGEST_FILTER: Final = 253
SYNONYMS: Final = {
    "status": "state",
    "power": "state",
    "zone": "region",
    "location": "region",
    "datacenter": "region",
    "host": "name",
    "hostname": "name",
    "server": "name",
    "tag": "label",
    "tags": "label",
    "labels": "label",
}
"""What people write in place of the filters' names."""
STATES: Final = frozenset({*UP_WORDS, *DOWN_WORDS, *OTHER_STATES})
LARGEST_SLIP: Final = 2

_PAIR: Final = re.compile(r"-{0,2}([A-Za-z_]+)([=:])(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ListFilters:
    """The filters of a list; with a `problem` nothing is listed, and `meant` holds the texts that may be meant."""

    values: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    meant: tuple[str, ...] = ()


@dataclass(slots=True)
class _Filter:
    key: str
    value: str
    problem: str = ""

    @property
    def text(self) -> str:
        value = f'"{self.value}"' if " " in self.value else self.value
        return value if self.key == "name" and self.value.lower() not in STATES else f"{self.key}:{value}"


def parse_filters(words: Sequence[str]) -> ListFilters:
    """Return the filters that the words are, or what is wrong with them."""
    filters = [_filter(unicodedata.normalize("NFKC", word)) for word in words]
    _place_bare_words(filters)
    problem = next((known.problem for known in filters if known.problem), "")
    keys = [known.key for known in filters]
    if any(not known.value or len(known.value) > LONGEST_FILTER for known in filters):
        return ListFilters(problem="A filter needs a value.")
    if len(set(keys)) < len(keys):
        return ListFilters(problem="Each filter can be used once.", meant=_each_alone(filters))
    if problem:
        return ListFilters(problem=problem, meant=_texts(filters))
    return ListFilters({known.key: known.value for known in filters})


def _filter(word: str) -> _Filter:
    pair = _PAIR.fullmatch(word)
    if pair is None:
        return _Filter("", word)
    key, value = pair[1].lower(), strip_quotes(pair[3])
    if key in FILTERS:
        return _state(value) if key == "state" else _Filter(key, value)
    problem = f"There is no filter '{abbreviate(key)}'."
    meant = SYNONYMS.get(key) or next((known for known in FILTERS if distance(key, known) <= LARGEST_SLIP), "")
    if meant:
        return _Filter(meant, value, problem)
    return _Filter("label", f"{pair[1]}={value}" if value else "", problem)


def _state(value: str) -> _Filter:
    """Return a filter by state; what is near a state and none itself is a slip."""
    word = value.lower()
    long = [state for state in sorted(STATES) if len(state) > LARGEST_SLIP * 2]
    slips = [state for state in long if distance(word, state) <= LARGEST_SLIP]
    if word in STATES or not slips:
        return _Filter("state", value)
    nearest = min(slips, key=lambda state: distance(word, state))
    return _Filter("state", nearest, f"There is no state '{abbreviate(value)}'.")


def _place_bare_words(filters: Sequence[_Filter]) -> None:
    """Give the words without a key the filter that they may be of; a single one is part of a name, if no state."""
    bare = [known for known in filters if not known.key]
    for known in bare:
        known.key = "name"
        if known.value.lower() in STATES:
            known.key, known.problem = "state", f"'{known.value}' is a state."
        elif len(bare) > 1 and known.value.upper() in ALIASES:
            known.key, known.problem = "region", f"'{known.value}' is a region."


def _texts(filters: Sequence[_Filter]) -> tuple[str, ...]:
    """Return the text with every filter as it is meant; a state alone may be part of a name too."""
    texts = [" ".join(["list", *(known.text for known in filters)])]
    if len(filters) == 1 and filters[0].problem.endswith("is a state."):
        texts.append(f"list name:{filters[0].value}")
    return tuple(texts)


def _each_alone(filters: Sequence[_Filter]) -> tuple[str, ...]:
    return tuple(f"list {known.text}" for known in filters)
