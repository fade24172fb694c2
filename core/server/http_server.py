"""Serves an ASGI application on a socket until stopped, then finishes the requests in progress."""

import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import anyio
import anyio.lowlevel
import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.core.common import timings
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.text import whole_number
from vpsops.core.server.connection_limits import BoundedConfig, Bounds, ConnectionAdmission
from vpsops.core.server.rejections import Rejections

GRACE_SECONDS: Final = timings.GRACE_SECONDS
"""What a stop leaves to requests under way; after it their connections are closed."""

CUT_SECONDS: Final = timings.CUT_SECONDS
"""What has no answer by then is answered 503, with time left to send that."""

ANSWER_SECONDS: Final = timings.ANSWER_SECONDS
"""What can be answered in words of its own is answered by then."""

CLOSE_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 5
BACKLOG: Final = 2048
HIGHEST_PORT: Final = 65535
DEFAULT_ADDRESS: Final = "127.0.0.1:3000"
"""Where Slack's requests are taken unless --http names another address."""


class _UvicornServer(uvicorn.Server):
    """A server that leaves signal handling to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    def close(self) -> None:
        """Close what a cancelled server leaves open: listeners, connections and requests; nothing after a shutdown.

        A listener with a closed socket stays in the event loop, and the next socket of that number is not served.
        """
        for listener in getattr(self, "servers", ()):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def address_of(text: str, example: str, flag: str = "--http") -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 host in brackets; raises `ConfigurationError` showing the example."""
    host, _, port = text.rpartition(":")
    number = whole_number(port, 0, HIGHEST_PORT)
    if not host or number is None:
        raise ConfigurationError(f"{flag} {text} is not HOST:PORT.", hint=f"Write it like {example}.")
    return host.strip("[]"), number


def base_of(sock: socket.socket) -> str:
    """Return the address of a bound socket as the beginning of a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that has an address and does not listen yet; raises `OSError` where it cannot have it."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    # asyncio turns Nagle's delay off only where the socket names its protocol; else small answers take 40 ms
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def listen(host: str, port: int, flag: str = "--http") -> socket.socket:
    """Bind an address; raises `ConfigurationError` where that cannot be done."""
    try:
        sock = bind(host, port)
        sock.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.", hint=f"Choose another {flag} HOST:PORT."
        ) from None
    sock.setblocking(False)
    return sock


class Cutoff:
    """Answers, in an application's place, what is still under way shortly before its connections are closed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stopping = False
        self._requests: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        """Give every request `CUT_SECONDS` from now on."""
        self._stopping = True
        for request in self._requests:
            request.deadline = anyio.current_time() + CUT_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and end it well where the application does not; a client that left is no fault."""
        last: Message = {}
        whole = left = False

        async def watched(message: Message) -> None:
            nonlocal last
            last = message
            await send(message)

        async def received() -> Message:
            nonlocal whole, left
            message = await receive()
            if message["type"] == "http.disconnect" and not whole:
                left = True
                request.cancel()
                await anyio.lowlevel.checkpoint()
            whole = whole or not message.get("more_body")
            return message

        with anyio.CancelScope() as request:
            if self._stopping:
                request.deadline = anyio.current_time() + CUT_SECONDS
            self._requests.add(request)
            try:
                await self._app(scope, received, watched)
            finally:
                self._requests.discard(request)
        if request.cancelled_caught and not left:
            await _end(last, scope, receive, send)


async def _end(last: Message, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or end the answer that was begun, so that its client reads no broken answer."""
    if not last:
        body = {"error": "stopping", "error_description": "This process is stopping. Ask again in a moment."}
        answer = JSONResponse(body, status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
        await answer(scope, receive, send)
    elif last["type"] == "http.response.start" or last.get("more_body"):
        with anyio.move_on_after(CLOSE_SECONDS):  # a client that reads no more is not waited for
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def serve(app: ASGIApp, sock: socket.socket, stop: anyio.Event, bounds: Bounds | None = None) -> None:
    """Serve until `stop` is set; requests under way get five seconds, and an answer in any case."""
    cutoff = Cutoff(app)
    config = BoundedConfig(
        cutoff,
        ConnectionAdmission(bounds or Bounds(), Rejections("http")),
        ws="none",
        proxy_headers=False,  # a token identifies the caller, never a header
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what it warns of is counted as a rejection
    server = _UvicornServer(config)

    async def end() -> None:
        await stop.wait()
        cutoff.begin()
        server.should_exit = True

    with sock, closing(server):
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            await server.serve(sockets=[sock])
            group.cancel_scope.cancel()
