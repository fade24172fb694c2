"""What every test shares: one event loop backend, and the databases that storage is tested on."""

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.fakes.storage.databases import NewDatabase, PostgresCopies, migrated, sqlite_copies
from tests.fakes.storage.postgres import PostgresServer, running_postgres
from tests.harness.profiles import load_profile
from tests.harness.statement_cache import share_statements
from tests.harness.virtual_time import VirtualLoop, guard_machine_clock

# `make test` needs no database server; `make test-postgres` runs the same tests, and those only PostgreSQL can pass.
POSTGRES = bool(os.environ.get("TEST_POSTGRES"))
load_profile()
share_statements()
gc.set_threshold(100_000, 20, 50)  # looking for cycles after every 700 objects took an eighth of the processor time
# httpcore tries to import sniffio at every lock, which without this searches the whole path each time.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
KINDS = ["postgresql"] if POSTGRES else ["sqlite"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what this run is about: all but PostgreSQL's own tests, or only what a database makes a difference to."""
    left = [item for item in items if _is_about_postgres(item) is not POSTGRES]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if _is_about_postgres(item) is POSTGRES]


def _is_about_postgres(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return "postgres" in getattr(item, "fixturenames", ()) or "postgresql" in params.values()


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what processes remember of the tests' databases out of the user's home."""
    folder, before = tmp_path_factory.mktemp("state"), os.environ.get("XDG_STATE_HOME")
    os.environ["XDG_STATE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_STATE_HOME"]
    else:
        os.environ["XDG_STATE_HOME"] = before


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": new_loop}


def new_loop() -> asyncio.AbstractEventLoop:
    """Make a test's event loop: in virtual time, unless the test is marked `real_time`."""
    return asyncio.SelectorEventLoop() if _REAL_TIME.is_set() else VirtualLoop()


_REAL_TIME = threading.Event()
BROWSER = Path(__file__).parent / "browser"  # all of its tests drive another process


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose the loop before a fixture asks for it."""
    _REAL_TIME.clear()
    if item.get_closest_marker("real_time") is not None or BROWSER in item.path.parents:
        _REAL_TIME.set()


@pytest.fixture(scope="session", autouse=True)
def machine_clock_guard() -> Iterator[None]:
    """Let no test in virtual time read the machine's clock."""
    with pytest.MonkeyPatch.context() as patch:
        guard_machine_clock(patch)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The session's PostgreSQL server; the databases that a test makes there end with the test."""
    yield postgres_server
    postgres_server.drop_databases()


@pytest.fixture(scope="session", autouse=True)
def _uncached_loggers() -> Iterator[None]:
    """Let no logger keep the configuration of the test that used it first."""
    configure = structlog.configure

    def uncached(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Put logging back as it was, for most commands configure it."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that a start finds in order: with all tables on SQLite, and none yet on PostgreSQL."""
    return migrated(tmp_path / "vpsops.sqlite3") if request.param == "sqlite" else _on_postgres(request)


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    return f"sqlite:///{tmp_path / 'vpsops.sqlite3'}" if request.param == "sqlite" else _on_postgres(request)


@pytest.fixture(params=KINDS)
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """What makes a database for each example of a state machine."""
    if request.param == "sqlite":
        return sqlite_copies(tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return PostgresCopies(server)


def _on_postgres(request: pytest.FixtureRequest) -> str:
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()
