"""The labelled facts of a change: all that is shown of it beside its server, its price and its effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

UNKNOWN: Final = "not known"
ARROW: Final = " → "


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact as people read it; one without a value is not shown."""

    label: str
    value: str

    @property
    def line(self) -> str:
        """The fact as one line of text."""
        return f"{self.label}: {self.value}"


def changed(label: str, before: str, after: str) -> Fact:
    """Return the fact of a value that is replaced by another."""
    return Fact(label, f"{before or 'none'}{ARROW}{after or 'none'}")


def with_values(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return the facts that have a value."""
    return tuple(fact for fact in facts if fact.value)
