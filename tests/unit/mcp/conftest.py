"""The core of a test on the simulated provider, over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.app import Core, open_core
from core.settings import Settings
from playground.wayscloud.config import SimulatorConfig
from playground.wayscloud.serve import SimulatorHandle, running_simulator
from tests.fakes.timing import QUICK
from tests.unit.mcp.bench import ERAS, KEY


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def dialect() -> str:
    return "seed"


@pytest.fixture
def approval_channel() -> str:
    """Without one, an agent's change is confirmed by its own human; with one, people there vote."""
    return ""


@pytest.fixture
async def provider(dialect: str) -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(dialect=dialect, speed=600.0, seed=7)) as handle:
        yield handle


@pytest.fixture
def settings(provider: SimulatorHandle, tmp_path: Path, approval_channel: str) -> Settings:
    return Settings.model_validate(
        {
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'vpsops.sqlite3'}",
            "VPSOPS_APPROVAL_CHANNEL": approval_channel,
        }
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="mcp", timing=QUICK) as opened:
        yield opened
