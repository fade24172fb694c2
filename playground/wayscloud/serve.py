"""Running a simulator on a real socket of this machine, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import uvicorn
from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.playground.wayscloud.app import SimulatorApp, create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.simulator import Simulator

HOST = "127.0.0.1"
BACKLOG = 1024
GRACE_SECONDS = 1


class Connections:
    """The open connections by the client's address, so that a fault can end one for real."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], asyncio.Transport] = {}

    def protocol(self) -> type[H11Protocol]:
        """Return a protocol class for the server that keeps its connections here."""
        book = self._open

        class TrackedProtocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                if self.client:
                    book[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                if self.client:
                    book.pop(self.client, None)
                super().connection_lost(exc)

        return TrackedProtocol

    async def drop(self, scope: Scope, receive: Receive, reset: bool) -> None:
        """End the connection of a request without an answer: closed, or reset."""
        transport = self._open.get(tuple(scope["client"]))
        if transport is None:
            return
        if reset:
            _reset_on_close(transport)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass


def _reset_on_close(transport: asyncio.Transport) -> None:
    """Make the kernel send RST instead of FIN: zero linger time."""
    socket_: Any = transport.get_extra_info("socket")
    if socket_ is not None:
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


class QuietServer(uvicorn.Server):
    """A uvicorn server that leaves signals to its caller."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signal handlers alone."""
        yield


@dataclass(frozen=True, slots=True)
class SimulatorHandle:
    """A running simulator: its address, and its state for inspection in the same process."""

    url: str
    port: int
    app: SimulatorApp

    @property
    def simulator(self) -> Simulator:
        """World, faults and journal."""
        return self.app.simulator


def listen(port: int) -> socket.socket:
    """Return a listening socket on this machine; 0 lets the system choose the port. Raises `OSError`."""
    # asyncio turns Nagle's delay off only where the socket names its protocol; else small answers take 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def running_simulator(
    config: SimulatorConfig | None = None, clock: Clock | None = None, *, port: int = 0
) -> AsyncIterator[SimulatorHandle]:
    """Serve a simulator until the block is left; it accepts connections from the first line on."""
    listener, connections = listen(port), Connections()
    app = create_app(config, clock or SystemClock(), drop=connections.drop)
    server = QuietServer(
        uvicorn.Config(
            app,
            http=connections.protocol(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,  # the simulator's clock sets the date
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    bound = listener.getsockname()[1]
    with listener:
        # A task group would wrap the block's exceptions; the server is the only task, and it is awaited here.
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield SimulatorHandle(f"http://{HOST}:{bound}", bound, app)
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await serving
