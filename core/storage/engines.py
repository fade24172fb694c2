"""SQLAlchemy engines for a database URL, with the settings each database needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.sqlite.files import StoreFiles
from vpsops.core.sqlite.location import IN_MEMORY
from vpsops.core.sqlite.reader import prepare
from vpsops.core.storage.pools import LISTEN_HINT, LISTEN_URL, PG_PATIENCE, READERS, URL, Way

WRITE, READ = "BEGIN IMMEDIATE", "BEGIN"
PG_KEPT = 3  # of them stay open while idle, in addition to the one that listens
# A server or a role may be set to forget its last commits in a crash: an intention must not be among them.
DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
# A process that is frozen in a transaction would hold the audit trail's lock for all the others.
PATIENT = "SET LOCAL lock_timeout = {0}; SET LOCAL idle_in_transaction_session_timeout = {0}"
BEGIN = "begin"
AGAIN = frozenset({"40001", "40P01"})  # PostgreSQL: serialization failure, deadlock
ITS_OWN = (DataError, IntegrityError, NotSupportedError, ProgrammingError)  # the fault of the statement


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A PostgreSQL server, and where it is listened to."""

    url: sa.URL
    listening: sa.URL


@dataclass(frozen=True, slots=True)
class Engines:
    """One for each way in; on PostgreSQL all share a pool."""

    durable: sa.Engine
    quick: sa.Engine
    reading: sa.Engine
    heart: sa.Engine
    server: ServerAddress | None = None  # PostgreSQL's

    def way(self, name: Way) -> sa.Engine:
        """Return the engine of a kind of write."""
        engine: sa.Engine = getattr(self, name)
        return engine

    def close(self) -> None:
        """Close every connection."""
        for engine in {id(pool): pool for pool in (self.durable, self.quick, self.reading)}.values():
            engine.dispose()


def server_at(url: str, listen_url: str = "") -> ServerAddress | None:
    """Return the PostgreSQL server at a URL, None for one of SQLite; raises `ConfigurationError` for others."""
    parsed = _parse(url)
    if parsed.get_backend_name() != "postgresql":
        return None
    listening = _parse(listen_url, LISTEN_URL) if listen_url else parsed
    if listening.get_backend_name() != "postgresql":
        raise ConfigurationError(f"{LISTEN_URL} does not name a PostgreSQL server.", hint=LISTEN_HINT)
    return ServerAddress(parsed.set(drivername="postgresql+psycopg"), listening)


def file_at(url: str) -> str:
    """Return the path in a URL of SQLite; raises `ConfigurationError` for one that says more."""
    parsed = _parse(url)
    name = parsed.database or ""
    if name and not name.startswith(IN_MEMORY) and (parsed.query or parsed.host):
        raise ConfigurationError(
            "VPSOPS_DATABASE_URL has more than a path.", hint="Use sqlite:///PATH, with four slashes for a full path."
        )
    return name


def sqlite(files: StoreFiles, busy: float) -> Engines:
    """Make the engines of a SQLite file."""
    patience = (f"busy_timeout={int(busy * 1000)}", "foreign_keys=ON")
    quick = _sqlite(files, WRITE, ("synchronous=NORMAL", *patience))
    durable = _sqlite(files, WRITE, ("synchronous=FULL", *patience))
    return Engines(durable, quick, _sqlite(files, READ, ("query_only=ON", *patience), size=READERS), quick)


def _parse(url: str, name: str = URL) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            f"{name} is not a database URL.", hint="Use sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"{name} names {parsed.get_backend_name()}, which is not supported.",
            hint="Use sqlite:///PATH or postgresql://USER@HOST/NAME.",
        )
    return parsed


def _sqlite(files: StoreFiles, begin: str, pragmas: Sequence[str], size: int = 1) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://", creator=files.connect, pool_size=size, max_overflow=0, poolclass=sa.QueuePool
    )

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # our BEGIN below, not the driver's
        cursor = connection.cursor()
        prepare(cursor, files, pragmas)
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    def closed(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        files.close(connection)

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)
    sa.event.listen(engine, "close", closed)
    return engine


def postgresql(server: ServerAddress, busy: float, connections: int) -> Engines:
    """Make the one pool, usable with a transaction pooler between it and the server.

    So nothing is set for a session and nothing prepared in one: each transaction sets what it needs as it
    begins, in the same message. A lost connection shows there too, and is retried by the caller: no ping.
    """
    pooled = connections - 1  # one listens
    kept = min(PG_KEPT, pooled)
    session = {"autocommit": True, "prepare_threshold": None}  # our BEGIN below, not the driver's
    engine = sa.create_engine(
        server.url, pool_size=kept, max_overflow=pooled - kept, connect_args={**PG_PATIENCE, **session}
    )
    patient = PATIENT.format(int(busy * 1000))
    writing = f"BEGIN; {patient}; {DURABLE}"

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, writing))

    sa.event.listen(engine, "begin", begun)
    # Several statements of one read must see the same moment, as they do on SQLite.
    reading = engine.execution_options(**{BEGIN: f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {patient}"})
    heart = engine.execution_options(**{BEGIN: f"BEGIN ISOLATION LEVEL REPEATABLE READ; {patient}"})
    return Engines(engine, engine, reading, heart, server)


def may_pass(error: DBAPIError) -> bool:
    """Return whether a failure may pass by itself: nothing was committed, and the same may succeed again."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state in AGAIN or (state is None and "connection" in str(error.orig).lower())
