"""The service of a local set-up and the provider that it asks."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.e2e.local_service.pipe_process import CONFIG, ServiceFolder, service_folder
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def folder(provider: SimulatorHandle) -> Iterator[ServiceFolder]:
    with service_folder(provider.url, CONFIG) as made:
        yield made
