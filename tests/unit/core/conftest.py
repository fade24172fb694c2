"""A whole core on a SQLite file, against the simulated provider over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.app import Core, open_core
from core.settings import Settings
from playground.wayscloud.config import SimulatorConfig
from playground.wayscloud.serve import SimulatorHandle, running_simulator
from tests.fakes.timing import QUICK

KEY = "wayscloud_vps_test1_SECRET"


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7)) as handle:
        yield handle


@pytest.fixture
def settings(provider: SimulatorHandle, tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'vpsops.sqlite3'}",
        }
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="cli", timing=QUICK) as opened:
        yield opened
