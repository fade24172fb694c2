"""What a connection may cost before anyone knows who calls: uvicorn's HTTP protocol, with bounds.

uvicorn's own bounds are of another kind. Its fast parser has none for a head, its slow one none for time, and
`limit_concurrency` refuses everyone once someone holds that many connections (docs/decisions/0014).
"""

import asyncio
import resource
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from vpsops.core.common import timings
from vpsops.core.server.rejections import Rejections

HEAD_BYTES: Final = 32_768
"""A bearer token may have half of it."""

HEADERS: Final = 100
HEAD_SECONDS: Final = timings.HEAD_SECONDS
BODY_SECONDS: Final = timings.BODY_SECONDS
CONNECTIONS: Final = 1_000
RESERVED_FILES: Final = 256
"""For the database, the provider, Slack and the log: what accepts more than it may open resets everyone."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may take; the times run from the first moment to the last byte."""

    connections: int = field(default_factory=lambda: connections_for(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    head_bytes: int = HEAD_BYTES
    headers: int = HEADERS
    head_seconds: float = HEAD_SECONDS
    body_seconds: float = BODY_SECONDS


def connections_for(files: int) -> int:
    """Return how many connections a process that may open so many files takes at once."""
    return max(min(CONNECTIONS, files - RESERVED_FILES), 1) if files > 0 else CONNECTIONS


@dataclass(slots=True)
class ConnectionAdmission:
    """The connections of one server: those that have not sent a whole request give way to new ones, oldest first."""

    bounds: Bounds
    rejections: Rejections
    incomplete: dict["BoundedProtocol", None] = field(default_factory=dict)

    def make_room(self, taken: int) -> bool:
        """Return whether one more has room; the oldest of those that only wait is closed for it."""
        if taken < self.bounds.connections:
            return True
        for oldest in self.incomplete:
            self.rejections.count("closed_for_others")
            oldest.give_up()
            return True
        return False


class BoundedConfig(uvicorn.Config):
    """uvicorn's configuration with an admission, which its protocol uses."""

    def __init__(self, app: Any, admission: ConnectionAdmission, **settings: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **settings)
        self.admission = admission


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Its request must arrive in time and within bounds; a late client gets 408 and is closed."""

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._admission = config.admission
        self._bounds = config.admission.bounds
        self._timer: asyncio.TimerHandle | None = None
        self._head_open = False
        self._head_bytes = 0
        self._body_open = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away where there is no room."""
        has_room = self._admission.make_room(len(self.connections))
        super().connection_made(transport)
        if has_room:
            self._await_request(self._bounds.head_seconds)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no_room")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._request_is_whole()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, as long as it stays within bounds."""
        if self._refused:
            return
        was_open, had_body = self._head_open, self._body_open
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_open:
            self._head_bytes += len(data) if was_open else 0  # the first piece may have begun with another request
            if self._head_bytes > self._bounds.head_bytes:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large")
            elif self._timer is None:
                self._await_request(self._bounds.head_seconds)
        elif self._body_open and not had_body:
            self._await_request(self._bounds.body_seconds)
        elif not self._body_open:
            self._request_is_whole()

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        self._head_open, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Begin a request, unless its head is too large: a piece may hold more than the bound."""
        self._head_open, self._body_open = False, True
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if len(self.headers) > self._bounds.headers or size > self._bounds.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large")
        elif not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body."""
        self._body_open = False
        if not self._refused:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer; a connection that waits for its next request may be closed for another."""
        super().on_response_complete()
        if not self._body_open and not self.pipeline and not self.transport.is_closing():
            self._admission.incomplete[self] = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        if not self._refused:
            self._refuse(HTTPStatus.BAD_REQUEST, "malformed", msg)

    def give_up(self) -> None:
        """Close a connection without a complete request, for one that may have more to say."""
        self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "")

    def _await_request(self, seconds: float) -> None:
        self._request_is_whole()
        self._admission.incomplete[self] = None
        self._timer = self.loop.call_later(seconds, self._is_late)

    def _request_is_whole(self) -> None:
        self._admission.incomplete.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_late(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "late")

    def _refuse(self, status: HTTPStatus, reason: str, words: str = "") -> None:
        """Answer what has no answer yet, and close; the application reads that its client has gone."""
        if reason:
            self._admission.rejections.count(reason)
        asked = self._head_open or self._body_open or reason not in {"", "late"}
        self._refused = True
        self._request_is_whole()
        cycle: RequestResponseCycle | None = self.cycle
        answering = cycle if cycle and not cycle.response_complete else None
        if asked and not self.pipeline and not (answering and answering.response_started):
            self.transport.write(_answer(status, words or status.phrase, self.server_state.default_headers))
        self.transport.close()
        if answering:
            answering.disconnected = True
            answering.message_event.set()


def _answer(status: HTTPStatus, words: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = words.encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}".encode(),
        *(name + b": " + value for name, value in headers),
        b"content-type: text/plain; charset=utf-8",
        b"content-length: %d" % len(body),
        b"connection: close",
    ]
    return b"\r\n".join((*lines, b"", body))
