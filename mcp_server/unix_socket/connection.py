"""One connection as lines of JSON, within bounds: its caller's bytes, requests, and the time a write may take.

A request to the client carries an id that this connection alone uses, so that an answer to a question of an earlier
connection, which a pipe may deliver late, answers no other question.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from vpsops.core.common.timings import SOCKET_WRITE_SECONDS
from vpsops.mcp_server.protocol import frames
from vpsops.mcp_server.protocol.frames import Frame
from vpsops.mcp_server.protocol.pending_requests import CANCELLED, PendingRequests
from vpsops.mcp_server.protocol.shutdown import LISTEN
from vpsops.mcp_server.unix_socket.stream import LocalStream

CHUNK: Final = 65_536
LONGEST_LINE: Final = 1_000_000
HEAD: Final = 65_536  # of a longer line, enough to find its id in
CONNECTIONS: Final = 256
CONNECTIONS_EACH: Final = 64
REQUESTS_EACH: Final = 200
REQUESTS_AT_ONCE: Final = 64  # on one connection
LONGEST_NUMBER: Final = 18  # digits of a question's id; Python reads no number of more than 4,300
BYTES_EACH: Final = 8_000_000  # of lines that have not ended
TOO_MANY_REQUESTS: Final = f"More than {REQUESTS_AT_ONCE} requests at once. Ask again once some are answered."
TOO_MANY_CONNECTIONS: Final = f"This user has {CONNECTIONS_EACH} connections, or all users {CONNECTIONS}. Close some."


class UnreadableClientError(OSError):
    """The client has gone, or reads nothing."""


@dataclass(slots=True, eq=False)
class SocketUserUsage:
    """What one user has open."""

    connections: list["SocketConnection"] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many requests of all its connections wait for an answer."""
        return sum(connection.unanswered.count for connection in self.connections)

    @property
    def buffered(self) -> int:
        """How many bytes of lines that have not ended are kept for it."""
        return sum(connection.buffered for connection in self.connections)


class ConnectionLimits:
    """The connections of all users, within bounds for each and for all together."""

    def __init__(self) -> None:
        self._usage: dict[int, SocketUserUsage] = {}

    @contextmanager
    def admit(self, uid: int, stream: LocalStream) -> Iterator["SocketConnection | None"]:
        """Yield a connection of a user for as long as the block runs, or None for one too many."""
        total = sum(len(usage.connections) for usage in self._usage.values())
        usage = self._usage.setdefault(uid, SocketUserUsage())
        if total >= CONNECTIONS or len(usage.connections) >= CONNECTIONS_EACH:
            yield None
            return
        connection = SocketConnection(stream, usage)
        usage.connections.append(connection)
        try:
            yield connection
        finally:
            usage.connections.remove(connection)
            if not usage.connections:
                self._usage.pop(uid, None)


class SocketConnection:
    """Reads frames of a stream, and writes lines to it."""

    def __init__(self, stream: LocalStream, usage: SocketUserUsage) -> None:
        self.unanswered = PendingRequests()
        self.stopping = False
        self._stream = stream
        self._usage = usage
        self._buffer = bytearray()
        self._ended = False
        self._prefix = f"{secrets.token_hex(4)}-"
        self._streams: set[int | str] = set()

    @property
    def buffered(self) -> int:
        """How many bytes are kept of a line that has not ended."""
        return len(self._buffer)

    def cut(self) -> None:
        """End the connection: what came and was not begun is dropped."""
        self._buffer.clear()
        self._stream.cut()

    async def next_frame(self) -> Frame | None:
        """Return the next line as a frame, or None at the end."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > LONGEST_LINE or self._usage.buffered > BYTES_EACH:
                return await self._refuse_long()
            if not await self._has_read_more():
                line, self._buffer = bytes(self._buffer), bytearray()
                return self._admit(frames.read_frame(line.decode("utf-8", "replace"))) if line else None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if end > LONGEST_LINE:
            return frames.refuse_long_line(line[:HEAD].decode("utf-8", "replace"), LONGEST_LINE)
        return self._admit(frames.read_frame(line.decode("utf-8", "replace")))

    async def write(self, text: str) -> None:
        """Write a message. Raises `UnreadableClientError` where the client has gone or reads nothing."""
        message = json.loads(text)
        if self.stopping and message.get("id") in self._streams and "method" not in message:
            return  # the next service continues a stream that ends with this one
        if "method" in message:
            text = self._with_own_ids(message)
        try:
            with anyio.fail_after(SOCKET_WRITE_SECONDS):
                await self._stream.send(text.encode())
        except OSError:  # a time-out too
            raise UnreadableClientError("the client reads nothing") from None

    async def flush(self) -> None:
        """Do nothing: what is written has left."""

    async def _has_read_more(self) -> bool:
        """Read on; return False at the end."""
        if not self._ended:
            data = await self._stream.receive(CHUNK)
            self._buffer += data
            self._ended = not data
        return not self._ended

    async def _refuse_long(self) -> Frame:
        """Drop a line that is too long, and return the answer to it."""
        head = bytes(self._buffer[:HEAD])
        self._buffer.clear()
        while await self._has_read_more():
            end = self._buffer.find(b"\n")
            if end >= 0:
                del self._buffer[: end + 1]
                break
            self._buffer.clear()
        return frames.refuse_long_line(head.decode("utf-8", "replace"), LONGEST_LINE)

    def _admit(self, frame: Frame) -> Frame:
        """Return a frame as the SDK may have it: within bounds, and an answer under the SDK's own id."""
        if not frame.line:
            return frame
        message = frame.message
        if "method" not in message:
            return self._answer(message)
        if message["method"] == LISTEN:
            self._streams.add(message.get("id", ""))
        elif "id" in message and (self.unanswered.count >= REQUESTS_AT_ONCE or self._usage.requests >= REQUESTS_EACH):
            return frames.refuse_request(frame, TOO_MANY_REQUESTS)
        return frame

    def _answer(self, message: dict[str, Any]) -> Frame:
        """Return an answer of the client under the SDK's id; one to another connection's question is dropped."""
        ident = str(message.get("id", ""))
        number = ident.removeprefix(self._prefix)
        if number == ident or not number.isdecimal() or len(number) > LONGEST_NUMBER:
            return Frame("")
        own = {**message, "id": int(number)}
        return Frame(json.dumps(own, ensure_ascii=False), own)

    def _with_own_ids(self, message: dict[str, Any]) -> str:
        if message.get("id") is not None:
            message["id"] = f"{self._prefix}{message['id']}"
        elif message["method"] == CANCELLED:
            message["params"]["requestId"] = f"{self._prefix}{message['params']['requestId']}"
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n"
