"""The operations that a process can run: stored with its heartbeat, so that others know which process takes over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.storage import rows
from vpsops.core.storage.tables import PROCESSES


@dataclass(frozen=True, slots=True)
class Need:
    """The requirements of a stored change on the process that runs it."""

    operation: str
    format: int


@dataclass(frozen=True, slots=True)
class Capability:
    """The operations that a process supports, and the newest format of a change that it understands."""

    format: int = 1
    operations: frozenset[str] = frozenset()

    def covers(self, need: Need) -> bool:
        """Return whether a change with this need can be run."""
        return need.format <= self.format and need.operation in self.operations

    def includes(self, other: Self) -> bool:
        """Return whether this process can run everything that another can."""
        return other.format <= self.format and other.operations <= self.operations

    @property
    def columns(self) -> dict[str, Any]:
        """The capability as a process's row holds it."""
        return {"format": self.format, "operations": sorted(self.operations)}


def capabilities(connection: Connection, ids: set[str]) -> Mapping[str, Capability]:
    """Return the capabilities of some processes; a process with an unreadable row is left out."""
    query = sa.select(PROCESSES.c.id, PROCESSES.c.format, PROCESSES.c.operations).where(PROCESSES.c.id.in_(ids))
    return dict(rows.read(connection, query, PROCESSES.c.id, _capability).rows)


def _capability(row: sa.RowMapping) -> tuple[str, Capability]:
    return row["id"], Capability(int(row["format"]), frozenset(str(name) for name in row["operations"]))
