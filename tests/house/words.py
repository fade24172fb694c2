"""Words of a private dialect, counted in 10,000 lines: names, comments, docstrings and texts alike."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.house.tree import Module

PER_LINES: Final = 10_000
TABLE: Final = Path(__file__).parent / "words.toml"


@dataclass(frozen=True)
class Word:
    """A row of words.toml."""

    pattern: re.Pattern[str]
    aim: float
    elsewhere: Sequence[float]
    example: str


def _words() -> Iterator[tuple[str, Word]]:
    for name, row in tomllib.loads(TABLE.read_text(encoding="utf-8")).items():
        yield name, Word(re.compile(row["pattern"]), row["aim"], row["elsewhere"], row["example"])


WORDS: Final[Mapping[str, Word]] = dict(_words())


def occurrences(word: Word, modules: Sequence[Module]) -> Iterator[str]:
    """Return where a word stands, once for each time."""
    for module in modules:
        for number, line in enumerate(module.lines, 1):
            yield from (f"{module.path}:{number} {line.strip()[:100]}" for _ in word.pattern.finditer(line))


def rate(count: int, modules: Sequence[Module]) -> float:
    """Return a count in 10,000 lines."""
    return PER_LINES * count / max(1, sum(len(module.lines) for module in modules))
