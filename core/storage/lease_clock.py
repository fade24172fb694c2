"""The lease clock of a database that serves several machines: it never stops while used, and never jumps.

No machine's date can be trusted for it, the database server's included: an hour forward would make every living
process appear dead to the others. So the clock is kept by those who use it. Each heartbeat stores its time; a reader
of the clock takes the latest stored one, or what has passed since its last read by its own steady clock, whichever is
later. The times of all processes so stay together, whatever happens to any date. Without a process to take it over
from, it begins with the server's date. While no process lives it stands still.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vpsops.core.common.clock import Clock

LATEST: Final = "SELECT max(beat) FROM processes"
DATE: Final = "SELECT extract(epoch FROM clock_timestamp())"


class LeaseClock:
    """One process's reading of the clock that all processes share."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: float | None = None
        self._at = 0.0

    def read(self, connection: Connection) -> float:
        """Return the time in seconds, in the caller's transaction."""
        stored = connection.exec_driver_sql(LATEST).scalar_one()
        with self._lock:
            now = self._clock.monotonic()
            own = None if self._known is None else self._known + now - self._at
            times = [time for time in (stored, own) if time is not None]
            self._known = max(times) if times else float(connection.exec_driver_sql(DATE).scalar_one())
            self._at = now
            return self._known

    def skip(self, seconds: float) -> None:
        """Advance this process's reading alone: for a reader that has seen no heartbeat."""
        with self._lock:
            if self._known is not None:
                self._known += seconds
