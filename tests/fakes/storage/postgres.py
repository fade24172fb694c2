"""A real PostgreSQL server of the tests' own: made in a temporary folder, on a free loopback port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg

MEMORY, ROOM = "/dev/shm", 4 << 30  # noqa: S108 - mkdtemp makes a folder of our own there
WHERE = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")


def binaries() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, or nothing where PostgreSQL is not installed."""
    executable = shutil.which("initdb")
    if executable and Path(executable).resolve().with_name("pg_ctl").exists():
        return Path(executable).resolve().parent
    folders = sorted(folder for pattern in WHERE for folder in Path("/").glob(pattern.lstrip("/")))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@dataclass(slots=True)
class PostgresServer:
    """A running server; `database()` makes an empty database, and `drop_databases()` drops all that it made.

    The server's files are in memory, where a database takes 8 MB and each of a run's 1,300 tests makes one.
    """

    programs: Path
    data: Path
    port: int
    user: str | None
    _numbers: Iterator[int] = field(default_factory=count)
    _names: list[str] = field(default_factory=list)

    def database(self, like: str = "template1") -> str:
        """Make a database and return its URL: an empty one, or a copy of another that nothing is connected to."""
        name = f"t{os.getpid()}_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        self._names.append(name)
        return self.url(name)

    def drop_databases(self, but: Collection[str] = ()) -> None:
        """Drop every database that `database()` made but some, and end what is still connected to one.

        On a busy machine a connection takes longer to end than the server waits for it: that database is left to the
        next call.
        """
        if not self._names:
            return
        left = [name for name in self._names if name in but]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for name in set(self._names) - set(but):
                try:
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                except psycopg.errors.ObjectInUse:
                    left.append(name)
        self._names = left

    def url(self, name: str) -> str:
        """Return the URL of one database."""
        return f"postgresql://vpsops@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = " ".join(
            f"-c {item}" for item in (*QUICK, f"port={self.port}", f"unix_socket_directories={self.data}")
        )
        log = str(self.data / "server.log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: `fast` ends connections, `immediate` is as good as a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "-m", mode, "stop")

    def promote(self) -> None:
        """Make a standby the primary."""
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "promote")

    def make(self) -> None:
        """Make the cluster."""
        self._run("initdb", "-D", str(self.data), "-U", "vpsops", "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, user=self.user, cwd="/"
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server until the block is left; PostgreSQL refuses root, so root lends it another user."""
    programs = binaries()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed: .ci/run installs it, or use your system's package")
    user = unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="vpsops-pg-", dir=_memory()))
    try:
        if user:
            shutil.chown(folder, user)
        server = PostgresServer(programs, folder / "data", free_port(), user)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> str | None:
    """Name a folder in memory where there is room: making a database is a thousand small files."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else None


def unprivileged() -> str:
    """Return the user that root lends a server."""
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
