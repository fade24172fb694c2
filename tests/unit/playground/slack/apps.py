"""Small real Bolt apps and the real SDK client, attached to a simulated workspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.playground.slack.people.model import SimulatedWorkspace


def sdk_client(workspace: SimulatedWorkspace) -> AsyncWebClient:
    return AsyncWebClient(token=workspace.config.bot_token, base_url=workspace.api_url, retry_handlers=[])


def bolt_app(workspace: SimulatedWorkspace) -> AsyncApp:
    return AsyncApp(
        client=sdk_client(workspace),
        signing_secret=workspace.config.signing_secret,
        process_before_response=True,
    )


@asynccontextmanager
async def over_http(workspace: SimulatedWorkspace, app: AsyncApp) -> AsyncIterator[None]:
    runner = web.AppRunner(app.web_app("/slack/events"), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    workspace.connect_http(f"http://{host}:{port}/slack/events")
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def over_socket(workspace: SimulatedWorkspace, app: AsyncApp) -> AsyncIterator[None]:
    handler = AsyncSocketModeHandler(app, workspace.config.app_token, web_client=app.client, ping_interval=1)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            await workspace.socket.connected()
        yield
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
