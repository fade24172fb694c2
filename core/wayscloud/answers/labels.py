"""Labels as rules, limits and filters compare them: `team=shop`, or `team` with any value, in any case.

A key with an equals sign in it would read as another label, and is no term.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

MOST: Final = 64
LONGEST: Final = 8_192
"""Characters of all labels of a server that a change keeps; of more, its labels are not known."""


def label_words(labels: Mapping[str, str] | None) -> tuple[str, ...] | None:
    """Return labels as sorted words; None where they are not known, or are too many to keep."""
    if labels is None or len(labels) > MOST:
        return None
    if any("=" in key for key in labels):  # it may be any label
        return None
    words = sorted(f"{key}={value}" for key, value in labels.items())
    return tuple(words) if sum(map(len, words)) <= LONGEST else None


def label_term(word: str) -> str:
    """Return a word such as `team=shop` or `team` as it is compared."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())
    visible = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    key, sign, value = visible.partition("=")
    return f"{key.strip()}{sign}{value.strip()}"


def label_terms(words: Iterable[str] | None) -> frozenset[str] | None:
    """Return the terms of labels: each label whole, and its key; None where they are not known."""
    if words is None:
        return None
    terms = {label_term(word) for word in words}
    return frozenset(terms | {term.partition("=")[0].strip() for term in terms})


def has_term(terms: frozenset[str] | None, named: Iterable[str]) -> bool | None:
    """Return whether one of these terms is among those of labels; None where the labels are not known."""
    return None if terms is None else not terms.isdisjoint(named)


def value_in(words: Iterable[str] | None, key: str) -> str:
    """Return the value of a label by its key, in any case; empty where it has none."""
    term = label_term(key)
    return next((word.partition("=")[2] for word in words or () if label_term(word.partition("=")[0]) == term), "")
