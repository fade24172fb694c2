"""`vpsops serve`: the Slack bot and MCP over HTTP and on a Unix socket in one process, on one core."""

import argparse
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from vpsops.bot.app import PATH as SLACK_PATH
from vpsops.bot.app import Bot, open_bot
from vpsops.cli.bot import DEFAULT, check_token, require_settings, start_socket_mode
from vpsops.core.app import Core, open_core
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.local_identity import human_of
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.event_loop import run_server
from vpsops.core.server.health_routes import health_routes, served_metrics
from vpsops.core.server.http_server import address_of, base_of, listen, serve
from vpsops.core.server.service_manager import reported
from vpsops.core.server.shutdown import keep_hang_up, stopping
from vpsops.mcp_server.auth.access import add_flags, reach_from_flags
from vpsops.mcp_server.http import PATH as MCP_PATH
from vpsops.mcp_server.http.app import McpHttp, create_app, open_mcp
from vpsops.mcp_server.http.config import HttpConfig, http_config_from, state_keys
from vpsops.mcp_server.http.server import announce, serve_mcp
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.unix_socket.config import SocketConfig, socket_config_from
from vpsops.mcp_server.unix_socket.listener import is_inherited, listening
from vpsops.mcp_server.unix_socket.peer import SocketUsers
from vpsops.mcp_server.unix_socket.service import open_socket

EXAMPLE: Final = "/run/vpsops/mcp.sock"
WITHOUT_SLACK: Final = "Without Slack, assistants are served by `vpsops mcp --http HOST:PORT`, or here with --socket."

logger = structlog.get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops serve`."""
    parser.description = (
        f"Run the Slack bot and MCP over HTTP in one process: MCP under {MCP_PATH}, Slack's requests under {SLACK_PATH}"
        " unless SLACK_APP_TOKEN has the bot connect by Socket Mode, and /livez, /readyz and /healthz for both."
        " With --socket it serves the assistants of this machine's users too, who need no key and no token."
    )
    parser.epilog = (
        "needs what `vpsops bot` needs, and with --socket no Slack; other machines are served MCP once callers prove"
        " who they are: see docs/mcp.md."
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        default=DEFAULT,
        help="listen at this address (default %(default)s; port 0 takes a free one)",
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help=f"serve MCP on a Unix socket, such as {EXAMPLE}; each user is the person that [mcp.socket.users] says",
    )
    add_flags(parser)


@dataclass(frozen=True, slots=True)
class _Doors:
    """What is served where: `site` is None without MCP over HTTP, `local` without a Unix socket."""

    http: socket.socket
    site: HttpConfig | None
    local: socket.socket | None
    config: SocketConfig
    slack: bool


def run(args: argparse.Namespace) -> int:
    """Serve until a signal. Raises what `vpsops bot` and `vpsops mcp` raise."""
    options = ServerOptions(reach=reach_from_flags(args))
    keep_hang_up()
    settings = load_settings()
    host, port = address_of(args.http, DEFAULT)
    by_socket = args.socket is not None or is_inherited(os.environ, os.getpid())
    slack = not by_socket or has_slack_settings(settings)
    if slack:
        require_settings(settings, http=settings.slack_app_token is None, without=WITHOUT_SLACK)
    configure_logging(settings)
    config = socket_config_from(settings)
    with ExitStack() as stack:
        local = stack.enter_context(listening(args.socket or "", config, os.environ)) if by_socket else None
        sock = stack.enter_context(listen(host, port))
        site = _site(settings, sock, host, slack=slack) if not by_socket or authenticates(settings) else None
        run_server(_main, settings, _Doors(sock, site, local, config, slack), options)
    return 0


def has_slack_settings(settings: Settings) -> bool:
    """Return whether anything is set that the bot alone needs."""
    return bool(
        settings.slack_bot_token
        or settings.slack_app_token
        or settings.slack_signing_secret
        or settings.slack_client_id
    )


def authenticates(settings: Settings) -> bool:
    """Return whether callers over HTTP prove who they are.

    Beside a socket that tells users apart, HTTP without that would let each of them be the service's own person.
    """
    return bool(settings.http_tokens_file or settings.oauth_issuer)


def _site(settings: Settings, sock: socket.socket, host: str, *, slack: bool) -> HttpConfig:
    # Slack, or workspaces, come by HTTP
    proxied = slack and (settings.slack_app_token is None or bool(settings.slack_client_id))
    return http_config_from(settings, sock, SystemClock(), host, proxied=proxied)


async def _main(settings: Settings, doors: _Doors, options: ServerOptions) -> None:
    async with (
        open_core(settings, front="slack" if doors.slack else "mcp") as core,
        _opened_bot(core, slack=doors.slack) as bot,
        served_metrics(core.readiness, settings),
        stopping(core.outdated, core.reloader.request) as stop,
    ):
        core.reloader.add(core.reloader.prepare_logging)
        if bot is not None:
            await check_token(bot)
        async with (
            _served(core, settings, doors, options) as served,
            anyio.create_task_group() as group,
            reported(SystemClock(), os.environ),
        ):
            if doors.site is not None:
                announce(doors.site)
            if bot is not None:
                _start_bot(bot, settings, doors.http, stop, group)
            routes: list[BaseRoute] = [*(bot.routes if bot is not None else health_routes(core.readiness))]
            app: ASGIApp = create_app([*routes, *(served.routes if served is not None else [])])
            app = bot.in_front_of(app) if bot is not None else app
            if served is None:
                await serve(app, doors.http, stop)
            else:
                await serve_mcp(served, app, doors.http, stop)
            stop.set()


@asynccontextmanager
async def _opened_bot(core: Core, *, slack: bool) -> AsyncIterator[Bot | None]:
    """Run the bot until the block ends, where Slack is served."""
    if not slack:
        yield None
        return
    async with open_bot(core) as bot:
        yield bot


@asynccontextmanager
async def _served(
    core: Core, settings: Settings, doors: _Doors, options: ServerOptions
) -> AsyncIterator[McpHttp | None]:
    """Serve assistants wherever they may come from; yield what HTTP is to serve."""
    async with AsyncExitStack() as stack:
        if doors.local is not None:
            users = SocketUsers(doors.config, os.geteuid(), human_of(settings))
            keyed = ServerOptions(reach=options.reach, state_keys=state_keys(settings))
            await stack.enter_async_context(open_socket(core.for_agents(), users, doors.local, keyed))
            path = os.fsdecode(doors.local.getsockname())
            _print(f"socket: {path}")
            logger.info("mcp_socket_listening", path=path, users=len(doors.config.humans))
        if doors.site is None:
            yield None
            return
        yield await stack.enter_async_context(open_mcp(core.for_agents(), doors.site, options))


def _start_bot(bot: Bot, settings: Settings, sock: socket.socket, stop: anyio.Event, group: TaskGroup) -> None:
    if settings.slack_app_token is None:
        _print(f"bot: {base_of(sock)}{SLACK_PATH}")
    else:
        start_socket_mode(bot, stop, group)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
