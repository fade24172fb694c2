"""Requests admitted by a token, tracked while they are open: a stream ends once its token is no longer valid.

A notification stream may stay open for an hour, and a call that waits for people for minutes. They end when their
token is revoked or expires, or when its human's account is deactivated; a requested change continues.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.mcp_server.auth.issuer import KeysUnavailableError, TokenNotAcceptedError

CHECK_SECONDS: Final = timings.ACCOUNT_CHECK_SECONDS

logger = structlog.get_logger(__name__)

Verify = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True, eq=False)
class OpenRequest:
    """One of them: its token, and what ends it."""

    token: str
    cancel: Callable[[], None]


class OpenRequests:
    """Runs requests, and verifies the tokens of open requests again."""

    def __init__(self, verify: Verify) -> None:
        self._verify = verify
        self._open: set[OpenRequest] = set()
        self._some = anyio.Event()

    def __len__(self) -> int:
        """Return the number of open requests."""
        return len(self._open)

    async def run(self, app: ASGIApp, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request admitted by `token`; end the answer in good order when the token ends first."""
        last: Message = {}

        async def pass_on(message: Message) -> None:
            nonlocal last
            last = message
            await send(message)

        with anyio.CancelScope() as cancelled:
            request = OpenRequest(token, cancelled.cancel)
            self._open.add(request)
            self._some.set()
            try:
                await app(scope, receive, pass_on)
            finally:
                self._open.discard(request)
        if not cancelled.cancelled_caught:
            return
        if not last:
            await send({"type": "http.response.start", "status": 401, "headers": []})
        if not last or last.get("type") == "http.response.start" or last.get("more_body"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def watch(self, clock: Clock) -> None:
        """End requests with a token that is no longer valid, until cancelled."""
        while True:
            self._some = anyio.Event()
            if not self._open:
                await self._some.wait()
            await clock.sleep(CHECK_SECONDS)
            for token in {request.token for request in self._open}:
                why = await self._refused(token)
                ended = [request for request in self._open if why and request.token == token]
                if ended:
                    logger.info("open_requests_ended", count=len(ended), why=why)
                for request in ended:
                    request.cancel()

    async def _refused(self, token: str) -> str:
        try:
            await self._verify(token)
        except TokenNotAcceptedError as refused:
            return refused.why
        except KeysUnavailableError:
            return ""
        return ""
