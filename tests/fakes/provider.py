"""A provider with preset answers: in process over ASGI, or over a real socket where bytes matter."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import httpx
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.stapled import MultiListener
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.timings import TransportSettings
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials

KEY: Final = "wayscloud_vps_abc1234567_0123456789abcdefSECRET"
SERVER_ID: Final = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
SERVER: Final = {"id": SERVER_ID, "hostname": "web01.example.com", "status": "running"}
BOUND: Final = PATIENCE_SECONDS
BASE: Final = "http://provider.test"  # in process; loading certificates for each client would only take time
# No waiting between attempts, and no wait that could outlast a test.
QUICK: Final = TransportSettings(
    connect_seconds=2,
    read_seconds=2,
    write_seconds=2,
    attempt_seconds=2,
    change_seconds=2,
    wait_initial=0,
    wait_jitter=0,
)


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer; `body` is sent as it is when bytes or text, as JSON otherwise."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class Provider:
    """A script of answers for each method and path; the last one repeats, and what is not scripted is 404."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self._script: dict[tuple[str, str], list[Reply]] = {}
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)])

    def on(self, method: str, path: str, *replies: Reply) -> "Provider":
        """Answer so from now on."""
        self._script[method, path] = list(replies)
        return self

    def paths(self) -> list[str]:
        """Return method and path of everything received, in order."""
        return [f"{request.method} {request.path}" for request in self.received]

    async def _answer(self, request: Request) -> Response:
        self.received.append(
            Received(
                request.method,
                request.url.path,
                dict(request.headers),
                await request.body(),
                dict(request.query_params),
            ),
        )
        replies = self._script.get((request.method, request.url.path), [Reply(404, {"detail": "Not Found"})])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        return Response(reply.content, reply.status, dict(reply.headers))

    def client(self, settings: TransportSettings = QUICK, clock: FakeClock | None = None) -> Wayscloud:
        """Return a client that talks to this provider in process."""
        return Wayscloud(
            ProviderConnection(
                Credentials(KEY),
                base_url=BASE,
                clock=clock or FakeClock(),
                settings=settings,
                http_transport=httpx.ASGITransport(self.app),
            )
        )


Handler = Callable[[SocketStream, Received], Awaitable[None]]


@dataclass(slots=True)
class ProviderWire:
    """A listening socket on this machine, and what came in on it."""

    port: int
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    closing: anyio.Event = field(default_factory=anyio.Event)

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, settings: TransportSettings = QUICK, clock: FakeClock | None = None) -> Wayscloud:
        """Return a client that talks to this socket."""
        return Wayscloud(
            ProviderConnection(Credentials(KEY), base_url=self.url, clock=clock or FakeClock(), settings=settings)
        )


@asynccontextmanager
async def wire(handler: Handler) -> AsyncIterator[ProviderWire]:
    """Listen on 127.0.0.1 and hand each request, and the raw stream to answer it on, to `handler`."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server = ProviderWire(_port(listener))

    async def serve(stream: SocketStream) -> None:
        server.connections += 1
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            async with stream:
                while True:
                    request = await _request(stream)
                    server.received.append(request)
                    await handler(stream, request)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield server
        server.closing.set()
        tasks.cancel_scope.cancel()


async def _request(stream: SocketStream) -> Received:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += await stream.receive()
    return Received(method, path, headers, body)


def raw(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """Return the bytes of an answer; `length` claims a false body size."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(*replies: bytes) -> Handler:
    """Return a handler that sends these in turn, then the last again; an empty one hangs up without a word."""
    queue = list(replies)

    async def handle(stream: SocketStream, _: Received) -> None:
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        if reply:
            await stream.send(reply)
        if not reply or b"Connection: close" in reply:
            await stream.aclose()

    return handle


async def silent(stream: SocketStream, _: Received) -> None:
    """Take the request and never answer; ends when the other side hangs up."""
    await stream.receive()


async def refused_port() -> int:
    """Return a port on which no server listens."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        return _port(listener)


def _port(listener: MultiListener[SocketStream]) -> int:
    port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - a socket, not a database
    return port
