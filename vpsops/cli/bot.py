"""`vpsops bot`: reads the settings, opens the bot, runs until stopped."""

import argparse
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final

import aiohttp
import anyio
import structlog
from anyio.abc import TaskGroup
from slack_sdk.errors import SlackApiError

from vpsops.bot.app import PATH, Bot, open_bot
from vpsops.bot.diagnostics.workspace import SCOPES, granted
from vpsops.bot.socket_mode import ConnectionStatus, SocketModeConnection
from vpsops.bot.workspaces.scopes import INSTALL_PATH
from vpsops.core.app import open_core
from vpsops.core.common.errors import ConfigurationError, NotSignedInError
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.event_loop import run_server
from vpsops.core.server.health_routes import add_health_flag, health_socket, served_health, served_metrics
from vpsops.core.server.http_server import DEFAULT_ADDRESS, base_of, listen, serve
from vpsops.core.server.http_server import address_of as read_address
from vpsops.core.server.shutdown import keep_hang_up, stopping

DEFAULT: Final = DEFAULT_ADDRESS
AWAY: Final = frozenset({429, *range(500, 600)})
"""The HTTP statuses of a Slack that answers later."""

logger = structlog.get_logger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vpsops bot`."""
    parser.description = (
        "Run the Slack bot. With SLACK_APP_TOKEN it connects to Slack by Socket Mode and needs no public address; "
        "without it, or with --http, it listens for Slack's requests and checks their signatures."
    )
    parser.epilog = (
        "needs SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP); "
        "each may come from a file named by NAME_FILE. Paste what `vpsops manifest` prints to create the app. "
        "Several workspaces: see docs/slack.md."
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        help=f"listen for Slack at this address under {PATH} (default {DEFAULT}; port 0 takes a free one)",
    )
    add_health_flag(parser)


def run(args: argparse.Namespace) -> int:
    """Run the bot until a signal. Raises `ConfigurationError`, `StorageError` and `NotSignedInError`."""
    keep_hang_up()
    settings = load_settings()
    address = address_of(args.http, settings)
    require_settings(settings, http=address is not None)
    configure_logging(settings)
    with ExitStack() as stack:
        sock = stack.enter_context(listen(*address)) if address is not None else None
        run_server(_main, settings, sock, health_socket(args.health))
    return 0


def address_of(address: str | None, settings: Settings) -> tuple[str, int] | None:
    """Return the address to listen on, or None for Socket Mode. Raises `ConfigurationError` on a wrong address."""
    if address is None and settings.slack_app_token is not None:
        if settings.slack_client_id:
            raise ConfigurationError(
                "Workspaces install the app over HTTP, which Socket Mode alone does not serve.",
                hint="Give --http HOST:PORT, or run `vpsops serve`, which does both.",
            )
        return None
    return read_address(address or DEFAULT, DEFAULT)


def require_settings(settings: Settings, *, http: bool, without: str = "") -> None:
    """Raise `ConfigurationError` naming every variable that is missing; `without` says what needs no Slack."""
    several = bool(settings.slack_client_id)  # then each workspace brings its token
    needed = {} if several else {"SLACK_BOT_TOKEN": settings.slack_bot_token}
    needed |= {"SLACK_SIGNING_SECRET": settings.slack_signing_secret} if http else {}
    missing = [name for name, value in needed.items() if value is None or not value.get_secret_value().strip()]
    if missing:
        them = "it" if len(missing) == 1 else "them"
        hint = (
            f"Set {them} in the environment, or name a file for each by NAME_FILE. `vpsops manifest` begins a new app."
        )
        if http and settings.slack_app_token is None:
            hint += " With SLACK_APP_TOKEN the bot uses Socket Mode and needs no signing secret."
        raise ConfigurationError(f"The Slack bot needs {' and '.join(missing)}.", hint=f"{hint} {without}".rstrip())


async def _main(settings: Settings, sock: socket.socket | None, health: socket.socket | None) -> None:
    async with (
        open_core(settings, front="slack") as core,
        open_bot(core) as bot,
        served_health(core.readiness, health),
        served_metrics(core.readiness, settings),
        stopping(core.outdated, core.reloader.request) as stop,
    ):
        core.reloader.add(core.reloader.prepare_logging)
        await check_token(bot)
        if sock is None:
            async with anyio.create_task_group() as group:
                start_socket_mode(bot, stop, group)
                await stop.wait()
        else:
            await _by_http(bot, sock, stop)


async def _by_http(bot: Bot, sock: socket.socket, stop: anyio.Event) -> None:
    address = f"{base_of(sock)}{PATH}"
    sys.stdout.write(f"bot: {address}\n")
    sys.stdout.flush()
    logger.info("slack_http_listening", address=address)
    await serve(bot.asgi, sock, stop)


async def serve_socket_mode(bot: Bot, stop: anyio.Event, status: ConnectionStatus) -> None:
    """Serve Slack over Socket Mode until `stop` is set."""
    async with SocketModeConnection(bot, bot.secrets.app_token, status) as line, anyio.create_task_group() as group:
        if await line.connect(stop):
            sys.stdout.write("bot: connected to Slack by Socket Mode\n")
            sys.stdout.flush()
            logger.info("slack_socket_connected")
            bot.context.core.supervisor.start("line_status", line.observe, group=group)
            await stop.wait()
        group.cancel_scope.cancel()


def start_socket_mode(bot: Bot, stop: anyio.Event, group: TaskGroup) -> None:
    """Serve Slack over Socket Mode in the background; a token that is no good ends the group."""
    status = ConnectionStatus(bot.context.core.clock)
    bot.context.core.readiness.add("slack_line", status.fault)
    work = partial(serve_socket_mode, bot, stop, status)
    bot.context.core.supervisor.start("socket_mode", work, group=group, ends=True, fatal=(ConfigurationError,))


async def check_token(bot: Bot) -> None:
    """Query the bot's identity in Slack once; an unreachable Slack does not end the start.

    Raises `NotSignedInError` for a wrong token, and `ConfigurationError` where the server is not Slack.
    """
    if bot.context.core.workspaces.several:
        logger.info("several_workspaces", where=bot.context.core.settings.slack_url + INSTALL_PATH)
        return
    try:
        answer = await bot.context.slack.client.auth_test()
    except SlackApiError as error:
        code = str(error.response.get("error", ""))
        if code in {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}:
            raise NotSignedInError(
                f"Slack does not accept SLACK_BOT_TOKEN ({code}).", hint="Copy the bot token (xoxb-…) again."
            ) from None
        status = int(error.response.status_code)
        if not code and status not in AWAY:
            url = bot.context.slack.client.base_url
            raise ConfigurationError(
                f"The server at {url} is not Slack (HTTP {status}).", hint="Check SLACK_API_URL."
            ) from None
        logger.warning("slack_identity_refused", code=code or f"http_{status}")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        logger.warning("slack_unreachable", error=type(error).__name__)
    else:
        logger.info("slack_signed_in", team=answer.get("team"), bot=answer.get("user"))
        _warn_of_scopes({str(name).lower(): str(value) for name, value in dict(answer.headers).items()})


def _warn_of_scopes(headers: Mapping[str, str]) -> None:
    """Log the scopes that the app lacks: they explain later refusals."""
    lacks = SCOPES.keys() - granted(headers.get("x-oauth-scopes", ""))
    if lacks and "x-oauth-scopes" in headers:
        logger.warning("slack_scopes_missing", scopes=sorted(lacks))
