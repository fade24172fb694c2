"""Words of a private dialect, counted in 10,000 lines: names, comments, docstrings and texts alike."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.house.tree import Module

PER_LINES: Final = 10_000
WORDS: Final[Mapping[str, re.Pattern[str]]] = {
    "told, tell": re.compile(r"\b(told|tells?|telling)\b"),
    "nobody, somebody, anybody, everybody": re.compile(r"\b(nobody|somebody|anybody|everybody)\b"),
    "whoever, whom, whose": re.compile(r"\b(whoever|whom|whose)\b"),
    "look": re.compile(r"\blook(s|ed)?\b"),
    "one as a variable": re.compile(r"\bone\.(?=[a-z_])|\bfor one in\b"),
    "anew": re.compile(r"\banew\b"),
}

AIMS: Final[Mapping[str, float]] = dict(zip(WORDS, (6, 2, 5, 8, 6, 0), strict=True))
"""The rates that are good enough: a ceiling that reached its aim stays there, so that plain prose stays possible."""


def occurrences(pattern: re.Pattern[str], modules: Sequence[Module]) -> Iterator[str]:
    """Return where a word stands, once for each time."""
    for module in modules:
        for number, line in enumerate(module.lines, 1):
            yield from (f"{module.path}:{number} {line.strip()[:100]}" for _ in pattern.finditer(line))


def rate(count: int, modules: Sequence[Module]) -> float:
    """Return a count in 10,000 lines."""
    return PER_LINES * count / max(1, sum(len(module.lines) for module in modules))
