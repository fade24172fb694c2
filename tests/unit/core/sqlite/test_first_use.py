"""The first use of the database engine, which takes a fraction of a second to import."""

import sys
from pathlib import Path

import anyio
import pytest

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.storage import open_database

PROGRAM = """
import sys, threading
from importlib.abc import MetaPathFinder

class Watcher(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "sqlalchemy":
            threads.add(threading.current_thread() is threading.main_thread())

threads = set()
sys.meta_path.insert(0, Watcher())

import anyio
from vpsops.core.common.clock import SystemClock
from vpsops.core.storage import open_database

async def main(url):
    async with open_database(url, SystemClock()) as database:
        print("before", sorted(threads))
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").all())
        print("after", sorted(threads))

anyio.run(main, sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.real_time
async def test_the_engine_is_imported_beside_the_event_loop(tmp_path: Path) -> None:
    """Opening a file imports no SQLAlchemy; the first transaction does, in a thread, so that the loop goes on."""
    url = f"sqlite:///{tmp_path / 'v.db'}"
    async with open_database(url, FakeClock()):
        pass
    with anyio.fail_after(PATIENCE_SECONDS):
        done = await anyio.run_process([sys.executable, "-c", PROGRAM, url])
    assert done.stdout.decode().splitlines() == ["before []", "after [False]"]
