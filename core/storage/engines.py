"""SQLAlchemy engines for a database URL, with the settings each database needs."""

import errno
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.pool import ConnectionPoolEntry

from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.storage.files import FileIdentity, StoreFiles, read_only_query

BUSY_SECONDS: Final = timings.BUSY_SECONDS
READERS = 2
WRITE, READ = "BEGIN IMMEDIATE", "BEGIN"
WRITE_AHEAD, WAL_TRIES = "PRAGMA journal_mode=WAL", 20
PG_KEPT = 3  # of them stay open while idle, in addition to the one that listens
PG_PATIENCE: dict[str, Any] = {
    "connect_timeout": timings.CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "tcp_user_timeout": timings.SILENT_SECONDS * 1000,
}
# A server or a role may be set to forget its last commits in a crash: an intention must not be among them.
DURABLE = "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'"
# A process that is frozen in a transaction would hold the audit trail's lock for all the others.
PATIENT = "SET LOCAL lock_timeout = {0}; SET LOCAL idle_in_transaction_session_timeout = {0}"
BEGIN = "begin"
LISTEN_URL = "VPSOPS_DATABASE_LISTEN_URL"
LISTEN_HINT = "Set it only where a pooler stands at VPSOPS_DATABASE_URL: the server's own postgresql://USER@HOST/NAME."
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.glusterfs", "fuse.sshfs", "lustre"}
)


class NotReadyError(ConfigurationError):
    """The database, or the schema of this version, is not there yet: a start makes it, a read does not."""


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """How a process connects to PostgreSQL."""

    listen_url: str = ""  # where to LISTEN, if that is another address than a pooler's
    connections: int = 6  # the most: one to listen, one for heartbeats, the rest for everything else


DEFAULT_OPTIONS = PostgresOptions()


class NotWritableError(ConfigurationError):
    """This user may not write to the file."""


@dataclass(frozen=True, slots=True)
class Pools:
    """The ways into one database; on PostgreSQL they are one pool, and differ in how a transaction begins."""

    url: sa.URL
    durable: sa.Engine
    quick: sa.Engine
    reading: sa.Engine
    heart: sa.Engine
    files: StoreFiles | None = None  # of SQLite alone
    listening: sa.URL | None = None  # where PostgreSQL is listened to
    workers: int = 1  # transactions at once, in addition to heartbeats

    @property
    def sqlite(self) -> bool:
        """Return whether the database is a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    def verify(self) -> None:
        """Raise `StoreMovedError` where the files of SQLite are not in their place any more."""
        if self.files is not None:
            self.files.verify()

    def close(self) -> None:
        """Close every connection."""
        for engine in {id(item): item for item in (self.durable, self.quick, self.reading)}.values():
            engine.dispose()


def open_pools(
    url: str,
    *,
    make: bool = True,
    busy: float = BUSY_SECONDS,
    options: PostgresOptions = DEFAULT_OPTIONS,
) -> Pools:
    """Make the engines; raises `ConfigurationError` for a URL that cannot serve.

    With `make` a missing SQLite file is made, readable by its owner alone; `busy` is how many
    seconds a lock is waited for, and how long a frozen process may hold one on PostgreSQL.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "postgresql":
        listening = _parse(options.listen_url, LISTEN_URL) if options.listen_url else parsed
        if listening.get_backend_name() != "postgresql":
            raise ConfigurationError(f"{LISTEN_URL} does not name a PostgreSQL server.", hint=LISTEN_HINT)
        return _postgresql(parsed.set(drivername="postgresql+psycopg"), busy, listening, options.connections)
    if options.listen_url:
        raise ConfigurationError(f"{LISTEN_URL} is set, and the database is a SQLite file.", hint=LISTEN_HINT)
    path = _sqlite_path(parsed)
    files = _opened_files(path, make=make)
    patience = (f"busy_timeout={int(busy * 1000)}", "foreign_keys=ON")
    quick = _sqlite(files, WRITE, ("synchronous=NORMAL", *patience))
    return Pools(
        sa.URL.create("sqlite", database=str(path)),
        _sqlite(files, WRITE, ("synchronous=FULL", *patience)),
        quick,
        _sqlite(files, READ, ("query_only=ON", *patience), size=READERS),
        quick,
        files=files,
    )


def _parse(url: str, name: str = "VPSOPS_DATABASE_URL") -> sa.URL:
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


def _sqlite_path(url: sa.URL) -> Path:
    path = _place(url)
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{path.parent} is on a network file system ({kind}), where SQLite loses data.",
            hint="Put the file on a local disk, or use PostgreSQL for several machines.",
        )
    return path


def _place(url: sa.URL) -> Path:
    name = url.database or ""
    if not name or name.startswith((":memory:", "file:")):
        raise ConfigurationError("The database must be a file: changes must survive a restart.")
    if url.query or url.host:
        raise ConfigurationError(
            "VPSOPS_DATABASE_URL has more than a path.", hint="Use sqlite:///PATH, with four slashes for a full path."
        )
    return Path(name).expanduser().resolve()


def _opened_files(path: Path, *, make: bool) -> StoreFiles:
    """Open the files to read and write; or to read, for a copy that is read-only."""
    try:
        identity = _touch(path, make=make)
        if make or os.access(path.parent, os.W_OK):
            return StoreFiles(path, identity)
    except NotWritableError:
        if make:
            raise
    return StoreFiles(path, _touch(path, make=False, flags=os.O_RDONLY), query=read_only_query(path))


def _touch(path: Path, *, make: bool, flags: int = os.O_RDWR) -> FileIdentity:
    """Open the file once and return its identity; made, with its folder, for its owner alone: it holds private reasons.

    The files that SQLite puts beside it follow its mode.
    """
    try:
        if make:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        opened = os.open(path, flags | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
        try:
            status = os.fstat(opened)
        finally:
            os.close(opened)
        return FileIdentity(status.st_dev, status.st_ino)
    except FileNotFoundError:
        if make:
            raise ConfigurationError(
                f"The database's folder, {path.parent}, cannot be made.",
                hint="Make it, or set VPSOPS_DATABASE_URL to a place on a local disk.",
            ) from None
        raise NotReadyError(
            f"There is no database at {path}.",
            hint="`vpsops mcp` or `vpsops bot` makes it; or set VPSOPS_DATABASE_URL.",
        ) from None
    except OSError as error:
        kind = NotWritableError if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else ConfigurationError
        raise kind(
            f"The database at {path} cannot be opened: {error.strerror}.",
            hint="Check VPSOPS_DATABASE_URL, and that this user may write to the file and its folder.",
        ) from None


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux: nothing to read, nothing refused
        return []


def file_system_of(folder: Path) -> str:
    """Name the kind of file system a folder is on, or nothing where that is unknown."""
    return file_system(folder, _mounts())


def file_system(folder: Path, mounts: Iterable[str]) -> str:
    """Name the kind of file system a folder is on, by the deepest mount above it."""
    best, kind = "", ""
    for line in mounts:
        fields = line.split()
        point = fields[1].replace("\\040", " ") if len(fields) > 2 else ""  # noqa: PLR2004 - the kind is the third
        if point and _holds(point, str(folder)) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _holds(point: str, folder: str) -> bool:
    return os.path.commonpath([point, folder]) == point


def _sqlite(files: StoreFiles, begin: str, pragmas: Sequence[str], size: int = 1) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://", creator=files.connect, pool_size=size, max_overflow=0, poolclass=sa.QueuePool
    )

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # our BEGIN below, not the driver's
        cursor = connection.cursor()
        if not files.read_only:
            _write_ahead(cursor)
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    def closed(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        files.close(connection)

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)
    sa.event.listen(engine, "close", closed)
    return engine


def _write_ahead(cursor: DBAPICursor) -> None:
    """Switch to the write-ahead log; SQLite waits for no lock there, so where one is held it is waited for first."""
    for _ in range(WAL_TRIES):
        try:
            cursor.execute(WRITE_AHEAD)
        except sqlite3.OperationalError:
            cursor.execute("BEGIN IMMEDIATE")  # waits, and raises where waiting does not help
            cursor.execute("ROLLBACK")
        else:
            return
    cursor.execute(WRITE_AHEAD)


def _postgresql(url: sa.URL, busy: float, listening: sa.URL, connections: int) -> Pools:
    """Make the one pool, usable with a transaction pooler between it and the server.

    So nothing is set for a session and nothing prepared in one: each transaction sets what it needs as it
    begins, in the same message. A lost connection shows there too, and is retried by the caller: no ping.
    """
    pooled = connections - 1  # one listens
    kept = min(PG_KEPT, pooled)
    session = {"autocommit": True, "prepare_threshold": None}  # our BEGIN below, not the driver's
    engine = sa.create_engine(url, pool_size=kept, max_overflow=pooled - kept, connect_args={**PG_PATIENCE, **session})
    patient = PATIENT.format(int(busy * 1000))
    writing = f"BEGIN; {patient}; {DURABLE}"

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN, writing))

    sa.event.listen(engine, "begin", begun)
    # Several statements of one read must see the same moment, as they do on SQLite.
    reading = engine.execution_options(**{BEGIN: f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {patient}"})
    heart = engine.execution_options(**{BEGIN: f"BEGIN ISOLATION LEVEL REPEATABLE READ; {patient}"})
    return Pools(url, engine, engine, reading, heart, listening=listening, workers=pooled - 1)
