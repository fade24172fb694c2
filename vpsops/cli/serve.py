"""`vpsops serve`: the Slack bot and MCP over HTTP in one process, on one core, at one address."""

import argparse
import socket
import sys

import anyio

from vpsops.bot.app import PATH as SLACK_PATH
from vpsops.bot.app import open_bot
from vpsops.cli.bot import DEFAULT, check_token, require_settings, start_socket_mode
from vpsops.core.app import open_core
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.event_loop import run_server
from vpsops.core.server.http_server import address_of, base_of, listen
from vpsops.core.server.shutdown import stopping
from vpsops.mcp_server.auth.access import add_flags, reach_from_flags
from vpsops.mcp_server.http.app import create_app, open_mcp
from vpsops.mcp_server.http.config import PATH as MCP_PATH
from vpsops.mcp_server.http.config import HttpConfig, http_config_from
from vpsops.mcp_server.http.server import announce, serve_mcp
from vpsops.mcp_server.server import ServerOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops serve`."""
    parser.description = (
        f"Run the Slack bot and MCP over HTTP in one process: MCP under {MCP_PATH}, Slack's requests under {SLACK_PATH}"
        " unless SLACK_APP_TOKEN has the bot connect by Socket Mode, and /livez, /readyz and /healthz for both."
    )
    parser.epilog = (
        "needs what `vpsops bot` needs; other machines are served MCP once callers prove who they are: see docs/mcp.md."
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        default=DEFAULT,
        help="listen at this address (default %(default)s; port 0 takes a free one)",
    )
    add_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Serve both until a signal. Raises what `vpsops bot` and `vpsops mcp` raise."""
    options = ServerOptions(reach=reach_from_flags(args))
    settings = load_settings()
    host, port = address_of(args.http, DEFAULT)
    require_settings(settings, http=settings.slack_app_token is None)
    configure_logging(settings)
    proxied = settings.slack_app_token is None or bool(settings.slack_client_id)  # Slack, or workspaces, come by HTTP
    with listen(host, port) as sock:
        site = http_config_from(settings, sock, SystemClock(), host, proxied=proxied)
        run_server(_main, settings, site, sock, options)
    return 0


async def _main(settings: Settings, site: HttpConfig, sock: socket.socket, options: ServerOptions) -> None:
    async with (
        open_core(settings, front="slack") as core,
        open_bot(core) as bot,
        stopping(core.outdated) as stop,
    ):
        await check_token(bot)
        async with open_mcp(core.for_agents(), site, options) as served, anyio.create_task_group() as group:
            announce(site)
            if settings.slack_app_token is None:
                sys.stdout.write(f"bot: {base_of(sock)}{SLACK_PATH}\n")
                sys.stdout.flush()
            else:
                start_socket_mode(bot, settings, stop, group)
            await serve_mcp(served, create_app([*bot.routes, *served.routes]), sock, stop)
            stop.set()
