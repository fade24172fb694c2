"""The instant at which a request leaves: its connection is open, its sender agrees, and no byte was written.

httpcore reports each of its steps through the documented `trace` extension, and waits for the traced function.
So a write connects first (name, TCP, a proxy's CONNECT, TLS), stops before its first byte while its sender stores
the intention, and continues only if the connection is still open and the sender still agrees.
"""

import math
import select
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import anyio

HEADERS: Final = "http11.send_request_headers.started"
CONNECTED: Final = "connect_tcp.complete"
PEER_CLOSED: Final = getattr(select, "POLLRDHUP", 0)
"""Linux reports the other side's end of a connection even behind unread bytes."""
BROKEN: Final = PEER_CLOSED | select.POLLHUP | select.POLLERR | select.POLLNVAL


class SendHook(Protocol):
    """A sender's part in the departure of a write; what it raises propagates unchanged, and nothing is sent."""

    async def connected(self) -> None:
        """Store the intention: a connection is open. Called again where another one has to be opened."""

    def before_send(self) -> None:
        """Agree or raise, at the last instant before the first byte."""


class ConnectionClosedError(Exception):
    """The open connection ended before anything was written on it."""


class Stream(Protocol):
    """The part of httpcore's network stream that is used here."""

    def get_extra_info(self, info: str, /) -> Any:
        """Return a property of the connection by its name."""


def usable(stream: Stream, *, encrypted: bool) -> bool:
    """Return whether a connection on which nothing was sent yet is still open.

    Bytes that wait on a plain one answer something else, so it is not used. TLS may send session tickets unasked.
    """
    poll = select.poll()
    poll.register(stream.get_extra_info("socket").fileno(), select.POLLIN | PEER_CLOSED)
    events = poll.poll(0)
    seen = events[0][1] if events else 0
    return not seen & BROKEN and (encrypted or not seen & select.POLLIN)


@dataclass(slots=True)
class RequestDeparture:
    """One request's departure, over every hop: whether it left, what prevented it, and until when an answer counts."""

    departure: SendHook | None = None
    answer_seconds: float = math.inf  # from the first byte of a write to the end of its answer
    encrypted: bool = False
    left: bool = False
    refusal: BaseException | None = None
    deadline: float = math.inf
    scope: anyio.CancelScope | None = None
    _stream: Stream | None = None
    _answer_by: float = math.inf

    def begin_hop(self, scope: anyio.CancelScope) -> None:
        """Start over for another hop; an earlier one was answered, with a redirect."""
        self.left, self.scope, self._stream = False, scope, None
        self.deadline = scope.deadline = min(scope.deadline, self._answer_by)

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Receive each step inside the connection pool; a proxy's CONNECT is not our request yet."""
        if event.endswith(CONNECTED):
            self._stream = info["return_value"]
        elif event == HEADERS and info["request"].method != b"CONNECT":
            await self.cross()

    async def cross(self) -> None:
        """Let the request leave, or raise; the time that the sender takes to agree is not the answer's."""
        if self.departure is not None:
            try:
                await self._agree(self.departure)
            except ConnectionClosedError:
                raise
            except BaseException as error:
                self.refusal = error
                raise
        if self.answer_seconds < math.inf:
            self._answer_by = min(self._answer_by, anyio.current_time() + self.answer_seconds)
            self.deadline = self._answer_by
            if self.scope is not None:
                self.scope.deadline = self.deadline
        self.left = True

    async def _agree(self, departure: SendHook) -> None:
        if self.scope is not None:
            self.scope.deadline = math.inf  # the sender's own limits hold while it stores its intention
        await departure.connected()
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._stream is not None and not usable(self._stream, encrypted=self.encrypted):
            raise ConnectionClosedError
        departure.before_send()
