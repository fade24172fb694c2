"""Databases as `vpsops` leaves them: migrated once and copied from then on."""

import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import make_url

from tests.fakes.storage.postgres import PostgresServer
from vpsops.core.storage import schema
from vpsops.core.storage.pools import open_pools


class NewDatabase(Protocol):
    """Makes a database with an up-to-date schema and no rows, and returns its URL; the one made before may be gone."""

    def __call__(self) -> str: ...


def migrated(path: Path) -> str:
    """Put a database with an up-to-date schema and no rows there; return its URL."""
    path.touch(mode=0o600)
    path.write_bytes(_template())
    return f"sqlite:///{path}"


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vpsops.sqlite3"
        _upgrade(f"sqlite:///{path}")
        return path.read_bytes()


def _upgrade(url: str) -> None:
    pools = open_pools(url)
    try:
        schema.upgrade(pools.durable)
    finally:
        pools.close()


def sqlite_copies(folder: Path) -> NewDatabase:
    """Return what makes SQLite databases in a folder."""
    numbers = count()
    return lambda: migrated(folder / f"copy{next(numbers)}.sqlite3")


class PostgresCopies:
    """Makes databases on a PostgreSQL server, one at a time: an example that fails is played hundreds of times."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        url = server.database()
        _upgrade(url)
        self._first = make_url(url).database or ""

    def __call__(self) -> str:
        """Make a database after the one before was dropped."""
        self._server.drop_databases(but=[self._first])
        return self._server.database(like=self._first)
