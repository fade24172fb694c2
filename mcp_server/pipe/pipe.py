"""The loop between a client's standard streams and the service's socket, over restarts of the service.

A request is sent once. What was in flight when a connection ended is answered with an error; what came meanwhile waits
for the next one, for a while. Nothing is read that could not be passed on, so little is kept.
"""

from __future__ import annotations

import os
import select
import time

from vpsops.mcp_server.pipe import session as lines_of
from vpsops.mcp_server.pipe.address import connect
from vpsops.mcp_server.pipe.lines import BEGIN, END, HOLD, LINE, LineSplitter
from vpsops.mcp_server.pipe.session import PipeSession, error_line, is_id, long_id, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping, Sequence

CHUNK = 65_536
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0
GIVE_UP_SECONDS = 20.0  # hosts give up on a call after sixty
RESUME_SECONDS = 10.0
TAIL = 512


class ServicePipe:
    """Both directions of one client, and its connection, if any."""

    def __init__(self, path: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._session = PipeSession(words)
        self._sock: _socket.socket | None = None
        self._input = LineSplitter()
        self._output = LineSplitter()
        self._passing = True  # whether the long line of the service under way is the client's
        self._leaving = bytearray()
        self._queue: list[bytes] = []
        self._head = b""  # of a long line of the client
        self._tail = b""
        self._torn = False  # whether a part of that line did not leave
        self._ended = False
        self._shut = False
        self._pause = FIRST_PAUSE_SECONDS
        self._next = self._down = time.monotonic()
        self._resumed_at = 0.0

    def run(self) -> None:
        """Pass lines on until the client has left and has its answers. Raises `UntrustedSocketError`, `OSError`."""
        while True:
            if self._sock is None:
                if self._is_done():
                    return
                self._reconnect()
            if self._sock is not None and self._is_late():
                self._lose(self._sock)
                continue
            ready = self._wait()
            if 0 in ready:
                self._read_client()
            sock = self._sock
            if sock is not None and sock.fileno() in ready:
                self._use_socket(sock, ready[sock.fileno()])

    def _wait(self) -> dict[int, int]:
        """Return what can be read and written, by descriptor, once there is anything, or something is due."""
        poll = select.poll()
        if not self._ended and len(self._leaving) < HOLD and sum(map(len, self._queue)) < HOLD:
            poll.register(0, select.POLLIN)
        if self._sock is not None:
            poll.register(self._sock.fileno(), select.POLLIN | (select.POLLOUT if self._leaving else 0))
        return dict(poll.poll(self._patience()))

    def _use_socket(self, sock: _socket.socket, events: int) -> None:
        """Write and read what the socket takes and has."""
        if events & select.POLLOUT:
            self._write_service(sock)
        if self._sock is sock and events & ~select.POLLOUT:
            self._read_service(sock)

    def _patience(self) -> float | None:
        """Return the milliseconds until something is due, or None."""
        now = time.monotonic()
        if self._sock is None:
            return max(0.0, self._next - now) * 1000 + 1
        return max(0.0, self._resumed_at + RESUME_SECONDS - now) * 1000 + 1 if self._session.is_resuming else None

    def _reconnect(self) -> None:
        """Try to connect when it is time to; what has waited for too long is answered."""
        now = time.monotonic()
        if now >= self._next:
            try:
                self._sock = sock = connect(self._path, self._environ)
            except OSError:
                self._next = now + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            else:
                self._begin(sock)
        if self._sock is None and now - self._down > GIVE_UP_SECONDS:
            for line in self._session.give_up():
                write_all(line)
            queue, self._queue = self._queue, []
            for line in queue:
                self._refuse(line)

    def _is_late(self) -> bool:
        """Return whether the service does not answer the handshake that was said again."""
        return self._session.is_resuming and time.monotonic() > self._resumed_at + RESUME_SECONDS

    def _is_done(self) -> bool:
        return self._ended and not self._queue

    def _begin(self, sock: _socket.socket) -> None:
        """Introduce the client on a new connection."""
        self._output = LineSplitter()
        self._leaving = bytearray(b"".join(self._session.introduce()))
        self._shut = False
        self._resumed_at = time.monotonic()
        if not self._session.is_resuming:
            self._go_on()
        self._write_service(sock)

    def _go_on(self) -> None:
        """Send what follows the handshake, and what has waited."""
        for line in self._session.renew() if self._session.has_resumed else ():
            write_all(line)
        self._leaving += b"".join(self._session.resume())
        queue, self._queue = self._queue, []
        for line in queue:
            self._send(line)

    def _lose(self, sock: _socket.socket) -> None:
        """Answer what was in flight, and connect once more in a moment."""
        sock.close()
        self._sock = None
        if self._output.is_within and self._passing:
            write_all(b"\n")  # the client drops the half of a line, and has an error for its request
        self._leaving.clear()
        self._torn = self._input.is_within
        for line in self._session.close() if self._is_done() else self._session.lose():
            write_all(line)
        self._down = time.monotonic()
        self._next = self._down + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _read_client(self) -> None:
        data = os.read(0, CHUNK)
        for kind, piece in self._input.feed(data):
            if kind == LINE:
                self._take(piece)
            else:
                self._take_long(kind, piece)
        if not data:
            self._ended = True
            rest = self._input.rest()
            if rest:
                self._take(rest + b"\n")
            self._finish()

    def _take(self, line: bytes) -> None:
        """Send a whole line, or keep it until there is a connection."""
        if self._sock is not None and not self._session.is_resuming:
            self._send(line)
        else:
            self._queue.append(line)
            if time.monotonic() - self._down > GIVE_UP_SECONDS:
                self._next = 0.0  # the service may be back by now: one try, and an answer

    def _take_long(self, kind: str, piece: bytes) -> None:
        """Send a long line piece by piece; one that cannot leave whole is answered at its end."""
        if kind == BEGIN:
            self._head, self._tail = piece, b""
            self._torn = self._sock is None or self._session.is_resuming
        self._tail = (self._tail + piece)[-TAIL:]
        if not self._torn:
            self._leaving += piece
        if kind == END:
            ident = long_id(self._head, self._tail)
            self._head = b""
            if not self._torn:
                self._session.send_long(ident)
            elif is_id(ident):
                write_all(error_line(ident, lines_of.NOT_SENT))  # half a line is no request

    def _send(self, line: bytes) -> None:
        self._session.send(line)
        self._leaving += line

    def _refuse(self, line: bytes) -> None:
        message = read(line)
        if "method" in message and "id" in message:
            write_all(error_line(message["id"], lines_of.NOT_SENT))

    def _write_service(self, sock: _socket.socket) -> None:
        try:
            while self._leaving:
                del self._leaving[: sock.send(self._leaving)]
        except BlockingIOError:
            return
        except OSError:
            self._lose(sock)
            return
        self._finish()

    def _finish(self) -> None:
        """Tell the service that the client sends no more, once it has everything."""
        if self._ended and not self._shut and self._sock is not None and not (self._leaving or self._queue):
            self._shut = True
            try:
                self._sock.shutdown(1)  # SHUT_WR
            except OSError:  # it has gone: the next read says so
                return

    def _read_service(self, sock: _socket.socket) -> None:
        try:
            data = sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        resuming = self._session.is_resuming
        for kind, piece in self._output.feed(data):
            self._pass_on(kind, piece)
        if not data:
            self._lose(sock)
        elif resuming and not self._session.is_resuming:
            self._go_on()
            self._write_service(sock)

    def _pass_on(self, kind: str, piece: bytes) -> None:
        if kind in {LINE, BEGIN}:
            self._passing = bool(self._session.hear(piece))
            self._pause = FIRST_PAUSE_SECONDS
        if self._passing:
            write_all(piece)


def write_all(data: bytes) -> None:
    """Write to the client. Raises `BrokenPipeError` where it has gone."""
    while data:
        data = data[os.write(1, data) :]


def refuse_all(why: str) -> None:
    """Answer each request with the reason why it goes nowhere, until the client leaves."""
    splitter = LineSplitter()
    while data := os.read(0, CHUNK):
        for kind, piece in splitter.feed(data):
            message = read(piece) if kind == LINE else {}
            if "method" in message and "id" in message:
                write_all(error_line(message["id"], why))
