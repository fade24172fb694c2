"""A bare Bolt app by Socket Mode that acknowledges `/vps` with a text and does nothing else."""

import asyncio
import logging
import sys
from functools import partial

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from vpsops.core.server.event_loop import run_server


async def serve(api: str, app_token: str, *, before: bool) -> None:
    """Open a line and serve it until the process ends; `before` is Bolt's `process_before_response`."""

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-bench")

    bolt = AsyncApp(authorize=authorize, process_before_response=before)

    @bolt.command("/vps")
    async def on_command(ack: AsyncAck) -> None:
        await ack("ok")

    handler = AsyncSocketModeHandler(bolt, app_token, web_client=AsyncWebClient(base_url=api))
    await handler.connect_async()  # type: ignore[no-untyped-call]  # the SDK has no types here
    await asyncio.Event().wait()


def main(api: str, app_token: str, mode: str) -> None:
    """Serve, on the event loop that vpsops has too."""
    logging.basicConfig(level=logging.ERROR)
    run_server(partial(serve, api, app_token, before=mode == "before"))


if __name__ == "__main__":
    main(*sys.argv[1:4])
