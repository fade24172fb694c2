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
FILLERS: Final = frozenset(
    {"all", "and", "are", "at", "every", "everything", "hosts", "in", "instances", "is", "machines", "my", "on", "our"}
    | {"please", "servers", "that", "the", "vms", "which", "with"}
)
"""Words of a sentence: they select nothing by themselves, though a name may hold them."""
NEGATIONS: Final = frozenset({"except", "no", "non", "not", "without"})
OPPOSITES: Final = {"running": "stopped", "up": "stopped", "on": "stopped", "stopped": "running", "off": "running"}

_KEY: Final = re.compile(r"-{0,2}([A-Za-z_]+)([=:]?)")
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
    words = _joined([unicodedata.normalize("NFKC", word) for word in words])
    if any(_is_negation(word) for word in words):
        opposite = next((OPPOSITES[word] for word in map(_bare, words) if word in OPPOSITES), "")
        meant = (f"list state:{opposite}",) if opposite else ()
        return ListFilters(problem="A filter says what is listed, and not what is left out.", meant=meant)
    filters = _filters(words)
    fillers = [known for known in filters if not known.key and known.value.lower() in FILLERS]
    options = [known for known in filters if not known.key and known.value.startswith("-")]
    if fillers or options:
        return _without(filters, fillers, options)
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


def _joined(words: Sequence[str]) -> list[str]:
    """Return the words with a filter's name, its sign and its value in one, as in `state : stopped`."""
    joined: list[str] = []
    for word in words:
        before = joined[-1] if joined else ""
        key = _KEY.fullmatch(before)
        if word in {":", "="} and key is not None and not key[2]:
            joined[-1] = f"{before}:"
        elif key is not None and key[2] and not re.search("[=:]", word):
            joined[-1] = before + word
        else:
            joined.append(word)
    return joined


def _filters(words: Sequence[str]) -> list[_Filter]:
    """Return the filters of words; a filter's name with its value behind it is a slip, as in `region oslo`."""
    filters: list[_Filter] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key = word.lstrip("-").lower()
        key = key if key in FILTERS else SYNONYMS.get(key, "")
        if key and rest and not re.search("[=:]", rest[0]):
            filters.append(_Filter(key, strip_quotes(rest.pop(0)), f"A filter is written {key}:VALUE."))
        else:
            filters.append(_filter(word))
    return filters


def _is_negation(word: str) -> bool:
    return word.lower() in NEGATIONS or word.startswith("!") or "!=" in word


def _bare(word: str) -> str:
    return re.split("[=:!]+", word.lower())[-1]


def _without(filters: Sequence[_Filter], fillers: Sequence[_Filter], options: Sequence[_Filter]) -> ListFilters:
    """Answer filters with words that select nothing: what is left of them is meant, or a name with such a word."""
    kept = [known for known in filters if known not in (*fillers, *options)]
    _place_bare_words(kept)
    word = (*fillers, *options)[0].value
    alone = (f"list name:{word}",) if len(filters) == 1 and fillers else ()
    return ListFilters(problem=f"'{abbreviate(word)}' is no filter.", meant=(_texts(kept)[0], *alone))


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
