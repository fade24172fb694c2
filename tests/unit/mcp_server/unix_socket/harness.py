"""A service on a Unix socket in this process, the SDK's client on it, and connections that send raw lines."""

import json
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import mcp.types as t
from mcp import Client
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import ANN, Human
from vpsops.core.app import Core
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.mcp_server.unix_socket.listener import listening
from vpsops.mcp_server.unix_socket.peer import Peer, SocketUsers
from vpsops.mcp_server.unix_socket.service import SocketService, open_socket
from vpsops.mcp_server.unix_socket.stream import LocalStream

ANN_UID = 4001
BOB_UID = 4002
STRANGER_UID = 4003
SERVICE_UID = 4000
BOB = "bob@example.com"
HUMANS: Mapping[int, str] = {ANN_UID: ANN, BOB_UID: BOB}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "raw", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Kernel:
    """Says who connects, in the kernel's place: one machine has not the users that a test needs."""

    def __init__(self, uid: int = ANN_UID) -> None:
        self.uid = uid

    def __call__(self, _: socket.socket) -> Peer:
        return Peer(self.uid, os.getpid())


@asynccontextmanager
async def serving_socket(
    core: Core,
    kernel: Kernel | None = None,
    config: SocketConfig | None = None,
    options: ServerOptions | None = None,
    own_human: str = ANN,
) -> AsyncIterator[tuple[str, SocketService]]:
    """Serve a core on a socket until the block ends; yields its path and the service."""
    users = SocketUsers(config or SocketConfig(HUMANS), SERVICE_UID, own_human)
    with tempfile.TemporaryDirectory() as folder:  # a path has 107 bytes at most
        path = str(Path(folder) / "mcp.sock")
        with listening(path, users.config, {}) as sock:
            async with open_socket(core, users, sock, options or ServerOptions(), kernel or Kernel()) as service:
                yield path, service


@asynccontextmanager
async def socket_client(
    path: str, era: str, human: Human | None = None, name: str = "test-client", ear: Any = None
) -> AsyncIterator[Client]:
    """Connect the SDK's client straight to a socket."""
    stream: Any = transport(path)
    info = t.Implementation(name=name, version="1")
    async with Client(
        stream,
        mode=era,
        client_info=info,
        elicitation_callback=human,
        message_handler=ear,
        read_timeout_seconds=PATIENCE_SECONDS,
        cache=None,
    ) as client:
        yield client


@asynccontextmanager
async def transport(path: str) -> AsyncIterator[Any]:
    """Yield the streams of a connection as the SDK's client reads and writes them."""
    inward, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    writing, outward = anyio.create_memory_object_stream[SessionMessage](0)
    async with raw_client(path) as raw, anyio.create_task_group() as group:

        async def read() -> None:
            async with inward:
                while line := await raw.line():
                    await inward.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))

        async def write() -> None:
            async with outward:
                async for message in outward:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await raw.stream.send(text.encode() + b"\n")

        group.start_soon(read)
        group.start_soon(write)
        try:
            yield reading, writing
        finally:
            group.cancel_scope.cancel()
            await reading.aclose()
            await writing.aclose()


class Raw:
    """A connection that sends and reads lines."""

    def __init__(self, stream: LocalStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, *messages: object) -> None:
        """Send messages, or texts as they are."""
        for message in messages:
            await self.stream.send((message if isinstance(message, str) else json.dumps(message)).encode() + b"\n")

    async def line(self) -> bytes:
        """Return the next line, or nothing at the end."""
        while b"\n" not in self._buffer:
            data = await self.stream.receive(65_536)
            if not data:
                return b""
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    async def read(self) -> dict[str, Any]:
        """Return the next message."""
        with anyio.fail_after(PATIENCE_SECONDS):
            message: dict[str, Any] = json.loads(await self.line())
        return message

    async def answer(self, ident: object) -> dict[str, Any]:
        """Return the answer to a request, passing over what comes before it."""
        while True:
            message = await self.read()
            if message.get("id") == ident and "method" not in message:
                return message

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer."""
        await self.send(message)
        return await self.answer(message["id"])

    async def hello(self) -> None:
        """Shake hands."""
        assert "result" in await self.ask(HELLO)
        await self.send(READY)

    async def ended(self) -> bool:
        """Return True once the other end has closed, whatever it says before."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while await self.line():
                pass
        return True


def connect(path: str) -> LocalStream:
    """Connect to a socket."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(path)
    return LocalStream(sock)


@asynccontextmanager
async def raw_client(path: str) -> AsyncIterator[Raw]:
    """Connect to a socket, to send raw lines."""
    with closing(connect(path)) as stream:
        yield Raw(stream)


def call(tool: str, ident: int = 2, **arguments: object) -> dict[str, Any]:
    """Return a call of a tool."""
    return {"jsonrpc": "2.0", "id": ident, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
