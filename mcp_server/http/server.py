"""`vpsops mcp --http`: runs the server on its own address, until a signal."""

import socket
import sys

import anyio
import structlog
from starlette.types import ASGIApp

from vpsops.core.app import open_core
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.settings import Settings
from vpsops.core.server.event_loop import run_server
from vpsops.core.server.health_routes import served_metrics
from vpsops.core.server.http_server import address_of, listen, serve
from vpsops.core.server.shutdown import stopping
from vpsops.mcp_server.http import EXAMPLE
from vpsops.mcp_server.http.app import McpHttp, open_mcp
from vpsops.mcp_server.http.config import HttpConfig, http_config_from
from vpsops.mcp_server.server import ServerOptions

logger = structlog.get_logger(__name__)


def run_http(settings: Settings, address: str, options: ServerOptions) -> None:
    """Serve over HTTP until a signal. Raises `ConfigurationError` before anything is served, `StorageError`."""
    host, port = address_of(address, EXAMPLE)
    with listen(host, port) as sock:
        run_server(_main, settings, http_config_from(settings, sock, SystemClock(), host), sock, options)


async def _main(settings: Settings, site: HttpConfig, sock: socket.socket, options: ServerOptions) -> None:
    async with (
        open_core(settings, front="mcp") as core,
        served_metrics(core.readiness, settings),
        stopping(core.outdated, core.reloader.request) as stop,
        open_mcp(core, site, options) as served,
    ):
        core.reloader.add(core.reloader.prepare_logging)
        announce(site)
        await serve_mcp(served, served.asgi(core), sock, stop)


def announce(site: HttpConfig) -> None:
    """Print where MCP is served; without authentication log that too."""
    sys.stdout.write(f"mcp: {site.local}\n")
    sys.stdout.flush()
    logger.info("mcp_http_listening", address=site.local, public=site.url, authentication=site.access.required)


async def serve_mcp(served: McpHttp, app: ASGIApp, sock: socket.socket, stop: anyio.Event) -> None:
    """Serve an application with MCP in it until `stop` is set; streams end then, and calls get five seconds."""

    async def hang_up() -> None:
        await stop.wait()
        served.endpoint.hang_up()

    async with anyio.create_task_group() as group:
        group.start_soon(hang_up)
        await serve(app, sock, stop)
        group.cancel_scope.cancel()
