"""A whole core against the simulated provider over a real socket, on SQLite and on PostgreSQL."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.app import Core, open_core
from core.settings import Settings
from playground.wayscloud.config import SimulatorConfig
from playground.wayscloud.serve import SimulatorHandle, running_simulator
from tests.fakes.postgres import PostgresServer, binaries, running_postgres
from tests.fakes.timing import QUICK

KEY = "wayscloud_vps_test1_SECRET"

# Where PostgreSQL is not installed the suite says so by testing SQLite alone; CI sets TEST_POSTGRES and has no choice.
KINDS = ["sqlite", "postgresql"] if binaries() or os.environ.get("TEST_POSTGRES") else ["sqlite"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'vpsops.sqlite3'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7)) as handle:
        yield handle


@pytest.fixture
def settings(provider: SimulatorHandle, database_url: str) -> Settings:
    return Settings.model_validate(
        {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database_url}
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="cli", timing=QUICK) as opened:
        yield opened
