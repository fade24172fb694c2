"""A web server in Slack's place that is not Slack, or answers one thing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from vpsops.core.config.settings import Settings, load_settings


@asynccontextmanager
async def answering(status: int, kind: str, body: bytes) -> AsyncIterator[Settings]:
    """Answer every request with a body; yield settings that take the server for Slack."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers={"Content-Type": kind})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield load_settings({"SLACK_API_URL": f"http://127.0.0.1:{port}/api/", "SLACK_BOT_TOKEN": "xoxb-any"})
    finally:
        await runner.cleanup()
