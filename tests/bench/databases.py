"""The two databases, both on a disk and as durable as they come: figures without flushes would flatter."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

from tests.bench.plan import BenchPlan
from tests.fakes.storage.postgres import PostgresServer, binaries

NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class DurablePostgres(PostgresServer):
    """PostgreSQL with the settings it is delivered with, except for where it listens."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        parameters = {"port": self.port, "unix_socket_directories": self.data, "listen_addresses": "127.0.0.1"}
        options = " ".join(f"-c {name}={value}" for name, value in parameters.items())
        log = str(self.data / "server.log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "-l", log, "-o", options, "start")


@dataclass(slots=True)
class Databases:
    """Makes empty databases of both kinds."""

    folder: Path
    postgres: PostgresServer
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self, kind: str) -> str:
        """Return the URL of a new, empty database."""
        if kind == "sqlite":
            return f"sqlite:///{self.folder / f'bench{next(self._numbers)}.sqlite3'}"
        return self.postgres.database()

    def each(self) -> dict[str, str]:
        """Return a new database of each kind, by the kind's name."""
        return {kind: self.new(kind) for kind in NAMES}


@contextmanager
def databases(plan: BenchPlan) -> Iterator[Databases]:
    """Serve databases until the block is left; PostgreSQL refuses root, so root lends it another user."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: use your system's package")
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="vpsops-bench-pg-") as folder:
        if user:
            shutil.chown(folder, user)
        server = DurablePostgres(programs, Path(folder) / "data", free_port(), user)
        server.make()
        server.start()
        try:
            yield Databases(plan.folder, server)
        finally:
            server.stop()


def free_port() -> int:
    """Return a port on which no process listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
