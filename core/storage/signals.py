"""The wake: those who wait for the database to change hear of it, from this process or another.

In this process by an event; from another by PostgreSQL's NOTIFY or, on SQLite, by a look at
`PRAGMA data_version` (a few microseconds) four times a second. Nothing runs while nobody waits.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio

from core.clock import Clock
from core.storage.engines import PG_PATIENCE, Pools
from core.supervision import Supervisor

LOOK_SECONDS = 0.25
AWAY_SECONDS = 1.0


class Signals:
    """A broadcast that something was committed; now and then it wakes for nothing."""

    def __init__(self, pools: Pools, clock: Clock, supervisor: Supervisor | None = None) -> None:
        self._supervisor = supervisor or Supervisor(clock)
        self._pools = pools
        self._clock = clock
        self._event = anyio.Event()
        self._waiters = 0
        self._wanted = anyio.Event()

    def notify(self) -> None:
        """Wake every waiter of this process."""
        event, self._event = self._event, anyio.Event()
        event.set()

    def mark(self) -> anyio.Event:
        """Return a mark to take before a look: a wait since it misses no commit that came after the look."""
        return self._event

    async def wait(self, seconds: float, since: anyio.Event | None = None) -> None:
        """Return at the next commit of any process (since a mark, if given), or after `seconds`."""
        event = since or self._event
        self._waiters += 1
        self._wanted.set()
        try:
            with anyio.move_on_after(max(seconds, 0)):
                await event.wait()
        finally:
            self._waiters -= 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for other processes as long as the block runs, from the first time that somebody waits."""
        failure: Exception | None = None
        async with anyio.create_task_group() as group:
            work = self._look_at_file if self._pools.sqlite else self._listen
            self._supervisor.start("signals", work, group=group)
            try:
                yield
            except Exception as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _somebody_waits(self) -> None:
        while not self._waiters:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    async def _look_at_file(self) -> None:
        while True:
            try:
                with closing(sqlite3.connect(self._address(), uri=True, isolation_level=None)) as connection:
                    await self._look(connection)
            except sqlite3.Error:  # waiters fall back on their own time limits
                await self._clock.sleep(AWAY_SECONDS)

    def _address(self) -> str:
        """Return the file so that it is opened if it is there, and never made."""
        return f"{Path(str(self._pools.url.database)).as_uri()}?mode=rw"

    async def _look(self, connection: sqlite3.Connection) -> None:
        seen = _data_version(connection)
        self.notify()  # what came before this connection was not seen
        while True:
            await self._somebody_waits()
            await self._clock.sleep(LOOK_SECONDS)
            now = _data_version(connection)
            if now != seen:
                seen = now
                self.notify()

    async def _listen(self) -> None:
        import psycopg  # noqa: PLC0415 - 6 MiB that a process on SQLite does without

        await self._somebody_waits()
        while True:
            try:
                await self._hear()
            except psycopg.Error:  # the server is away: waiters fall back on their own time limits
                await self._clock.sleep(AWAY_SECONDS)

    async def _hear(self) -> None:
        import psycopg  # noqa: PLC0415 - as above

        address = self._pools.url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await psycopg.AsyncConnection.connect(address, autocommit=True, **PG_PATIENCE) as connection:
            await connection.execute("LISTEN vpsops")
            self.notify()  # what came before this connection was not heard
            async for _ in connection.notifies():
                self.notify()


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
