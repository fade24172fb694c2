"""`vpsops playground`: everything embedded, one address for a browser."""

import argparse
import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import uvicorn
from starlette.types import ASGIApp

from core.errors import ConfigurationError
from playground.wayscloud.serve import QuietServer, listen
from playground.web.app import application
from playground.web.ground import Options, populated, running_ground
from playground.web.provider import SPEEDS

GRACE_SECONDS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vpsops playground`."""
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.description = (
        "Start a simulated provider, a simulated Slack workspace, the real bot and the real MCP server on this "
        "machine, and serve a page that shows all of it. Nothing is kept; no account is needed."
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--speed", type=int, choices=SPEEDS, default=10, help="how fast the provider's time passes")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; the first line on standard output is `playground: ` and the address."""
    try:
        anyio.run(_main, Options(arguments.port, arguments.speed))
    except OSError as error:
        raise ConfigurationError(
            f"Port {arguments.port} on 127.0.0.1 cannot be used: {error.strerror}.", hint="Leave --port out."
        ) from None
    return 0


async def _main(options: Options) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals, listen(options.port) as listener:
        async with running_ground(options) as ground:
            ground.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with _served(application(ground), listener), populated(ground):
                sys.stdout.write(f"playground: {ground.url}\n")
                sys.stdout.flush()
                async for _ in signals:
                    ground.feed.close()
                    return


@asynccontextmanager
async def _served(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = QuietServer(config)
    # not in a task group: the server ends its own connections when it is told to, and is awaited here
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await serving
