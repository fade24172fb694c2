"""Receivers of logs on this machine: syslog on every kind of socket, and a webhook."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class LogReceiver:
    """What was received so far, by messages or requests; `refusals` are how many are refused first."""

    address: str
    messages: list[bytes] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refusals: int = 0
    seen: int = 0

    def has_refused(self) -> bool:
        """Count one more, and return whether it is to be refused."""
        self.seen += 1
        return self.seen <= self.refusals


def unframed(stream: bytes) -> list[bytes]:
    """Return the messages of a stream with octet counts (RFC 6587, 3.4.1)."""
    messages = []
    while stream:
        count, _, rest = stream.partition(b" ")
        messages.append(rest[: int(count)])
        stream = rest[int(count) :]
    return messages


@contextmanager
def datagram_receiver(path: Path | None = None) -> Iterator[LogReceiver]:
    """Receive datagrams, on UDP or at a path."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    receiver = LogReceiver(str(path) if path else f"127.0.0.1:{listener.getsockname()[1]}")

    def receive() -> None:
        with suppress(OSError):
            while message := listener.recv(1 << 20):
                receiver.messages.append(message)

    yield from _running(receiver, listener, receive)


@contextmanager
def stream_receiver(path: Path | None = None, context: ssl.SSLContext | None = None) -> Iterator[LogReceiver]:
    """Receive streams, on TCP, TLS or at a path; a refused one is reset."""
    listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen()
    receiver = LogReceiver(str(path) if path else f"127.0.0.1:{listener.getsockname()[1]}")

    def receive() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError):
                    _take(receiver, context.wrap_socket(connection, server_side=True) if context else connection)

    yield from _running(receiver, listener, receive)


def _take(receiver: LogReceiver, connection: socket.socket) -> None:
    with connection:
        if receiver.has_refused():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.recv(1)
            return
        stream = b""
        while part := connection.recv(65_536):
            stream += part
        receiver.messages += unframed(stream)


def _running(receiver: LogReceiver, listener: socket.socket, receive: object) -> Iterator[LogReceiver]:
    assert callable(receive)
    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def webhook_receiver() -> Iterator[LogReceiver]:
    """Take POSTs; a refused one is answered 503."""

    class WebhookHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = receiver.has_refused()
            if not refused:
                receiver.requests.append((dict(self.headers), body))
            self.send_response(503 if refused else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), WebhookHandler) as server:
        receiver = LogReceiver(f"http://127.0.0.1:{server.server_port}/hook")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            server.shutdown()
