"""A real PgBouncer of the tests' own, in transaction mode, before a PostgreSQL server of the tests' own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import stamina

from tests.fakes.storage.postgres import PostgresServer, free_port, unprivileged
from tests.harness.patience import PATIENCE_SECONDS

SERVER_CONNECTIONS = 3
START_SECONDS = PATIENCE_SECONDS
STOP_SECONDS = PATIENCE_SECONDS
CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user=vpsops

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
admin_users = vpsops
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
logfile = {folder}/pgbouncer.log
pidfile = {folder}/pgbouncer.pid
"""


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running pooler, which opens a few connections for any number of clients."""

    port: int

    def url(self, direct: str) -> str:
        """Return the pooled URL of a database, for the server's own."""
        return f"postgresql://vpsops@127.0.0.1:{self.port}/{direct.rpartition('/')[2]}"


def program() -> str:
    """Return the program; raises `RuntimeError` where it is not installed."""
    executable = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if executable is None:
        raise RuntimeError("PgBouncer is not installed: .ci/run installs it, or use your system's package")
    return executable


@contextmanager
def running_pooler(server: PostgresServer) -> Iterator[Pooler]:
    """Run a pooler until the block is left; like PostgreSQL it refuses root."""
    user, port = unprivileged() if os.geteuid() == 0 else None, free_port()
    folder = Path(tempfile.mkdtemp(prefix="vpsops-pgbouncer-"))
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server.port, port=port, folder=folder, size=SERVER_CONNECTIONS))
    if user:
        for place in (folder, config):
            shutil.chown(place, user)
    process = subprocess.Popen([program(), "-q", str(config)], user=user, cwd="/", stderr=subprocess.DEVNULL)
    try:
        _wait_until_up(port)
        yield Pooler(port)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@stamina.retry(on=psycopg.OperationalError, attempts=None, timeout=START_SECONDS, wait_initial=0.05, wait_max=0.2)
def _wait_until_up(port: int) -> None:
    psycopg.connect(f"postgresql://vpsops@127.0.0.1:{port}/postgres", autocommit=True).close()
