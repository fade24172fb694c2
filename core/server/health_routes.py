"""`/livez`, `/readyz`, `/healthz` and `/metrics`, for every process that serves; on a port of their own where asked."""

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

from vpsops.core.config.settings import Settings
from vpsops.core.server.http_server import address_of, base_of, listen, serve
from vpsops.core.server.readiness import Readiness, answer_of

EXAMPLE: Final = "127.0.0.1:9000"
RED: Final = 503
PLAIN: Final = {"Cache-Control": "no-store"}

METRICS_EXAMPLE: Final = "127.0.0.1:9464"
LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of proxies: what came through one is from elsewhere, whatever the address of its connection."""

logger = structlog.get_logger(__name__)


def health_routes(readiness: Readiness, *, private: bool = False) -> list[Route]:
    """Return the addresses: alive unless a restart alone helps, ready while everything works, and the metrics.

    A `private` port is for operators alone. At any other, the metrics are for this machine: everyone else gets 404.
    """
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

    routes = [Route("/livez", livez), Route("/readyz", readyz), Route("/healthz", readyz)]
    return [*routes, metrics_route(readiness, private=private)]


def metrics_route(readiness: Readiness, *, private: bool) -> Route:
    """Return `/metrics`; unless `private`, it is there for direct requests of this machine alone."""
    source = readiness.metrics()

    async def metrics(request: Request) -> Response:
        if not (private or is_local(request)):
            return Response(status_code=404)
        ready = not await readiness.faults()
        body, content_type = await source.render(request.headers.get("accept", ""), ready=ready)
        return Response(body, headers={**PLAIN, "Content-Type": content_type})

    return Route("/metrics", metrics)


def is_local(request: Request) -> bool:
    """Return whether a request came from this machine, and through no proxy that says so."""
    direct = not any(name in request.headers for name in FORWARDED)
    return direct and request.client is not None and request.client.host in LOOPBACK


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
    app = Starlette(routes=health_routes(readiness, private=True))
    async with anyio.create_task_group() as group:
        readiness.supervisor.start("health", partial(serve, app, sock, stop), group=group, ends=True)
        logger.info("serving_health", address=base_of(sock))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def served_metrics(readiness: Readiness, settings: Settings) -> AsyncIterator[None]:
    """Serve the metrics at the address of VPSOPS_METRICS, if it is set; raises `ConfigurationError` if it cannot be."""
    if not settings.metrics:
        yield
        return
    stop = anyio.Event()
    name = "VPSOPS_METRICS"
    with listen(*address_of(settings.metrics, METRICS_EXAMPLE, name), name) as sock:
        app = Starlette(routes=[metrics_route(readiness, private=True)])
        async with anyio.create_task_group() as group:
            readiness.supervisor.start("metrics_port", partial(serve, app, sock, stop), group=group, ends=True)
            logger.info("serving_metrics", address=f"{base_of(sock)}/metrics")
            try:
                yield
            finally:
                stop.set()


def add_health_flag(parser: argparse.ArgumentParser) -> None:
    """Declare --health."""
    parser.add_argument(
        "--health",
        metavar="HOST:PORT",
        help=f"answer /livez, /readyz, /healthz and /metrics at this address, such as {EXAMPLE} (port 0: any free)",
    )
