"""Access to the database: short transactions on a worker thread, and a wake for those who wait.

On SQLite every write begins with BEGIN IMMEDIATE, so that a transaction never fails half way for a
lock; `durable=False` leaves the flush to the next durable write (a crash of the machine, not of the
process, may lose it). On PostgreSQL a lost connection is retried as long as nothing was committed.
"""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from vpsops.core.common import timings
from vpsops.core.sqlite.failures import storage_error
from vpsops.core.sqlite.reader import ConnectionView
from vpsops.core.storage import pools as ways
from vpsops.core.storage import schema
from vpsops.core.storage.batches import Rider
from vpsops.core.storage.commit_notifier import Signals, noted, touched
from vpsops.core.storage.lease_clock import LeaseClock
from vpsops.core.telemetry.tracer import NO_TRACER, SpanRole, Tracer

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    import sqlalchemy as sa
    from sqlalchemy.engine import Connection
    from sqlalchemy.exc import DBAPIError

    from vpsops.core.common.clock import Clock
    from vpsops.core.common.errors import StorageError
    from vpsops.core.common.supervision import Supervisor
    from vpsops.core.sqlite.reader import DatabaseView, FileReader

    Work = Callable[[Connection], T]


logger = structlog.get_logger(__name__)
RETRY_SECONDS: Final = timings.RETRY_SECONDS
SCHEMA_SECONDS: Final = timings.SCHEMA_SECONDS
"""Less than the pause between two heartbeats, so that each of them checks."""
PAUSE_SECONDS: Final = timings.PAUSE_SECONDS
FILES_OWN: Final = (sqlite3.OperationalError, sqlite3.DatabaseError)  # the fault of the file; others are the query's


@dataclass(frozen=True, slots=True)
class Failure:
    """A transaction that failed because of the database rather than its statement; by the steady clock."""

    at: float
    what: str


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit was about: its topics, the number of its notification, and the facts noted in it."""

    topics: Collection[str]
    version: int
    facts: Sequence[object]


def _observe_nothing(_facts: Sequence[object]) -> None:
    """Observe nothing."""


class Database:
    """Transactions, the lease clock and the wake of one database."""

    def __init__(self, pools: ways.Pools, clock: Clock, signals: Signals) -> None:
        self.clock = clock
        self.signals = signals
        self.sqlite = pools.sqlite
        self._pools = pools
        self._writers = CapacityLimiter(1 if self.sqlite else pools.workers)
        # On PostgreSQL both share one pool, which must not be outrun; one connection of it is for heartbeats.
        self._viewers = CapacityLimiter(1)
        self._readers = CapacityLimiter(ways.READERS) if self.sqlite else self._writers
        self._hearts = self._writers if self.sqlite else CapacityLimiter(1)
        self.lease_clock = LeaseClock(clock)
        self._riders: list[Rider[Any]] = []
        self.heart_beats = False
        self.last_failure: Failure | None = None
        self.observe: Callable[[Sequence[object]], None] = _observe_nothing
        """Called with the facts of each commit, after it; what breaks it is logged."""
        self.tracer: Tracer = NO_TRACER
        self.outdated = anyio.Event()
        """Set once the schema is another version's: nothing is written from then on, and the process has to end."""
        self._schema_seen = float("-inf")
        self._loaded = False

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
        way: ways.Way = "heart" if heart else "durable" if durable else "quick"
        limiter = self._hearts if heart else self._writers
        try:
            with self._span("COMMIT", quiet=heart):
                done, committed = await self._again(partial(self._write_once, way, work, wake), limiter)
        except schema.MovedOnError as error:
            if not self.outdated.is_set():
                logger.error("schema_moved_on", error=error.message, error_id=error.error_id)
                self.outdated.set()
            raise
        if wake:
            self.signals.committed(committed.topics, committed.version)
        if committed.facts:
            self._report(committed.facts)
        return done

    def _report(self, facts: Sequence[object]) -> None:
        """Hand the facts of a commit to the observer, whose failure alters nothing of what is stored."""
        try:
            self.observe(facts)
        except Exception:
            logger.exception("commit_not_observed")

    async def read(self, work: Work[T]) -> T:
        """Run `work` on one consistent view of the database; raises `StorageError`."""
        with self._span("SELECT"):
            return await self._again(partial(self._read_once, work), self._readers)

    async def view(self, work: Callable[[DatabaseView], T]) -> T:
        """Run textual queries on one consistent view; of a SQLite file without SQLAlchemy. Raises `StorageError`."""
        reader = self._pools.reader
        if reader is None:
            return await self.read(lambda connection: work(ConnectionView(connection)))
        with self._span("SELECT"):
            try:
                return await to_thread.run_sync(partial(reader.read, work), limiter=self._viewers)
            except sqlite3.Error as error:
                failure = storage_error(str(error))
                if type(error) in FILES_OWN:
                    self.last_failure = Failure(self.clock.monotonic(), failure.message)
                raise failure from error

    def _span(self, operation: str, *, quiet: bool = False) -> AbstractContextManager[object]:
        """Return the span of a transaction within an open span; what no trace is about makes none."""
        if quiet or not self.tracer.current():
            return nullcontext()
        attributes = {"db.system.name": "sqlite" if self.sqlite else "postgresql", "db.operation.name": operation}
        return self.tracer.span(operation, SpanRole.CLIENT, attributes)

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
        if not self._loaded:  # on a thread: it takes long enough that everyone else would wait
            await to_thread.run_sync(import_module, "vpsops.core.storage.engines")
            self._loaded = True
        from sqlalchemy.exc import DBAPIError, IntegrityError  # noqa: PLC0415 - not for what reads a file

        from vpsops.core.storage.engines import may_pass  # noqa: PLC0415 - as above

        give_up = anyio.current_time() + RETRY_SECONDS
        while True:
            try:
                return await to_thread.run_sync(attempt, limiter=limiter)
            except DBAPIError as error:
                if isinstance(error, IntegrityError):
                    raise
                if not may_pass(error) or anyio.current_time() > give_up:
                    raise self._failed(error, storage_error(str(error.orig))) from error
            await anyio.sleep(PAUSE_SECONDS)

    def _write_once(self, way: ways.Way, work: Work[T], wake: bool) -> tuple[T, Commit]:
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - not for what reads a file

        with self._pools.engines.way(way).connect() as connection:
            transaction = connection.begin()
            touched(connection), noted(connection)  # of an attempt before
            try:
                self._pools.verify()
                self._verify_schema(connection)
                done = work(connection)
                topics, facts = touched(connection), noted(connection)
                version = self.signals.stamp(connection, topics) if wake else 0
            except BaseException:
                _roll_back(transaction)
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                raise self._failed(error, storage_error(str(error.orig), committing=not self.sqlite)) from error
            return done, Commit(topics, version, facts)

    def _verify_schema(self, connection: Connection) -> None:
        """Check once a second, in a transaction that is made anyway: a newer version may have migrated the schema."""
        now = self.clock.monotonic()
        if self.outdated.is_set() or now - self._schema_seen >= SCHEMA_SECONDS:
            schema.verify(connection)
            self._schema_seen = now

    def _failed(self, error: DBAPIError, failure: StorageError) -> StorageError:
        """Record a failure of the database."""
        from vpsops.core.storage.engines import ITS_OWN  # noqa: PLC0415 - not for what reads a file

        if not isinstance(error, ITS_OWN):
            self.last_failure = Failure(self.clock.monotonic(), failure.message)
        return failure

    def _read_once(self, work: Work[T]) -> T:
        with self._pools.reading.connect() as connection, connection.begin():
            self._pools.verify()
            return work(connection)


def _roll_back(transaction: sa.engine.RootTransaction) -> None:
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - not for what reads a file

    try:
        transaction.rollback()
    except DBAPIError:  # the connection is gone, and the transaction with it
        return


@asynccontextmanager
async def open_database(  # noqa: PLR0913 - the options of a start, all of them named
    url: str,
    clock: Clock,
    *,
    make: bool = True,
    busy: float = ways.BUSY_SECONDS,
    supervisor: Supervisor | None = None,
    options: ways.PostgresOptions = ways.DEFAULT_OPTIONS,
) -> AsyncIterator[Database]:
    """Open a database, bring its schema up to date and close it in the end.

    Without `make` nothing is made or brought up to date: a reader leaves things as they are.
    Raises `ConfigurationError` for a URL that cannot serve (a network file system, another kind of
    database) or a schema that is not this version's, and `StorageError` where it does not answer;
    `busy` is how many seconds a lock is waited for; `options` are for PostgreSQL.
    """
    pools = ways.open_pools(url, make=make, busy=busy, options=options)
    try:
        await to_thread.run_sync(partial(_prepare, pools, make))
        signals = Signals(pools, clock, supervisor)
        async with signals.listening():
            yield Database(pools, clock, signals)
    finally:
        pools.close()


def _prepare(pools: ways.Pools, make: bool) -> None:
    if pools.reader is not None and _is_current(pools.reader):
        return
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - not for what reads a file

    try:
        with pools.reading.connect() as connection, connection.begin():
            current = schema.schema_status(connection) is schema.SchemaStatus.CURRENT
            if not make:
                schema.check(connection)
        if not current:  # a start must not wait for a writer just to find that the schema is current
            schema.upgrade(pools.durable)
    except DBAPIError as error:
        raise storage_error(str(error.orig)) from error


def _is_current(reader: FileReader) -> bool:
    """Return whether a file has the schema of this version; one that cannot be read is left to what explains it."""
    try:
        return reader.read(schema.is_current)
    except sqlite3.Error:
        return False
