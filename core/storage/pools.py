"""The ways into one database, opened as they are needed.

SQLAlchemy is loaded with the first transaction. A process that only reads a SQLite file by textual queries does
without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal

from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.sqlite import location
from vpsops.core.sqlite.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlalchemy as sa

    from vpsops.core.sqlite.files import StoreFiles
    from vpsops.core.storage.engines import Engines

BUSY_SECONDS: Final = timings.BUSY_SECONDS
READERS: Final = 2
URL: Final = "VPSOPS_DATABASE_URL"
LISTEN_URL: Final = "VPSOPS_DATABASE_LISTEN_URL"
LISTEN_HINT: Final = (
    "Set it only where a pooler stands at VPSOPS_DATABASE_URL: the server's own postgresql://USER@HOST/NAME."
)
Way = Literal["durable", "quick", "heart"]
"""A kind of write."""
FILE: Final = "sqlite:///"
SPECIAL: Final = frozenset("?%")
"""What begins a query, and an escape."""
PG_PATIENCE: Final[Mapping[str, Any]] = {
    "connect_timeout": timings.CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "tcp_user_timeout": timings.SILENT_SECONDS * 1000,
}


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """How a process connects to PostgreSQL."""

    listen_url: str = ""  # where to LISTEN, if that is another address than a pooler's
    connections: int = 6  # the most: one to listen, one for heartbeats, the rest for everything else


DEFAULT_OPTIONS: Final = PostgresOptions()


@dataclass(slots=True)
class Pools:
    """The ways into one database; on PostgreSQL they are one pool, and differ in how a transaction begins."""

    open_engines: Callable[[], Engines]
    files: StoreFiles | None = None  # of SQLite alone
    reader: FileReader | None = None  # of SQLite alone
    workers: int = 1  # transactions at once, in addition to heartbeats
    _engines: Engines | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def engines(self) -> Engines:
        """The engines, which the first use opens; from any thread."""
        with self._lock:
            if self._engines is None:
                self._engines = self.open_engines()
            return self._engines

    @property
    def sqlite(self) -> bool:
        """Return whether the database is a SQLite file."""
        return self.files is not None

    @property
    def durable(self) -> sa.Engine:
        """For transactions that outlive a crash of the machine."""
        return self.engines.durable

    @property
    def reading(self) -> sa.Engine:
        """For reads."""
        return self.engines.reading

    def verify(self) -> None:
        """Raise `StoreMovedError` where the files of SQLite are not in their place any more."""
        if self.files is not None:
            self.files.verify()

    def close(self) -> None:
        """Close every connection."""
        if self.reader is not None:
            self.reader.close()
        if self._engines is not None:
            self._engines.close()


def open_pools(
    url: str,
    *,
    make: bool = True,
    busy: float = BUSY_SECONDS,
    options: PostgresOptions = DEFAULT_OPTIONS,
) -> Pools:
    """Make the ways in; raises `ConfigurationError` for a URL that cannot serve.

    With `make` a missing SQLite file is made, readable by its owner alone; `busy` is how many
    seconds a lock is waited for, and how long a frozen process may hold one on PostgreSQL.
    """
    name = file_of(url)
    if name is None:
        from vpsops.core.storage import engines  # noqa: PLC0415 - see above

        server = engines.server_at(url, options.listen_url)
        if server is not None:
            workers = options.connections - 2  # one listens, one is for heartbeats
            return Pools(lambda: engines.postgresql(server, busy, options.connections), workers=workers)
        name = engines.file_at(url)
    if options.listen_url:
        raise ConfigurationError(f"{LISTEN_URL} is set, and the database is a SQLite file.", hint=LISTEN_HINT)
    files = location.opened_files(location.local_path(name), make=make)

    def opened() -> Engines:
        from vpsops.core.storage import engines  # noqa: PLC0415 - see above

        return engines.sqlite(files, busy)

    return Pools(opened, files, FileReader(files, busy))


def file_of(url: str) -> str | None:
    """Return the path in a URL that is nothing but `sqlite:///` and a path; None leaves the URL to SQLAlchemy."""
    path = url.removeprefix(FILE)
    return path if url.startswith(FILE) and path.isprintable() and not SPECIAL & set(path) else None
