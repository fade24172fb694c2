"""A running workspace on a fixed clock, and the real SDK client on it."""

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.clock import FakeClock
from tests.harness.virtual_time import VirtualClock
from tests.unit.playground.slack.apps import sdk_client
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def workspace(clock: FakeClock) -> AsyncIterator[SimulatedWorkspace]:
    async with running_workspace(WorkspaceConfig(), clock, wall=VirtualClock()) as running:
        yield running


@pytest.fixture
def client(workspace: SimulatedWorkspace) -> AsyncWebClient:
    return sdk_client(workspace)
