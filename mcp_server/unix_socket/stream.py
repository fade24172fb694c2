"""A connected Unix socket on the event loop.

anyio's own stream ends with an error in the log where it is cancelled in the instant in which it becomes readable
(its reader sets the result of a future that is cancelled), so this waits for the socket itself.
"""

import socket
from contextlib import suppress

import anyio


class LocalStream:
    """Reads and writes bytes; what is written has left when `send` returns."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._is_cut = False

    async def receive(self, most: int) -> bytes:
        """Return what is there, `most` bytes at most; nothing at the end, and where the other side has gone."""
        while not self._is_cut:
            try:
                return self.sock.recv(most)
            except BlockingIOError:
                await anyio.wait_readable(self.sock)
            except OSError:
                return b""
        return b""

    async def send(self, data: bytes) -> None:
        """Write everything. Raises `OSError` where the other side has gone."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await anyio.wait_writable(self.sock)

    def send_eof(self) -> None:
        """Say that no more is sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End the connection in both directions: nothing more is read or written, and its owner closes it."""
        self._is_cut = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, and end what waits for it."""
        with suppress(OSError, ValueError):
            anyio.notify_closing(self.sock)
        self.sock.close()
