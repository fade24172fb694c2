"""The core of a test on the simulated provider, over a real socket."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.storage.databases import migrated
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ERAS, KEY, ORDERS
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator


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


@pytest.fixture(scope="module")
async def providers() -> AsyncIterator[Mapping[str, SimulatorHandle]]:
    """One running provider for each dialect: starting them is most of a test's time."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                running_simulator(SimulatorConfig(dialect=name, speed=600.0, seed=7), clock=VirtualClock())
            )
            for name in ORDERS
        }


@pytest.fixture
def provider(providers: Mapping[str, SimulatorHandle], dialect: str) -> SimulatorHandle:
    """A provider as at its start."""
    providers[dialect].simulator.reset()
    return providers[dialect]


@pytest.fixture
def settings(provider: SimulatorHandle, tmp_path: Path, approval_channel: str) -> Settings:
    return Settings.model_validate(
        {
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": provider.url,
            "VPSOPS_DATABASE_URL": migrated(tmp_path / "vpsops.sqlite3"),
            "VPSOPS_APPROVAL_CHANNEL": approval_channel,
        }
    )


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    async with open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as opened:
        yield opened
