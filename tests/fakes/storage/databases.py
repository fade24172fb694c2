"""A SQLite database as `vpsops` leaves it: migrated once a process and copied from then on."""

import tempfile
from functools import cache
from pathlib import Path

from vpsops.core.storage import schema
from vpsops.core.storage.pools import open_pools


def migrated(path: Path) -> str:
    """Put a database with an up-to-date schema and no rows there; return its URL."""
    path.touch(mode=0o600)
    path.write_bytes(_template())
    return f"sqlite:///{path}"


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vpsops.sqlite3"
        pools = open_pools(f"sqlite:///{path}")
        try:
            schema.upgrade(pools.durable)
        finally:
            pools.close()
        return path.read_bytes()
