"""The inputs and results of a measurement."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """How thorough to be, and a folder for databases that goes away afterwards."""

    quick: bool
    folder: Path

    def pick(self, full: T, quick: T) -> T:
        """Return one of two sizes."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text below a head."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True, slots=True)
class Section:
    """One subject: how it was measured, the figures, and what to know about them."""

    title: str
    how: str
    tables: Sequence[Table]
    notes: Sequence[str] = ()

    def markdown(self, day: str) -> str:
        """Return it as Markdown under its heading."""
        parts = [f"## {self.title}", f"{self.how} Measured {day}.", *(table.markdown() for table in self.tables)]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"


def median(values: Sequence[float]) -> float:
    """Return the middle of some values."""
    return statistics.median(values)


def share(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def pair(values: Sequence[float], digits: int = 1) -> str:
    """Write p50 and p95."""
    return f"{median(values):.{digits}f} / {share(values, 0.95):.{digits}f}"


def middle_and_worst(values: Sequence[float], digits: int = 1) -> str:
    """Write p50 and the worst."""
    return f"{median(values):.{digits}f} / {max(values):.{digits}f}"
