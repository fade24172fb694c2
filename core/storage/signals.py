"""The wake: those who wait for the database to change hear of it, from this process or another.

In this process by an event; from another by PostgreSQL's NOTIFY or, on SQLite, by a look at
`PRAGMA data_version` (a few microseconds) four times a second. Nothing runs while nobody waits.
"""

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.from_thread
import psycopg
from anyio import to_thread

from core.clock import Clock
from core.storage.engines import Pools

LOOK_SECONDS = 0.25


class Signals:
    """A broadcast that something was committed."""

    def __init__(self, pools: Pools, clock: Clock) -> None:
        self._pools = pools
        self._clock = clock
        self._event = anyio.Event()
        self._waiters = 0
        self._wanted = anyio.Event()
        self._closed = threading.Event()

    def notify(self) -> None:
        """Wake every waiter of this process."""
        event, self._event = self._event, anyio.Event()
        event.set()

    async def wait(self, seconds: float) -> None:
        """Return at the next commit of any process, or after `seconds`."""
        event = self._event
        self._waiters += 1
        self._wanted.set()
        try:
            with anyio.move_on_after(max(seconds, 0)):
                await event.wait()
        finally:
            self._waiters -= 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for other processes as long as the block runs and somebody waits."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._look_at_file if self._pools.sqlite else self._listen)
            try:
                yield
            finally:
                self._closed.set()
                group.cancel_scope.cancel()

    async def _somebody_waits(self) -> None:
        while not self._waiters:
            self._wanted = anyio.Event()
            await self._wanted.wait()

    async def _look_at_file(self) -> None:
        connection = sqlite3.connect(str(self._pools.url.database), isolation_level=None, check_same_thread=False)
        try:
            seen = _data_version(connection)
            while True:
                await self._somebody_waits()
                await self._clock.sleep(LOOK_SECONDS)
                now = _data_version(connection)
                if now != seen:
                    seen = now
                    self.notify()
        finally:
            connection.close()

    async def _listen(self) -> None:
        while True:
            await self._somebody_waits()
            try:
                await to_thread.run_sync(self._hear, abandon_on_cancel=True)
            except psycopg.Error:  # the server is away: waiters fall back on their own time limits
                await self._clock.sleep(1)
            self.notify()

    def _hear(self) -> None:
        address = self._pools.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute("LISTEN vpsops")
            while self._waiters and not self._closed.is_set():
                for _ in connection.notifies(timeout=1.0, stop_after=1):
                    anyio.from_thread.run_sync(self.notify)


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
