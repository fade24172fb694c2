"""A stage with a policy that lets those on call approve for a time."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.core.grants.harness import oncall
from tests.unit.core.harness import Stage, staged
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, oncall()) as made:
        yield made
