"""SQLAlchemy engines for a database URL, with the settings each database needs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from core.errors import ConfigurationError

BUSY_MS = 5000
READERS = 2
PG_CONNECTIONS = 8
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.glusterfs", "fuse.sshfs", "lustre"}
)


@dataclass(frozen=True, slots=True)
class Pools:
    """Three ways into one database; on PostgreSQL all are the same."""

    url: sa.URL
    durable: sa.Engine
    quick: sa.Engine
    reading: sa.Engine

    @property
    def sqlite(self) -> bool:
        """Say whether the database is a SQLite file."""
        return self.url.get_backend_name() == "sqlite"

    def close(self) -> None:
        """Close every connection."""
        for engine in {id(one): one for one in (self.durable, self.quick, self.reading)}.values():
            engine.dispose()


def open_pools(url: str) -> Pools:
    """Make the engines; raises `ConfigurationError` for a URL that cannot serve."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "postgresql":
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=PG_CONNECTIONS,
            max_overflow=2,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5},
        )
        return Pools(parsed, engine, engine, engine)
    _check_place(parsed.database or "")
    return Pools(
        parsed,
        _sqlite(parsed, size=1, synchronous="FULL", begin="BEGIN IMMEDIATE"),
        _sqlite(parsed, size=1, synchronous="NORMAL", begin="BEGIN IMMEDIATE"),
        _sqlite(parsed, size=READERS, synchronous="NORMAL", begin="BEGIN"),
    )


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "VPSOPS_DATABASE_URL is not a database URL.", hint="Use sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ConfigurationError(
            f"VPSOPS_DATABASE_URL names {parsed.get_backend_name()}, which is not supported.",
            hint="Use sqlite:///PATH or postgresql://USER@HOST/NAME.",
        )
    return parsed


def _check_place(path: str) -> None:
    if path in {"", ":memory:"}:
        raise ConfigurationError("The database must be a file: changes must survive a restart.")
    folder = Path(path).expanduser().resolve().parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be made: {error.strerror}.", hint="Set VPSOPS_DATABASE_URL."
        ) from None
    kind = file_system(folder, _mounts())
    if kind in NETWORK_FILE_SYSTEMS:
        raise ConfigurationError(
            f"{folder} is on a network file system ({kind}), where SQLite loses data.",
            hint="Put the file on a local disk, or use PostgreSQL for several machines.",
        )


def _mounts() -> list[str]:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux: nothing to look up, nothing refused
        return []


def file_system(folder: Path, mounts: Iterable[str]) -> str:
    """Name the kind of file system a folder is on, by the deepest mount above it; pure."""
    best, kind = "", ""
    for line in mounts:
        fields = line.split()
        point = fields[1].replace("\\040", " ") if len(fields) > 2 else ""  # noqa: PLR2004 - the kind is the third
        if point and _holds(point, str(folder)) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _holds(point: str, folder: str) -> bool:
    return os.path.commonpath([point, folder]) == point


def _sqlite(url: sa.URL, *, size: int, synchronous: str, begin: str) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=size,
        max_overflow=0,
        poolclass=sa.QueuePool,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # our BEGIN below, not the driver's
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begun)
    return engine
