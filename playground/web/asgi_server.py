"""Serving the page on a socket of this machine, for as long as a block lasts."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn

from vpsops.playground.wayscloud.serve import QuietServer
from vpsops.playground.web.app import application
from vpsops.playground.web.runtime import Ground, attended

GRACE_SECONDS = 1


@asynccontextmanager
async def served(ground: Ground, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the page of a playground, and set its `url`; open pages are let go in the end."""
    host, port = listener.getsockname()[:2]
    ground.url = f"http://{host}:{port}"
    config = uvicorn.Config(
        application(ground),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = QuietServer(config)
    # not in a task group: the server ends its own connections on request, and is awaited here
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with attended(ground):
            yield
    finally:
        ground.feed.close()
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await serving
