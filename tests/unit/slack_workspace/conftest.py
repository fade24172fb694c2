"""A running workspace, the real SDK client on it, and a small real Bolt app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from playground.slack.config import WorkspaceConfig
from playground.slack.serve import running_workspace
from playground.slack.workspace import Workspace
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def workspace(clock: FakeClock) -> AsyncIterator[Workspace]:
    async with running_workspace(WorkspaceConfig(), clock) as running:
        yield running


@pytest.fixture
def client(workspace: Workspace) -> AsyncWebClient:
    return sdk_client(workspace)


def sdk_client(workspace: Workspace) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.config.bot_token, base_url=workspace.api_url, retry_handlers=[])


def bolt_app(workspace: Workspace) -> AsyncApp:
    return AsyncApp(
        client=sdk_client(workspace),
        signing_secret=workspace.config.signing_secret,
        process_before_response=True,
        raise_error_for_unhandled_request=False,
    )


@asynccontextmanager
async def over_http(workspace: Workspace, app: AsyncApp) -> AsyncIterator[AsyncApp]:
    runner = web.AppRunner(app.web_app("/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    workspace.connect_http(f"http://{host}:{port}/slack/events")
    try:
        yield app
    finally:
        await runner.cleanup()
