"""`/livez`, `/readyz` and `/healthz`, the same for every process that serves; on a port of their own where asked."""

import argparse
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vpsops.core.server.http_server import address_of, base_of, listen, serve
from vpsops.core.server.readiness import Readiness, answer_of

EXAMPLE: Final = "127.0.0.1:9000"
RED: Final = 503
PLAIN: Final = {"Cache-Control": "no-store"}

logger = structlog.get_logger(__name__)


def health_routes(readiness: Readiness) -> list[Route]:
    """Return the three addresses: alive unless a restart alone helps, ready while everything works."""
    known: list[str] = []

    async def livez(_request: Request) -> Response:
        lost = readiness.lost()
        return JSONResponse(answer_of(lost), status_code=RED if lost else 200, headers=PLAIN)

    async def readyz(_request: Request) -> Response:
        faults = await readiness.faults()
        parts = [fault.part for fault in faults]
        if parts != known:
            log = logger.warning if parts else logger.info
            log("readiness_changed", red=parts, what=[fault.what for fault in faults])
            known[:] = parts
        body = answer_of(faults, readiness.restarting())
        return JSONResponse(body, status_code=RED if faults else 200, headers=PLAIN)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/healthz", readyz)]


def health_socket(address: str | None) -> socket.socket | None:
    """Bind what --health names, if it was given; raises `ConfigurationError`."""
    return None if address is None else listen(*address_of(address, EXAMPLE, "--health"), "--health")


@asynccontextmanager
async def served_health(readiness: Readiness, sock: socket.socket | None) -> AsyncIterator[None]:
    """Serve the health on a port of its own, where one was asked for, until the block ends."""
    if sock is None:
        yield
        return
    stop = anyio.Event()
    app = Starlette(routes=health_routes(readiness))
    async with anyio.create_task_group() as group:
        readiness.supervisor.start("health", partial(serve, app, sock, stop), group=group, ends=True)
        logger.info("serving_health", address=base_of(sock))
        try:
            yield
        finally:
            stop.set()


def add_health_flag(parser: argparse.ArgumentParser) -> None:
    """Declare --health."""
    parser.add_argument(
        "--health",
        metavar="HOST:PORT",
        help=f"answer /livez, /readyz and /healthz at this address, such as {EXAMPLE} (port 0 takes a free one)",
    )
