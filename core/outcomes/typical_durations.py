"""How long an operation usually takes here, from the changes that succeeded."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.model import State
from vpsops.core.common.clock import Clock
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import CHANGES

SAMPLE = 20
ENOUGH = 3
FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class TypicalDuration:
    """The shortest and the longest of the last runs, in seconds."""

    shortest: float
    longest: float


def typical_duration(seconds: list[float]) -> TypicalDuration | None:
    """Return the range of some durations, or None for fewer than three."""
    known = sorted(second for second in seconds if second >= 0)
    if len(known) < ENOUGH:
        return None
    cut = len(known) // 10  # one slow run in ten is no rule
    return TypicalDuration(known[cut], known[len(known) - 1 - cut])


class TypicalDurations:
    """Reads the durations, at most once a minute for each operation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, TypicalDuration | None]] = {}

    async def of(self, operation: str) -> TypicalDuration | None:
        """Return how long an operation usually takes, or nothing; raises `StorageError`."""
        now = self._clock.monotonic()
        at, usual = self._known.get(operation, (float("-inf"), None))
        if now - at < FRESH_SECONDS:
            return usual
        durations = await self._database.read(lambda connection: _seconds(connection, operation))
        self._known[operation] = (now, typical_duration(durations))
        return self._known[operation][1]


def _seconds(connection: Connection, operation: str) -> list[float]:
    columns = sa.select(CHANGES.c.settled_at - CHANGES.c.sent_at)
    mine = (CHANGES.c.operation == operation) & (CHANGES.c.state == State.SUCCEEDED.value)
    timed = CHANGES.c.settled_at.is_not(None) & CHANGES.c.sent_at.is_not(None)
    newest = columns.where(mine, timed).order_by(CHANGES.c.created_at.desc()).limit(SAMPLE)
    return [float(seconds) for seconds in connection.scalars(newest)]
