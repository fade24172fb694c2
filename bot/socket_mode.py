"""The Socket Mode connection: an outgoing WebSocket to Slack, opened again at a bounded pace whenever it ends.

The SDK's `SocketModeClient` is not used: after a `disconnect` it opens the next connection without a pause, retries
an outdated address for ever, ignores NO_PROXY, and logs none of it in a line of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import anyio
import structlog
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from vpsops.bot.app import Bot
from vpsops.bot.ingress.connection_pace import ConnectionPace
from vpsops.bot.listeners import bolt_request
from vpsops.bot.protocol.payloads import parse_payload
from vpsops.bot.slack_api.client import SlackError
from vpsops.bot.slack_api.proxy import proxy_for
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.json_types import parse_json
from vpsops.core.common.text import one_line
from vpsops.core.telemetry.metrics import SLACK_ACK_SECONDS

WRONG: Final = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "forbidden_team",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "no_permission",
        "not_authed",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
HINT: Final = "It starts with xapp- and needs the scope connections:write; Socket Mode must be on."
PING_SECONDS: Final = timings.LINE_PING_SECONDS
OPEN_SECONDS: Final = timings.LINE_OPEN_SECONDS
OBSERVE_SECONDS: Final = timings.LINE_OBSERVE_SECONDS
LEAVE_SECONDS: Final = timings.LINE_LEAVE_SECONDS
CLOSED_SECONDS: Final = timings.LINE_CLOSED_SECONDS
"""How long the connection may be closed before the process counts as not ready; Slack closes it every few hours."""
REPLACED: Final = "token_replaced"
ORDINARY: Final = frozenset({"warning", "refresh_requested", REPLACED})
"""Reasons of a `disconnect` after which Slack keeps the connection for a few seconds: the next one is opened before."""
MAX_REASON: Final = 40
LINE: Final = "socket_mode_line"

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class ConnectionStatus:
    """When the connection was last open, and whether Slack refuses the token; the input of the health check."""

    clock: Clock
    since: float = 0.0  # monotonic time of the first attempt
    last_open: float | None = None
    refused: str = ""  # Slack's error code for the app token

    def __post_init__(self) -> None:
        """Start counting."""
        self.since = self.clock.monotonic()

    def fault(self) -> str:
        """Return a description if the token is refused, or the connection closed for over `CLOSED_SECONDS`, else ""."""
        if self.refused:
            return f"Slack refuses SLACK_APP_TOKEN ({self.refused}), so no commands arrive"
        last = self.since if self.last_open is None else self.last_open
        seconds = self.clock.monotonic() - last
        if seconds < CLOSED_SECONDS:
            return ""
        return f"the line to Slack (Socket Mode) has not been open for {seconds:.0f} s"


@dataclass(slots=True, eq=False)
class _OpenConnection:
    """One WebSocket. `reason` says why its successor is needed, once `ended` is set."""

    socket: aiohttp.ClientWebSocketResponse
    opened_at: float
    ended: anyio.Event = field(default_factory=anyio.Event)
    reason: str = ""

    def end(self, reason: str) -> None:
        """Ask for the next connection; the first reason counts."""
        self.reason = self.reason or one_line(reason, MAX_REASON)
        self.ended.set()

    async def answer(self, request: SocketModeRequest, response: BoltResponse) -> None:
        """Acknowledge an envelope; one that Bolt does not answer with 200 is left for Slack to send again."""
        if response.status != 200:  # noqa: PLR2004 - Bolt's yes
            return
        payload = _ack_payload(response) if response.body else None
        await self.socket.send_str(json.dumps(SocketModeResponse(request.envelope_id, payload).to_dict()))


class SocketModeConnection:
    """Keeps one connection open from `connect` until the block ends, and hands what arrives to Bolt."""

    def __init__(self, bot: Bot, app_token: str, status: ConnectionStatus | None = None) -> None:
        self._bot = bot
        self._slack = bot.context.slack
        self._app_token = app_token
        self._clock, self._supervisor = bot.context.core.clock, bot.context.core.supervisor
        self._status = status or ConnectionStatus(self._clock)
        self._pace = ConnectionPace()
        self._line: _OpenConnection | None = None
        self._group = anyio.create_task_group()
        bot.secrets.line = self

    async def connect(self, stop: anyio.Event) -> bool:
        """Connect, retrying until success or `stop`; raises `ConfigurationError` on an invalid token."""
        failed: ConfigurationError | None = None

        async def attempt() -> None:
            nonlocal failed
            try:
                self._line = await self._open(first=True)
            except ConfigurationError as error:  # raised outside the task group
                failed = error
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(attempt)
            await stop.wait()
            group.cancel_scope.cancel()
        if failed is not None:
            raise failed
        if self._line is None:
            return False
        self._supervisor.start(LINE, self._keep_open, group=self._group)
        return True

    def use(self, app_token: str) -> None:
        """Open the next connection by another token, now; the one that is open has some seconds left."""
        self._app_token = app_token
        if self._line is not None:
            self._line.end(REPLACED)

    async def observe(self) -> None:
        """Record every few seconds whether the connection is open, until cancelled."""
        while True:
            if self._line is not None and not self._line.socket.closed:
                self._status.last_open = self._clock.monotonic()
            await self._clock.sleep(OBSERVE_SECONDS)

    async def _keep_open(self) -> None:
        """Open the next connection when one ends, or is about to end."""
        while True:
            line = self._line = self._line or await self._open()
            self._supervisor.start_once(LINE, partial(self._serve, line), group=self._group)
            await line.ended.wait()
            self._line = None
            seconds = self._clock.monotonic() - line.opened_at
            self._pace.ended(seconds)
            log = logger.info if line.reason in ORDINARY else logger.warning
            log("socket_mode_ended", reason=line.reason, open_seconds=round(seconds))

    async def _open(self, *, first: bool = False) -> _OpenConnection:
        """Open a connection, at the bounded pace, until one is open; only at the start a wrong token is final."""
        retry_after = 0.0
        while True:
            await self._clock.sleep(self._pace.next_pause(retry_after))
            try:
                with anyio.fail_after(OPEN_SECONDS):
                    url = await self._slack.socket_url(self._app_token)
                    socket = await self._slack.session.ws_connect(url, heartbeat=PING_SECONDS, proxy=proxy_for(url))
            except SlackError as error:
                retry_after = error.retry_after or 0.0
                self._note_refusal(error.code, first=first)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                retry_after = 0.0
                logger.warning("socket_mode_not_opened", error=type(error).__name__, attempts=self._pace.attempts)
            else:
                self._note_opened()
                return _OpenConnection(socket, self._clock.monotonic())

    def _note_refusal(self, code: str, *, first: bool) -> None:
        if code not in WRONG:
            logger.warning("socket_mode_not_opened", code=code, attempts=self._pace.attempts)
            return
        if first:
            raise ConfigurationError(f"Slack does not accept SLACK_APP_TOKEN ({code}).", hint=HINT) from None
        if self._status.refused != code:
            logger.error("socket_mode_token_refused", code=code, hint=f"No commands arrive. {HINT}")
        self._status.refused = code

    def _note_opened(self) -> None:
        if self._status.refused:
            logger.warning("socket_mode_token_accepted_again")
            self._status.refused = ""
        self._status.last_open = self._clock.monotonic()
        logger.info("socket_mode_opened", attempts=self._pace.attempts)

    async def _serve(self, line: _OpenConnection) -> None:
        """Hand on what arrives on a connection until it closes; after an ordinary end it has some seconds left."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._close_after_end, line, group.cancel_scope)
                async for message in line.socket:
                    envelope = _envelope_in(message)
                    if envelope.get("type") == "disconnect":
                        line.end(str(envelope.get("reason") or "disconnect"))
                    elif (request := _request_in(envelope)) is not None:
                        self._supervisor.start_once("envelope", partial(self._handle, line, request), group=self._group)
                line.end("closed")
        finally:
            line.end("closed")
            with anyio.CancelScope(shield=True), anyio.move_on_after(LEAVE_SECONDS):
                await line.socket.close()

    async def _close_after_end(self, line: _OpenConnection, scope: anyio.CancelScope) -> None:
        await line.ended.wait()
        if line.reason in ORDINARY:
            await self._clock.sleep(LEAVE_SECONDS)
        scope.cancel()

    async def _handle(self, line: _OpenConnection, request: SocketModeRequest) -> None:
        """Parse an envelope's payload, hand both to Bolt, and answer; what is malformed is answered, and dropped."""
        begun = anyio.current_time()
        try:
            await line.answer(request, await self._response_to(request))
            seconds = anyio.current_time() - begun
            self._bot.context.core.telemetry.meter.observe(SLACK_ACK_SECONDS, seconds, transport="socket_mode")
        except (aiohttp.ClientError, OSError) as error:  # Slack sends it again on the next connection
            logger.info("socket_mode_ack_lost", error=type(error).__name__)

    async def _response_to(self, request: SocketModeRequest) -> BoltResponse:
        try:
            payload, headers = parse_payload(request.payload), build_headers(request)
            return await self._bot.bolt.async_dispatch(
                bolt_request(payload, mode="socket_mode", body=request.payload, headers=headers)
            )
        except Exception as error:  # noqa: BLE001 - whatever a payload breaks, it would break again
            logger.warning("delivery_dropped", error=type(error).__name__)
            return BoltResponse(status=200, body="")

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(kind, error, trace)


def _envelope_in(message: aiohttp.WSMessage) -> Mapping[str, Any]:
    """Return the JSON object in a message, or an empty one: what cannot be read is logged by its type."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        envelope = parse_json(message.data)
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, dict):
        logger.warning("socket_mode_message_dropped", bytes=len(message.data))
        return {}
    return envelope


def _request_in(envelope: Mapping[str, Any]) -> SocketModeRequest | None:
    """Return the request in an envelope; None for Slack's greeting and what is no request."""
    if not isinstance(envelope.get("envelope_id"), str) or not isinstance(envelope.get("payload"), dict):
        return None
    return SocketModeRequest.from_dict(dict(envelope))


def _ack_payload(response: BoltResponse) -> dict[str, Any]:
    kind = response.headers.get("content-type", [""])[0]
    payload: dict[str, Any] = json.loads(response.body) if kind.startswith("application/json") else {}
    return payload or {"text": response.body}
