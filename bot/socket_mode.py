"""The Socket Mode connection: an outgoing WebSocket to Slack, reopened whenever it ends."""

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import aiohttp
import anyio
import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from vpsops.bot.app import Bot
from vpsops.bot.ingress.request_verification import PARSED_PAYLOAD
from vpsops.bot.protocol.logging import slack_logger
from vpsops.bot.protocol.payloads import parse_payload
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError

AGAIN_SECONDS: Final = timings.LINE_AGAIN_SECONDS
WRONG: Final = frozenset({"invalid_auth", "not_authed", "not_allowed_token_type", "missing_scope", "token_revoked"})
PING_SECONDS: Final = timings.LINE_PING_SECONDS
OPEN_SECONDS: Final = timings.LINE_OPEN_SECONDS
OBSERVE_SECONDS: Final = timings.LINE_OBSERVE_SECONDS
CLOSED_SECONDS: Final = timings.LINE_CLOSED_SECONDS
"""How long the connection may be closed before the process counts as not ready; Slack closes it every few hours."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class ConnectionStatus:
    """When the connection was last open; the input of the health check."""

    clock: Clock
    since: float = 0.0  # monotonic time of the first attempt
    last_open: float | None = None

    def __post_init__(self) -> None:
        """Start counting."""
        self.since = self.clock.monotonic()

    def fault(self) -> str:
        """Return a description once the connection has been closed for over `CLOSED_SECONDS`, else ""."""
        last = self.since if self.last_open is None else self.last_open
        seconds = self.clock.monotonic() - last
        if seconds < CLOSED_SECONDS:
            return ""
        return f"the line to Slack (Socket Mode) has not been open for {seconds:.0f} s"


class _SocketModeHandler(AsyncSocketModeHandler):
    """Bolt's handler with the payload parsed before it: what is malformed is dropped, or it would come again."""

    def __init__(self, bot: Bot, app_token: str) -> None:
        client = bot.context.slack.client
        super().__init__(bot.bolt, app_token, logger=slack_logger, web_client=client, ping_interval=PING_SECONDS)
        self._clock = bot.context.core.clock

    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override]
        """Parse an envelope's payload, hand both to Bolt, and answer."""
        try:
            begun = self._clock.now().timestamp()
            context = {PARSED_PAYLOAD: parse_payload(req.payload)}
            headers = build_headers(req)
            request = AsyncBoltRequest(mode="socket_mode", body=req.payload, headers=headers, context=context)
            await send_async_response(client, req, await self.app.async_dispatch(request), begun)
        except (aiohttp.ClientError, OSError):  # the line is gone: Slack sends it again on the next one
            raise
        except Exception as error:  # noqa: BLE001 - whatever a payload breaks, it would break again
            logger.warning("delivery_dropped", error=type(error).__name__)
            await client.send_socket_mode_response(SocketModeResponse(req.envelope_id))


class SocketModeConnection:
    """One Socket Mode connection. The SDK maintains it; this class opens it first and closes it."""

    def __init__(self, bot: Bot, app_token: str) -> None:
        self._bot = bot
        self._handler = _SocketModeHandler(bot, app_token)

    async def connect(self, stop: anyio.Event) -> bool:
        """Connect, retrying until success or `stop`; raises `ConfigurationError` on an invalid token."""
        tries = 0
        while not stop.is_set():
            try:
                opened = await self._open(stop)
            except SlackApiError as error:
                code = str(error.response.get("error", ""))
                if code in WRONG:
                    raise ConfigurationError(
                        f"Slack does not accept SLACK_APP_TOKEN ({code}).",
                        hint="It starts with xapp- and needs the scope connections:write; Socket Mode must be on.",
                    ) from None
                logger.warning("socket_mode_not_opened", code=code)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("socket_mode_not_opened", error=type(error).__name__)
            else:
                if opened:
                    return True
            with anyio.move_on_after(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]):
                await stop.wait()
            tries += 1
        return False

    async def observe(self, status: ConnectionStatus) -> None:
        """Record every few seconds whether the connection is open, until cancelled."""
        while True:
            if await self._handler.client.is_connected():
                status.last_open = status.clock.monotonic()
            await status.clock.sleep(OBSERVE_SECONDS)

    async def _open(self, stop: anyio.Event) -> bool:
        """Try once, until `stop`; the SDK's own loop would retry an invalid token or an outdated URL forever."""
        client, opened = self._handler.client, False
        failed: Exception | None = None

        async def attempt() -> None:
            nonlocal opened, failed
            try:
                client.wss_uri = await client.issue_new_wss_url()
                with anyio.move_on_after(OPEN_SECONDS):
                    await self._handler.connect_async()  # type: ignore[no-untyped-call]
                    opened = True
            except (SlackApiError, aiohttp.ClientError, OSError) as error:  # re-raised outside the task group
                failed = error
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(attempt)
            await stop.wait()
            group.cancel_scope.cancel()
        if failed is not None:
            raise failed
        return opened

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            await self._handler.close_async()  # type: ignore[no-untyped-call]
