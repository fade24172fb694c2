"""A write connects, then its intention is stored, then it leaves on that connection, or another if that one ended."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream

from tests.fakes.clock import FakeClock
from tests.fakes.network.names import NAME, resolve_after
from tests.fakes.network.tls import certificate, server_context
from tests.fakes.provider import KEY, QUICK, SERVER_ID, answers, raw, silent, wire
from tests.harness.patience import PATIENCE_SECONDS, eventually
from vpsops.core.common.timings import TransportSettings
from vpsops.core.wayscloud.answers.errors import NotSentError
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import WORK, ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.send_hook import RequestDeparture

ANSWER: Final = raw("202 Accepted", json.dumps({"id": SERVER_ID, "status": "stopping"}).encode())
BOUND: Final = PATIENCE_SECONDS
PATIENT: Final = replace(
    QUICK, connect_seconds=BOUND, prepare_seconds=BOUND, read_seconds=BOUND, change_seconds=BOUND, attempt_seconds=BOUND
)
ORDER: Final = NewServer(hostname="new.example.com", plan="vps-2gb", region="oslo", os_template="debian-12")
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@dataclass(slots=True)
class ListeningDoor:
    """A server that a test can let hang up before it was asked for anything."""

    port: int = 0
    open: list[ByteStream] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    tunnels: list[str] = field(default_factory=list)

    def client(self, settings: TransportSettings = PATIENT, *, scheme: str = "http", host: str = NAME) -> Wayscloud:
        """Return a client of this server."""
        url = f"{scheme}://{host}:{self.port}"
        return Wayscloud(ProviderConnection(Credentials(KEY), base_url=url, clock=FakeClock(), settings=settings))

    async def hang_up(self) -> None:
        """Close every connection, for good: the loop closes a socket a moment after its stream."""
        while self.open:
            await self.open.pop().aclose()
        for _ in range(10):
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def door(context: ssl.SSLContext | None = None, *, greeting: bytes = b"") -> AsyncIterator[ListeningDoor]:
    """Serve on 127.0.0.1, over TLS with a context."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    made = ListeningDoor(listener.extra(SocketAttribute.local_port))  # noqa: S610 - a socket

    async def serve(bare: ByteStream) -> None:
        made.connections += 1
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError):
            async with _closing(bare), _closing(await _secured(bare, context)) as stream:
                await stream.send(greeting)
                made.open.append(stream)
                while True:
                    made.requests.append(await _head(stream))
                    await stream.send(ANSWER)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield made
        group.cancel_scope.cancel()


@asynccontextmanager
async def _closing(stream: ByteStream) -> AsyncIterator[ByteStream]:
    try:
        yield stream
    finally:
        await anyio.aclose_forcefully(stream)


async def _secured(stream: ByteStream, context: ssl.SSLContext | None) -> ByteStream:
    if context is None:
        return stream
    return await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)


@asynccontextmanager
async def proxy(target: ListeningDoor) -> AsyncIterator[ListeningDoor]:
    """Serve as a proxy that tunnels every CONNECT to one server."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    made = ListeningDoor(listener.extra(SocketAttribute.local_port))  # noqa: S610 - a socket

    async def carry(source: ByteStream, sink: ByteStream) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            while True:
                await sink.send(await source.receive())
        await sink.aclose()

    async def serve(stream: ByteStream) -> None:
        async with _closing(stream), _closing(await anyio.connect_tcp("127.0.0.1", target.port)) as onward:
            made.tunnels.append((await _head(stream)).split("\r\n")[0])
            made.open.append(stream)
            await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with anyio.create_task_group() as group:
                group.start_soon(carry, onward, stream)
                await carry(stream, onward)

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield made
        group.cancel_scope.cancel()


async def _head(stream: ByteStream) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    return data.decode("latin-1")


@dataclass(slots=True)
class Steps:
    """A departure that records its calls, and does something while its intention is being stored."""

    storing: Callable[[], Awaitable[object]]
    seen: list[str] = field(default_factory=list)

    async def connected(self) -> None:
        """Store the intention."""
        self.seen.append("connected")
        await self.storing()

    def before_send(self) -> None:
        """Agree."""
        self.seen.append("before_send")


async def _nothing() -> None:
    return


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A certificate for servers here, that clients trust."""
    path = certificate(tmp_path, NAME, "provider.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


@pytest.mark.requirement("connected-before-the-intention")
async def test_a_write_is_connected_when_its_intention_is_stored() -> None:
    """The connection is open, and nothing has come over it."""
    state: list[tuple[int, int]] = []
    async with door() as server, server.client() as client:

        async def note() -> None:
            state.append((server.connections, len(server.requests)))

        steps = Steps(note)
        await client.stop_server(SERVER_ID, departure=steps)
    assert (state, steps.seen, len(server.requests)) == ([(1, 0)], ["connected", "before_send"], 1)


async def test_a_name_that_resolves_slowly_delays_the_intention_and_not_the_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the connection is open nothing is stored; from there it goes at once."""
    asked, resolved = anyio.Event(), anyio.Event()

    async def wait() -> None:
        asked.set()
        await resolved.wait()

    resolve_after(monkeypatch, wait)
    steps = Steps(_nothing)
    async with door() as server, server.client() as client, anyio.create_task_group() as group:

        async def stop() -> None:
            await client.stop_server(SERVER_ID, departure=steps)

        group.start_soon(stop)
        with anyio.fail_after(BOUND):
            await asked.wait()
        assert (steps.seen, server.connections) == ([], 0)
        resolved.set()
    assert (steps.seen, len(server.requests)) == (["connected", "before_send"], 1)


async def test_a_connection_that_ended_while_the_intention_was_stored_is_replaced() -> None:
    """Nothing was written on it, so the write leaves on another one, and once."""
    async with door() as server, server.client() as client:
        hung_up: list[bool] = []

        async def hang_up() -> None:
            if not hung_up:
                hung_up.append(True)
                await server.hang_up()

        steps = Steps(hang_up)
        await client.stop_server(SERVER_ID, departure=steps)
    assert (server.connections, len(server.requests)) == (2, 1)
    assert steps.seen == ["connected", "connected", "before_send"]


async def test_a_server_that_always_hangs_up_is_sent_nothing() -> None:
    """A few connections are tried; the reason is reported, and nothing was sent on any of them."""
    async with door() as server, server.client(replace(PATIENT, max_reconnects=2)) as client:
        steps = Steps(server.hang_up)
        with pytest.raises(NotSentError, match="closed before the request could be sent"):
            await client.create_server(ORDER, departure=steps)
    assert (server.connections, server.requests, steps.seen) == (3, [], ["connected"] * 3)


async def test_an_answer_that_came_before_the_request_is_not_taken_for_its_answer() -> None:
    """An unsolicited answer is about something else: a 400 would read as a refusal of a write that was carried out."""
    greeting = raw("400 Bad Request", b"{}")
    async with door(greeting=greeting) as server, server.client(replace(PATIENT, max_reconnects=0)) as client:
        with pytest.raises(NotSentError):
            await client.create_server(ORDER, departure=Steps(lambda: eventually(lambda: bool(server.open))))
    assert server.requests == []


@pytest.mark.parametrize("version", [TLS12, TLS13])
async def test_over_tls_a_write_leaves_on_the_connection_it_has(trusted: Path, version: ssl.TLSVersion) -> None:
    """Unread session tickets are no end of a connection."""
    context = server_context(trusted)
    context.minimum_version = context.maximum_version = version
    async with door(context) as server, server.client(scheme="https") as client:
        steps = Steps(lambda: eventually(lambda: bool(server.open)))
        await client.stop_server(SERVER_ID, departure=steps)
    assert (server.connections, len(server.requests), steps.seen) == (1, 1, ["connected", "before_send"])


@pytest.mark.parametrize("version", [TLS12, TLS13])
async def test_over_tls_an_ended_connection_is_noticed(trusted: Path, version: ssl.TLSVersion) -> None:
    """Even behind session tickets."""
    context = server_context(trusted)
    context.minimum_version = context.maximum_version = version
    async with door(context) as server, server.client(scheme="https") as client:

        async def hang_up() -> None:
            await eventually(lambda: bool(server.open))
            if server.connections == 1:
                await server.hang_up()

        await client.stop_server(SERVER_ID, departure=Steps(hang_up))
    assert (server.connections, len(server.requests)) == (2, 1)


async def test_a_certificate_that_is_not_trusted_ends_as_not_sent(tmp_path: Path) -> None:
    """The reason is named, and no intention was stored for it."""
    steps = Steps(_nothing)
    async with (
        door(server_context(certificate(tmp_path, NAME))) as server,
        server.client(scheme="https") as client,
    ):
        with pytest.raises(NotSentError, match="certificate"):
            await client.create_server(ORDER, departure=steps)
    assert (steps.seen, server.requests) == ([], [])


async def test_through_a_proxy_the_tunnel_and_tls_come_first(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECT is not the write; a tunnel that ended is replaced as any connection is."""
    async with door(server_context(trusted)) as server, proxy(server) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        state: list[tuple[int, int]] = []

        async def hang_up_once() -> None:
            await eventually(lambda: bool(server.open))
            state.append((len(between.tunnels), len(server.requests)))
            if len(state) == 1:
                await between.hang_up()

        steps = Steps(hang_up_once)
        async with server.client(scheme="https", host="provider.test") as client:
            await client.stop_server(SERVER_ID, departure=steps)
    assert (state, steps.seen) == ([(1, 0), (2, 0)], ["connected", "connected", "before_send"])
    assert len(server.requests) == 1


async def test_the_time_to_store_the_intention_is_not_the_answers() -> None:
    """A slow database takes nothing from the write's own time, and is not cut short by it."""
    hurried = replace(PATIENT, prepare_seconds=0.3, change_seconds=0.3)
    async with door() as server, server.client(hurried) as client:
        await client.stop_server(SERVER_ID, departure=Steps(lambda: anyio.sleep(0.5)))
    assert len(server.requests) == 1


async def test_a_write_cancelled_while_its_intention_is_stored_does_not_leave() -> None:
    """Cancelling it ends with nothing sent."""
    async with door() as server, server.client() as client:
        with anyio.CancelScope() as scope:

            async def cancel() -> None:
                scope.cancel()

            await client.stop_server(SERVER_ID, departure=Steps(cancel))
        await client.start_server(SERVER_ID)
    assert scope.cancelled_caught
    assert [request.split(" ")[1] for request in server.requests] == [f"/v1/vps/{SERVER_ID}/start"]


@pytest.mark.requirement("writes-do-not-queue-behind-reads")
async def test_hanging_questions_keep_neither_a_write_nor_a_look() -> None:
    """Every slot for reads hangs; a change is checked and sent at once."""
    stuck = 8
    paths: list[str] = []

    async def hang_on_status(stream: Any, request: Any) -> None:
        paths.append(f"{request.method} {request.path}")
        await (silent if request.path.endswith("/status") else answers(ANSWER))(stream, request)

    settings = replace(PATIENT, max_in_flight=stuck)
    async with (
        wire(hang_on_status) as server,
        server.client(settings) as client,
        anyio.create_task_group() as group,
    ):
        for _ in range(stuck + 1):
            group.start_soon(client.server_status, SERVER_ID)
        await eventually(lambda: len(paths) == stuck)
        with anyio.fail_after(BOUND / 2):
            await Wayscloud(client._connection, WORK).get_server(SERVER_ID)
            await client.stop_server(SERVER_ID)
        assert sum(path.endswith("/status") for path in paths) == stuck
        group.cancel_scope.cancel()


async def test_an_answer_is_waited_for_from_the_first_byte_over_every_hop() -> None:
    """An answered redirect does not restart the time."""
    crossing = RequestDeparture(answer_seconds=2.0)
    with anyio.CancelScope() as first:
        crossing.begin_hop(first)
        await anyio.sleep(5)  # to connect, which is not the answer's time
        left_at = anyio.current_time()
        await crossing.cross()
        assert first.deadline == crossing.deadline == left_at + 2.0
    await anyio.sleep(1)
    with anyio.CancelScope() as second:
        crossing.begin_hop(second)
        await crossing.cross()
        assert second.deadline == left_at + 2.0
