"""What every test shares: one event loop backend, and the databases that storage is tested on."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.fakes.postgres import PostgresServer, binaries, running_postgres

# Where PostgreSQL is not installed the suite says so by testing SQLite alone; CI sets TEST_POSTGRES and has no choice.
KINDS = ["sqlite", "postgresql"] if binaries() or os.environ.get("TEST_POSTGRES") else ["sqlite"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only PostgreSQL can show where it is not installed."""
    if "postgresql" in KINDS:
        return
    without = [item for item in items if "postgres" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=without)
    items[:] = [item for item in items if item not in without]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put logging back as it was, after a test that configures it."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vpsops.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()
