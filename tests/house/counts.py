"""Every count with its findings, and the ceilings."""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.house.rules import RULES
from tests.house.tree import Module, Tree, read_tree
from tests.house.words import WORDS, occurrences, rate

CEILINGS: Final = Path(__file__).parent / "ceilings.toml"
SHOWN: Final = 40
SLACK: Final = 0.9
"""A count below this part of its ceiling lowers the ceiling."""


@dataclass(frozen=True)
class Count:
    """How often something is there: as a number, or in 10,000 lines."""

    section: str
    name: str
    value: float
    findings: Sequence[str]

    @property
    def ceiling(self) -> float:
        """The value as a ceiling: a rate is rounded up to a half, and never below its aim."""
        if not self.section.startswith("words"):
            return self.value
        return max(math.ceil(self.value * 2) / 2, self.aim)

    @property
    def aim(self) -> float:
        """The value that is good enough."""
        return WORDS[self.name].aim if self.section.startswith("words") else 0

    @property
    def text(self) -> str:
        """What was found, for a failing test."""
        more = f"\n  and {len(self.findings) - SHOWN} more" if len(self.findings) > SHOWN else ""
        return f"{self.name} ({self.section}): {self.value:g}\n  " + "\n  ".join(self.findings[:SHOWN]) + more


@cache
def counts() -> Mapping[tuple[str, str], Count]:
    """Count everything in the repository."""
    return {(count.section, count.name): count for count in _counts(read_tree())}


def _counts(tree: Tree) -> Iterator[Count]:
    for scope, modules in (("product", tree.product), ("playground", tree.playground), ("tests", tree.tests)):
        yield from _words(f"words.{scope}", modules)
    for scope, modules in (("code", tree.code), ("tests", tree.tests)):
        for name, rule in RULES.items():
            findings = list(rule(modules))
            yield Count(f"rules.{scope}", name, len(findings), findings)


def _words(section: str, modules: Sequence[Module]) -> Iterator[Count]:
    for name, word in WORDS.items():
        findings = list(occurrences(word, modules))
        yield Count(section, name, round(rate(len(findings), modules), 1), findings)


def ceilings() -> Mapping[tuple[str, str], float]:
    """Read the ceilings, by section and name."""
    tables = tomllib.loads(CEILINGS.read_text(encoding="utf-8"))
    return {
        (f"{kind}.{scope}", name): ceiling
        for kind, scopes in tables.items()
        for scope, table in scopes.items()
        for name, ceiling in table.items()
    }
