"""Access to the database: short transactions on a worker thread, and a wake for those who wait.

On SQLite every write begins with BEGIN IMMEDIATE, so that a transaction never fails half way for a
lock; `durable=False` leaves the flush to the next durable write (a crash of the machine, not of the
process, may lose it). On PostgreSQL a lost connection is retried as long as nothing was committed.
"""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import sqlalchemy as sa
import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import Supervisor
from vpsops.core.storage import engines, schema
from vpsops.core.storage.batches import Rider
from vpsops.core.storage.commit_notifier import Signals, touched
from vpsops.core.storage.lease_clock import LeaseClock

T = TypeVar("T")
Work = Callable[[Connection], T]

logger = structlog.get_logger(__name__)
RETRY_SECONDS: Final = timings.RETRY_SECONDS
SCHEMA_SECONDS: Final = timings.SCHEMA_SECONDS
"""Less than the pause between two heartbeats, so that each of them checks."""
PAUSE_SECONDS: Final = timings.PAUSE_SECONDS
AGAIN = frozenset({"40001", "40P01"})  # PostgreSQL: serialization failure, deadlock
ITS_OWN = (DataError, IntegrityError, NotSupportedError, ProgrammingError)  # the fault of the statement

__all__ = ["Connection", "Database", "open_database"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A transaction that failed because of the database rather than its statement; by the steady clock."""

    at: float
    what: str


class Database:
    """Transactions, the lease clock and the wake of one database."""

    def __init__(self, pools: engines.Pools, clock: Clock, signals: Signals) -> None:
        self.clock = clock
        self.signals = signals
        self.sqlite = pools.sqlite
        self._pools = pools
        self._writers = CapacityLimiter(1 if self.sqlite else pools.workers)
        # On PostgreSQL both share one pool, which must not be outrun; one connection of it is for heartbeats.
        self._readers = CapacityLimiter(engines.READERS) if self.sqlite else self._writers
        self._hearts = self._writers if self.sqlite else CapacityLimiter(1)
        self.lease_clock = LeaseClock(clock)
        self._riders: list[Rider[Any]] = []
        self.heart_beats = False
        self.last_failure: Failure | None = None
        self.outdated = anyio.Event()
        """Set once the schema is another version's: nothing is written from then on, and the process has to end."""
        self._schema_seen = float("-inf")

    @property
    def free_bytes(self) -> int | None:
        """Return the room left on the disk of a SQLite file, in bytes, where that is known."""
        return None if self._pools.files is None else self._pools.files.free_bytes

    @property
    def read_only(self) -> bool:
        """Return whether the file is open for reading only, as this user may not write to it."""
        return self._pools.files is not None and self._pools.files.read_only

    @property
    def in_place(self) -> bool:
        """Return whether this process writes to what others find: on SQLite, the file at the path."""
        return self._pools.files is None or self._pools.files.in_place

    async def transact(self, work: Work[T], *, durable: bool = True, wake: bool = True, heart: bool = False) -> T:
        """Run `work` in one transaction and commit it; wakes those who wait for what it touched unless `wake` is false.

        `heart` takes the connection that is kept for heartbeats, which must not queue behind other work. Raises
        `StorageError` where the database is locked for long, full or not reachable; nothing was stored then,
        except where the message states that it is not known.
        """
        engine = self._pools.heart if heart else self._pools.durable if durable else self._pools.quick
        limiter = self._hearts if heart else self._writers
        try:
            done, topics, version = await self._again(partial(self._write_once, engine, work, wake), limiter)
        except schema.MovedOnError as error:
            if not self.outdated.is_set():
                logger.error("schema_moved_on", error=error.message, error_id=error.error_id)
                self.outdated.set()
            raise
        if wake:
            self.signals.committed(topics, version)
        return done

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent view of the database; raises `StorageError`."""
        return await self._again(partial(self._read_once, work), self._readers)

    async def read_along(self, work: Work[T]) -> T:
        """Run `work` as `read` does, in the transaction of the next heartbeat; without heartbeats, at once.

        For periodic queries in any process: an idle one then makes one transaction a second.
        """
        if not self.heart_beats:
            return await self.read(work)
        rider = Rider(work)
        self._riders.append(rider)
        return await rider.arrival()

    async def hears_others(self) -> bool:
        """Return whether this process is woken by what others store, or notices it only at its next query."""
        return self.sqlite or await self.signals.is_heard(self.read)

    def riders(self) -> list[Rider[Any]]:
        """Return the reads that wait for a heartbeat, to be carried by the caller's."""
        waiting, self._riders = self._riders, []
        return waiting

    def tick(self, connection: Connection) -> float:
        """Return the lease clock in seconds.

        SQLite serves one machine with one clock since boot for all processes; on PostgreSQL they keep one together.
        """
        return self.clock.monotonic() if self.sqlite else self.lease_clock.read(connection)

    async def _again(self, attempt: Callable[[], T], limiter: CapacityLimiter) -> T:
        """Run `attempt` on a worker thread, and again after a pause where nothing was committed and it may pass."""
        give_up = anyio.current_time() + RETRY_SECONDS
        while True:
            try:
                return await to_thread.run_sync(attempt, limiter=limiter)
            except DBAPIError as error:
                if isinstance(error, IntegrityError):
                    raise
                if not _passing(error) or anyio.current_time() > give_up:
                    raise self._failed(error, _storage_error(error)) from error
            await anyio.sleep(PAUSE_SECONDS)

    def _write_once(self, engine: sa.Engine, work: Work[T], wake: bool) -> tuple[T, Collection[str], int]:
        with engine.connect() as connection:
            transaction = connection.begin()
            touched(connection)  # of an attempt before
            try:
                self._pools.verify()
                self._verify_schema(connection)
                done = work(connection)
                topics = touched(connection)
                version = self.signals.stamp(connection, topics) if wake else 0
            except BaseException:
                _roll_back(transaction)
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                raise self._failed(error, _storage_error(error, committing=not self.sqlite)) from error
            return done, topics, version

    def _verify_schema(self, connection: Connection) -> None:
        """Check once a second, in a transaction that is made anyway: a newer version may have migrated the schema."""
        now = self.clock.monotonic()
        if self.outdated.is_set() or now - self._schema_seen >= SCHEMA_SECONDS:
            schema.verify(connection)
            self._schema_seen = now

    def _failed(self, error: DBAPIError, failure: StorageError) -> StorageError:
        """Record a failure of the database."""
        if not isinstance(error, ITS_OWN):
            self.last_failure = Failure(self.clock.monotonic(), failure.message)
        return failure

    def _read_once(self, work: Work[T]) -> T:
        with self._pools.reading.connect() as connection, connection.begin():
            self._pools.verify()
            return work(connection)


def _roll_back(transaction: sa.engine.RootTransaction) -> None:
    try:
        transaction.rollback()
    except DBAPIError:  # the connection is gone, and the transaction with it
        return


def _passing(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state in AGAIN or (state is None and "connection" in str(error.orig).lower())


def _storage_error(error: DBAPIError, *, committing: bool = False) -> StorageError:
    text = str(error.orig).lower()
    if committing:
        return StorageError("The database went away during a commit; it is not known whether it was stored.")
    if any(word in text for word in ("locked", "busy", "lock timeout")):
        return StorageError("The database stayed locked by another process.", hint="Try again in a moment.")
    if any(word in text for word in ("full", "no space", "readonly", "read-only", "i/o error")):
        hint = "Nothing was stored or sent. Make room, or let this user write to the file and its folder."
        return StorageError("The database cannot be written: disk full or read-only.", hint=hint)
    if "unable to open" in text:
        hint = "Copy it together with its -wal file into a folder that this user may write to, and read it there."
        return StorageError("The database file cannot be opened in its folder.", hint=hint)
    if "not a database" in text or "malformed" in text:
        hint = "Check VPSOPS_DATABASE_URL; if that is the right file, restore its last backup."
        return StorageError("The file is not a database, or it is damaged.", hint=hint)
    return StorageError("The database did not answer.", hint="Nothing was stored. Check VPSOPS_DATABASE_URL.")


@asynccontextmanager
async def open_database(  # noqa: PLR0913 - the options of a start, all of them named
    url: str,
    clock: Clock,
    *,
    make: bool = True,
    busy: float = engines.BUSY_SECONDS,
    supervisor: Supervisor | None = None,
    options: engines.PostgresOptions = engines.DEFAULT_OPTIONS,
) -> AsyncIterator[Database]:
    """Open a database, bring its schema up to date and close it in the end.

    Without `make` nothing is made or brought up to date: a reader leaves things as they are.
    Raises `ConfigurationError` for a URL that cannot serve (a network file system, another kind of
    database) or a schema that is not this version's, and `StorageError` where it does not answer;
    `busy` is how many seconds a lock is waited for; `options` are for PostgreSQL.
    """
    pools = engines.open_pools(url, make=make, busy=busy, options=options)
    try:
        await to_thread.run_sync(partial(_prepare, pools, make))
        signals = Signals(pools, clock, supervisor)
        async with signals.listening():
            yield Database(pools, clock, signals)
    finally:
        pools.close()


def _prepare(pools: engines.Pools, make: bool) -> None:
    try:
        with pools.reading.connect() as connection, connection.begin():
            current = schema.schema_status(connection) is schema.SchemaStatus.CURRENT
            if not make:
                schema.check(connection)
        if not current:  # a start must not wait for a writer just to find that the schema is current
            schema.upgrade(pools.durable)
    except DBAPIError as error:
        raise _storage_error(error) from error
