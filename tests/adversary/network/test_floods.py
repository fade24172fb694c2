"""Floods before authentication: heads without end, requests without end, and more connections than there is room for.

Each attack runs while another caller is served; how fast that is, is measured by `python -m tests.bench front`.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from vpsops.core.server.connection_limits import CONNECTIONS, RESERVED_FILES, Bounds, connections_for
from vpsops.core.server.http_server import listen, serve

BOUND: Final = PATIENCE_SECONDS
SMALL: Final = Bounds(connections=20, head_bytes=8_192, headers=50, head_seconds=1.0, body_seconds=1.0)
PATIENT: Final = Bounds(connections=20, head_bytes=8_192, headers=50, head_seconds=BOUND, body_seconds=BOUND)


@dataclass(frozen=True, slots=True)
class FloodServed:
    """A server's port, and the requests that reached its application."""

    port: int
    seen: list[str]

    async def is_served(self) -> bool:
        """Ask as an ordinary caller does."""
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=BOUND) as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/")).status_code == 200

    async def open(self, stack: AsyncExitStack, sent: bytes = b"") -> SocketStream:
        """Open a connection, and send the beginning of something."""
        stream = await stack.enter_async_context(await anyio.connect_tcp("127.0.0.1", self.port))
        if sent:
            await stream.send(sent)
        return stream


@asynccontextmanager
async def served(bounds: Bounds) -> AsyncIterator[FloodServed]:
    seen: list[str] = []

    async def answer(request: Request) -> Response:
        body = await request.body() if request.method == "POST" else b""
        seen.append(f"{request.method} {len(body)}")
        return JSONResponse({"ok": True})

    sock = listen("127.0.0.1", 0)
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(serve, Starlette(routes=[Route("/", answer, methods=["GET", "POST"])]), sock, stop, bounds)
        yield FloodServed(sock.getsockname()[1], seen)
        stop.set()


async def rest_of(stream: SocketStream) -> bytes:
    """Return all that is still answered, until the connection is closed."""
    received = b""
    with anyio.fail_after(BOUND):
        while True:
            try:
                received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return received


@contextmanager
def log_of(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO):
        yield
    assert "Traceback" not in caplog.text
    assert "exc_info" not in caplog.text


HOST: Final = b"Host: 127.0.0.1\r\n"


@pytest.mark.requirement("front-door-bounds")
@pytest.mark.parametrize(
    "begin",
    [b"GET / HTTP/1.1\r\n" + HOST + b"X: ", b"GET /", b"GET / HTTP/1.1\r\n" + HOST, b"POST / HTTP/1.1\r\nX"],
    ids=["one value", "the path", "many headers", "one name"],
)
async def test_a_head_without_end_is_cut_off(begin: bytes) -> None:
    """Little of it is read, whatever it consists of; meanwhile and afterwards others are served."""
    piece = b"X-Many: 1\r\n" * 400 if begin.endswith(HOST) else b"a" * 4_096
    sent = 0
    async with served(PATIENT) as server, AsyncExitStack() as stack:
        stream = await server.open(stack, begin)
        with anyio.fail_after(BOUND):
            try:
                while sent < 50_000_000:
                    await stream.send(piece)
                    sent += len(piece)
                    assert sent > SMALL.head_bytes * 4 or await server.is_served()
            except anyio.BrokenResourceError:
                pass
        assert await server.is_served()
    assert sent < 20_000_000  # what the machine's own buffers take in
    assert set(server.seen) == {"GET 0"}


@pytest.mark.requirement("front-door-bounds")
@pytest.mark.parametrize(
    ("count", "value", "status"),
    [(40, 100, 200), (49, 1, 200), (51, 1, 431), (1, 8_000, 200), (1, 8_300, 431), (40, 300, 431)],
)
async def test_a_head_has_a_size_and_a_number(count: int, value: int, status: int) -> None:
    """A head over the bound is refused, even in one piece; at the bound it is served."""
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"v" * value) for number in range(count))
    async with served(PATIENT) as server, AsyncExitStack() as stack:
        head = b"GET / HTTP/1.1\r\n" + HOST + lines
        stream = await server.open(stack, head[:10])
        await stream.send(head[10:] + b"\r\n")
        with anyio.fail_after(BOUND):
            text = await stream.receive()
        assert text.startswith(b"HTTP/1.1 %d " % status)
        assert (b"connection: close" in text) is (status == 431)


@pytest.mark.requirement("front-door-bounds")
@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\n" + HOST, b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nhalf", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", b"HTTP/1.1 408"),
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half its chunks"],
)
async def test_who_does_not_go_on_is_let_go(caplog: pytest.LogCaptureFixture, sent: bytes, answered: bytes) -> None:
    """A started request gets an answer; the application is not left waiting, and the log has no trace of it."""
    with log_of(caplog):
        async with served(SMALL) as server, AsyncExitStack() as stack:
            response = await rest_of(await server.open(stack, sent))
            assert response.startswith(answered)
            assert bool(response) is bool(answered)
            assert await server.is_served()
    assert "POST 4" not in server.seen
    assert "late" in caplog.text


@pytest.mark.requirement("front-door-bounds")
async def test_a_trickle_does_not_buy_time() -> None:
    """The time of a head is one from its first byte to its last, whatever comes in between."""
    async with served(SMALL) as server, AsyncExitStack() as stack:
        stream = await server.open(stack, b"GET / HTTP/1.1\r\n")

        async def trickle() -> None:
            while True:
                await stream.send(b"X: 1\r\n")
                await anyio.sleep(0.1)

        async with anyio.create_task_group() as group:
            group.start_soon(trickle)
            assert (await rest_of(stream)).startswith(b"HTTP/1.1 408")
            group.cancel_scope.cancel()


@pytest.mark.requirement("front-door-bounds")
@pytest.mark.parametrize(
    "half", [b"", b"GET / HTTP/1.1\r\nHost: x", b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nhalf"]
)
async def test_half_sent_requests_give_way_to_whole_ones(caplog: pytest.LogCaptureFixture, half: bytes) -> None:
    """With three times as many as there is room for, an ordinary caller is served each time; the oldest are closed."""
    with log_of(caplog):
        async with served(PATIENT) as server, AsyncExitStack() as stack:
            held = [await server.open(stack, half) for _ in range(PATIENT.connections)]
            for _ in range(PATIENT.connections * 2):
                held.append(await server.open(stack, half))
                assert await server.is_served()
            assert b"200" not in await rest_of(held[0])
    assert "closed_for_others" in caplog.text
    assert len([record for record in caplog.records if "requests_rejected" in record.getMessage()]) < 5


@pytest.mark.requirement("front-door-bounds")
async def test_what_is_being_answered_is_not_closed_for_others() -> None:
    """When every connection waits for its answer a further one is refused as such, and all the others get theirs."""
    go, working = anyio.Event(), 0

    async def answer(_: Request) -> Response:
        nonlocal working
        working += 1
        await go.wait()
        return JSONResponse({"ok": True})

    sock, stop = listen("127.0.0.1", 0), anyio.Event()
    bounds = Bounds(connections=3)
    async with anyio.create_task_group() as group, AsyncExitStack() as stack:
        group.start_soon(serve, Starlette(routes=[Route("/", answer)]), sock, stop, bounds)
        server = FloodServed(sock.getsockname()[1], [])
        ask = b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
        asked = [await server.open(stack, ask) for _ in range(3)]
        with anyio.fail_after(BOUND):
            while working < len(asked):
                await anyio.lowlevel.checkpoint()
        assert (await rest_of(await server.open(stack))).startswith(b"HTTP/1.1 503")
        go.set()
        assert [(await rest_of(item)).split()[1] for item in asked] == [b"200"] * 3
        stop.set()


@pytest.mark.requirement("front-door-bounds")
async def test_a_connection_between_two_requests_gives_way() -> None:
    """An answered connection that waits for its next request blocks no other."""
    async with served(PATIENT) as server, AsyncExitStack() as stack:
        for _ in range(PATIENT.connections):
            kept = await server.open(stack, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert (await kept.receive()).startswith(b"HTTP/1.1 200")
        assert await server.is_served()


async def test_several_requests_on_one_connection_are_each_within_their_own_bounds() -> None:
    """A long body does not count as the head of the next request, and answers come in order."""
    post = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 30000\r\n\r\n" + b"b" * 30_000
    async with served(PATIENT) as server, AsyncExitStack() as stack:
        stream = await server.open(stack)
        for _ in range(3):
            await stream.send(post + b"GET / HTTP/1.1\r\n")
            await stream.send(HOST + b"\r\n")
        with anyio.fail_after(BOUND):
            while len(server.seen) < 6:
                await stream.receive()
    assert server.seen == ["POST 30000", "GET 0"] * 3


async def test_a_client_that_leaves_before_its_request_is_whole_leaves_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is no fault of the application, as the client would not read its answer."""
    with log_of(caplog):
        async with served(PATIENT) as server:
            async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
                await stream.send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nhalf")
                assert await server.is_served()
            assert await server.is_served()


async def test_what_is_not_http_is_counted_and_not_told_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand of them are a line or two."""
    with log_of(caplog):
        async with served(PATIENT) as server:
            for number in range(200):
                async with AsyncExitStack() as stack:
                    bad = b"\x16\x03\x01\r\n\r\n" if number % 2 else b"GET / HTTP/1.1\r\nUpgrade: x\r\n bad\r\n\r\n"
                    assert (await rest_of(await server.open(stack, bad))).startswith(b"HTTP/1.1 400")
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 3


@pytest.mark.parametrize(
    ("files", "connections"),
    [(1_024, 768), (65_536, CONNECTIONS), (RESERVED_FILES + CONNECTIONS, CONNECTIONS), (100, 1), (-1, CONNECTIONS)],
)
def test_there_are_fewer_connections_than_files(files: int, connections: int) -> None:
    """A server that accepts more than it may open resets all of them; -1 stands for no limit."""
    assert connections_for(files) == connections
