"""Limits per caller: sessions of the handshake's era, and concurrent requests.

The SDK bounds sessions for all callers together, so that one could keep the others out. Here each has its own
limit; opening one too many ends the caller's own least recently used session.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from mcp.types import INTERNAL_ERROR, INVALID_REQUEST
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.core.common import timings
from vpsops.core.server.rejections import Rejections
from vpsops.mcp_server.auth.middleware import token_in

SESSION: Final = "mcp-session-id"
VERSION: Final = "mcp-protocol-version"
SESSIONS_EACH: Final = 100
REQUESTS_EACH: Final = 200
"""Streams included, of which a caller may have fifty."""

IDLE_SECONDS: Final = timings.SESSION_SECONDS
KEPT: Final = frozenset({b"host", VERSION.encode()})

CallerKey = tuple[bool, str, str]


def caller_key(scope: Scope) -> CallerKey:
    """Return the key of a caller for its limits; without tokens this machine is one caller."""
    token = token_in(scope)
    return (token.oauth, token.caller.subject, token.caller.human) if token else (False, "", "")


@dataclass(slots=True)
class SessionUsage:
    """When a session was used last, and how many requests of it are under way."""

    used_at: float
    busy: int = 0


@dataclass(slots=True)
class CallerUsage:
    """What one caller has; sessions in the order of their use."""

    sessions: dict[str, SessionUsage] = field(default_factory=dict)
    opening: int = 0


class TooManySessionsError(Exception):
    """Every session of a caller is in use, and it may have no more."""


class CallerLimits:
    """Passes requests on to the SDK, and keeps each caller within bounds by what requests and answers show."""

    def __init__(self, app: ASGIApp, rejections: Rejections) -> None:
        self._app = app
        self._rejections = rejections
        self._taken: dict[CallerKey, CallerUsage] = {}
        self._requests: Counter[CallerKey] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 429 or 503 when its caller has too much under way."""
        with self._request(caller_key(scope)) as allowed:
            if not allowed:
                self._rejections.count("too_many_requests")
                words = f"More than {REQUESTS_EACH} requests at once. Ask again once some are answered."
                await _refusal(words, 429, INVALID_REQUEST)(scope, receive, send)
                return
            try:
                await self._pass_on(scope, receive, send)
            except TooManySessionsError:
                self._rejections.count("too_many_sessions")
                words = f"All {SESSIONS_EACH} sessions of this caller are in use. End some of them."
                await _refusal(words, 503, INTERNAL_ERROR)(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if SESSION in headers:
            await self._use(headers[SESSION], scope, receive, send)
        elif headers.get(VERSION) in {None, *HANDSHAKE_PROTOCOL_VERSIONS}:
            await self._open(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    @contextmanager
    def _request(self, principal: CallerKey) -> Iterator[bool]:
        """Count a request as long as the block runs; yields whether the caller may have one more."""
        self._requests[principal] += 1
        try:
            yield self._requests[principal] <= REQUESTS_EACH
        finally:
            self._requests -= Counter([principal])

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request that may open a session. Raises `TooManySessionsError`."""
        principal = caller_key(scope)
        taken = self._taken.setdefault(principal, CallerUsage())
        await self._make_room(taken, scope)
        taken.opening += 1

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                ident = Headers(raw=message.get("headers", [])).get(SESSION)
                if ident is not None:
                    taken.sessions[ident] = SessionUsage(anyio.current_time())
            await send(message)

        try:
            await self._app(scope, receive, opened)
        finally:
            taken.opening -= 1
            self._forget_empty(principal)

    async def _use(self, ident: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request of a session."""
        principal = caller_key(scope)
        taken = self._taken.get(principal, CallerUsage())
        session = taken.sessions.pop(ident, None)
        if session is None:  # the SDK reports no session
            await self._app(scope, receive, send)
            return
        taken.sessions[ident] = session  # the last in the order of use
        session.busy += 1
        ended = False

        async def watched(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                ended = message["status"] == 404 or scope["method"] == "DELETE"  # noqa: PLR2004 - not found any more
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            session.busy -= 1
            session.used_at = anyio.current_time()
            if ended:
                taken.sessions.pop(ident, None)
                self._forget_empty(principal)

    async def _make_room(self, taken: CallerUsage, scope: Scope) -> None:
        over = anyio.current_time() - IDLE_SECONDS
        for ident in [
            ident for ident, session in taken.sessions.items() if not session.busy and session.used_at < over
        ]:
            del taken.sessions[ident]
        while len(taken.sessions) + taken.opening >= SESSIONS_EACH:
            idle = next((ident for ident, session in taken.sessions.items() if not session.busy), None)
            if idle is None:
                raise TooManySessionsError
            del taken.sessions[idle]
            await self._end(idle, scope)

    async def _end(self, ident: str, scope: Scope) -> None:
        """End a session as its client would."""
        headers = [(name, value) for name, value in scope["headers"] if name in KEPT]
        headers.append((SESSION.encode(), ident.encode()))

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def nowhere(_: Message) -> None:
            return

        await self._app({**scope, "method": "DELETE", "headers": headers}, nothing, nowhere)

    def _forget_empty(self, principal: CallerKey) -> None:
        taken = self._taken.get(principal)
        if taken is not None and not taken.sessions and not taken.opening:
            del self._taken[principal]


def _refusal(words: str, status: int, code: int) -> Response:
    """Return a refusal as the SDK has its own."""
    error_body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": words}}
    return JSONResponse(error_body, status_code=status, headers={"Retry-After": "5"})
