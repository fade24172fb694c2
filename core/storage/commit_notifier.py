"""Notification of commits to those who wait for the database to change, from this process or another.

In this process by an event; from another by PostgreSQL's NOTIFY or, on SQLite, by a read of
`PRAGMA data_version` (a few microseconds) four times a second. Nothing runs without a waiter.

A commit names the topics it is about, and wakes only who waits for one of them, or for anything: each
waiter's query is a transaction, and most commits do not concern it.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections import deque
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import anyio

from vpsops.core.common import timings
from vpsops.core.common.supervision import Supervisor, block_tasks
from vpsops.core.storage.pools import PG_PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    import psycopg
    from sqlalchemy.engine import Connection

    from vpsops.core.common.clock import Clock
    from vpsops.core.storage.pools import Pools

LOOK_SECONDS: Final = timings.SIGNAL_SECONDS
AWAY_SECONDS: Final = timings.SIGNAL_AWAY_SECONDS
PROBE_SECONDS: Final = timings.SIGNAL_PROBE_SECONDS
ANY = ""
"""The topic of a waiter for any commit; as a commit's topic, everything."""
OUTBOX = "outbox"
AUDIT = "audit"
TOUCHED = "vpsops_touched"
NOTED = "vpsops_noted"
PAYLOAD_BYTES = 4000  # NOTIFY takes 8000; a commit about more wakes everyone
OWN_KEPT = 1000
PLAIN = re.compile(r"[a-z0-9_:.-]+")


def touch(connection: Connection, topic: str) -> None:
    """Add a topic of the caller's transaction."""
    connection.info.setdefault(TOUCHED, set()).add(topic)


def touched(connection: Connection) -> frozenset[str]:
    """Return and clear the topics of a transaction; without any it may be about anything."""
    noted: set[str] = connection.info.pop(TOUCHED, set())
    return frozenset(noted) or frozenset({ANY})


def facts_of(connection: Connection) -> list[object]:
    """Return the facts of the caller's transaction, to add to: the observer of what is committed takes them."""
    facts: list[object] = connection.info.setdefault(NOTED, [])
    return facts


def noted(connection: Connection) -> tuple[object, ...]:
    """Return and clear the facts of a transaction."""
    facts: list[object] = connection.info.pop(NOTED, [])
    return tuple(facts)


class Signals:
    """A broadcast of commits; now and then it wakes for nothing."""

    def __init__(self, pools: Pools, clock: Clock, supervisor: Supervisor | None = None) -> None:
        self._supervisor = supervisor or Supervisor(clock)
        self._pools = pools
        self._clock = clock
        self._token = secrets.token_hex(6)
        self._events: WeakValueDictionary[str, anyio.Event] = WeakValueDictionary()
        self._own: deque[int] = deque(maxlen=OWN_KEPT)
        self._waiters = 0
        self._requested = anyio.Event()

    def notify(self, topics: Collection[str] = (ANY,)) -> None:
        """Wake the waiters of this process that wait for one of some topics; by default all."""
        for topic in list(self._events) if ANY in topics else (*topics, ANY):
            event = self._events.pop(topic, None)
            if event is not None:
                event.set()

    def mark(self, topic: str = ANY) -> anyio.Event:
        """Return a mark to take before a query: a wait since the mark misses no commit that came after the query."""
        event = self._events.get(topic)
        if event is None:
            event = self._events[topic] = anyio.Event()
        return event

    def stamp(self, connection: Connection, topics: Collection[str]) -> int:
        """Notify the other processes in the caller's transaction, as its last statement; its commit wakes them.

        Returns a number to hand to `committed` where that is how the database signals.
        """
        if not self._pools.sqlite:
            connection.exec_driver_sql("SELECT pg_notify('vpsops', %(it)s)", {"it": self.payload(topics)})
            return 0
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one()) % (1 << 30) + 1
        connection.exec_driver_sql(f"PRAGMA user_version = {version}")
        return version

    def payload(self, topics: Collection[str]) -> str:
        """Return the payload of NOTIFY: who commits, and about what."""
        names = sorted(topics)
        text = " ".join([self._token, *names])
        return text if len(text) < PAYLOAD_BYTES and all(map(PLAIN.fullmatch, names)) else self._token

    def committed(self, topics: Collection[str], version: int) -> None:
        """Wake this process's waiters after a commit that `stamp` was part of."""
        if version:
            self._own.append(version)
        self.notify(topics)

    async def wait(self, seconds: float, since: anyio.Event | None = None) -> None:
        """Return at the next commit of any process (since a mark, if given), or after `seconds`."""
        event = since or self.mark()
        self._waiters += 1
        self._requested.set()
        try:
            with anyio.move_on_after(max(seconds, 0)):
                await event.wait()
        finally:
            self._waiters -= 1

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen for other processes as long as the block runs, from the first wait on."""
        async with block_tasks() as group:
            work = self._watch_file if self._pools.sqlite else self._listen
            self._supervisor.start("signals", work, group=group)
            yield

    async def _wait_for_waiter(self) -> None:
        while not self._waiters:
            self._requested = anyio.Event()
            await self._requested.wait()

    async def _watch_file(self) -> None:
        while True:
            try:
                with closing(sqlite3.connect(self._address(), uri=True, isolation_level=None)) as connection:
                    await self._watch_connection(connection)
            except sqlite3.Error:  # waiters fall back on their own time limits
                await self._clock.sleep(AWAY_SECONDS)

    def _address(self) -> str:
        """Return the file so that it is opened if it is there, and never made."""
        return self._pools.files.uri if self._pools.files is not None else ""

    async def _watch_connection(self, connection: sqlite3.Connection) -> None:
        seen, version = _data_version(connection), _user_version(connection)
        self.notify()  # commits before this connection were not seen
        while True:
            await self._wait_for_waiter()
            await self._clock.sleep(LOOK_SECONDS)
            now = _data_version(connection)
            if now == seen:
                continue
            seen, before, version = now, version, _user_version(connection)
            own = sum(before < number <= version for number in self._own)
            if version - before != own:
                self.notify()

    async def _listen(self) -> None:
        import psycopg  # noqa: PLC0415 - 6 MiB that a process on SQLite does without

        await self._wait_for_waiter()
        while True:
            try:
                await self._hear()
            except psycopg.Error:  # the server is away: waiters fall back on their own time limits
                await self._clock.sleep(AWAY_SECONDS)

    async def _hear(self) -> None:
        async with self._listener() as connection:
            await connection.execute("LISTEN vpsops")
            self.notify()  # commits before this connection sent no notification to it
            async for heard in connection.notifies():
                token, *topics = heard.payload.split(" ")
                if token != self._token:  # this process's commits were signalled at once
                    self.notify(topics or (ANY,))

    @asynccontextmanager
    async def _listener(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Connect, and close in any case: psycopg's own block waits first, which a cancelled task does not survive."""
        import psycopg  # noqa: PLC0415 - as above

        connection = await psycopg.AsyncConnection.connect(self._server(), autocommit=True, **PG_PATIENCE)
        try:
            yield connection
        finally:
            await connection.close()

    def _server(self) -> str:
        """Return the address to LISTEN at on PostgreSQL."""
        server = self._pools.engines.server
        return server.listening.set(drivername="postgresql").render_as_string(hide_password=False) if server else ""

    async def is_heard(self, notify: Callable[[Callable[[Connection], object]], Awaitable[object]]) -> bool:
        """Return whether a notification of this process's own arrives where it listens; for PostgreSQL alone.

        `notify` runs work in a transaction, as commits do. A pooler in transaction mode takes a LISTEN and delivers
        nothing.
        """
        import psycopg  # noqa: PLC0415 - as above

        def work(connection: Connection) -> None:
            connection.exec_driver_sql("SELECT pg_notify('vpsops_probe', %(it)s)", {"it": self._token})

        try:
            async with self._listener() as connection:
                await connection.execute("LISTEN vpsops_probe")
                await notify(work)
                with anyio.move_on_after(PROBE_SECONDS):
                    async for heard in connection.notifies():
                        if heard.payload == self._token:
                            return True
        except psycopg.Error:
            return False
        return False


def _data_version(connection: sqlite3.Connection) -> int:
    """Return a number that moves with every commit of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _user_version(connection: sqlite3.Connection) -> int:
    """Return the number that every commit with a notification counts up."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
