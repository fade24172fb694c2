"""A whole core against the simulated provider over a real socket, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.storage import Database, open_database
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

KEY = "wayscloud_vps_test1_SECRET"
BUSY = 0.4


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def settings(provider: SimulatorHandle, database_url: str) -> Settings:
    return Settings.model_validate(
        {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url, "VPSOPS_DATABASE_URL": database_url}
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> AsyncIterator[Database]:
    async with open_database(database_url, clock, busy=BUSY) as opened:
        yield opened
