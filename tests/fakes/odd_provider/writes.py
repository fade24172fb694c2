"""A provider on a real socket that chooses its answer to a write by the hostname it is about.

It keeps servers and counts what arrived and what took effect, so that a test compares both with what was reported.
"""

import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import anyio
from anyio.abc import SocketAttribute, SocketStream

from tests.fakes.provider import Received, raw
from tests.harness.virtual_time import VirtualClock

Json = dict[str, Any]
PLAN: Final = {"plan_code": "vps-2gb", "name": "Small", "monthly_price": 99, "currency": "NOK"}
BOOT_SECONDS: Final = 60.0
"""How long a new server takes."""
UP_SECONDS: Final = 100_000.0
"""How long the servers have been up that were there before."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write as it arrived, and the server that it is about; a create without effect has no server."""

    operation: str
    path: str
    hostname: str
    server: Json | None = None


Reply = Callable[[Write], bytes]


@dataclass(frozen=True, slots=True)
class Oddity:
    """How writes about one hostname are answered; what `applies` leaves out is carried out and answered in order."""

    reply: Reply
    effect: bool = False
    applies: Callable[[Write, int], bool] = lambda _write, _count: True
    """Asked with the write and how many arrived before it."""
    end: str = ""  # how the connection ends besides: "close" in the middle, "reset"
    late_seconds: float = 0.0
    spelling: Callable[[str], str] = str  # what a new server is called
    created: timedelta = timedelta()  # how far the provider's date is from ours


@dataclass(slots=True)
class OddProvider:
    """The servers, and what happened to them."""

    oddities: Mapping[str, Oddity] = field(default_factory=dict)
    servers: dict[str, Json] = field(default_factory=dict)
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)  # by operation and hostname
    effects: Counter[tuple[str, str]] = field(default_factory=Counter)
    paths: list[str] = field(default_factory=list)
    listed: Callable[[Json], bool] = lambda _server: True
    total: int | None = None
    delay_seconds: float = BOOT_SECONDS

    def put(self, hostname: str, status: str = "running") -> str:
        """Add a server that was there before; return its id."""
        ident = f"srv-{len(self.servers):08d}"
        booted = anyio.current_time() - UP_SECONDS
        self.servers[ident] = {"id": ident, "hostname": hostname, "status": status, "booted": booted}
        return ident

    async def handle(self, stream: SocketStream, request: Received) -> None:
        """Answer one request."""
        self.paths.append(f"{request.method} {request.path}")
        if request.method == "GET":
            await stream.send(self._read(request.path))
            return
        write = self._write(request)
        key = (write.operation, write.hostname)
        oddity = self.oddities.get(write.hostname)
        odd = oddity is not None and oddity.applies(write, self.posts[key])
        self.posts[key] += 1
        if oddity is None or not odd:
            await stream.send(ordinary(self._carry_out(write, request, oddity)))
            return
        write = self._carry_out(write, request, oddity) if oddity.effect else write
        if oddity.late_seconds:
            await anyio.sleep(oddity.late_seconds)
        await stream.send(oddity.reply(write)) if oddity.end != "reset" else reset(stream)
        if oddity.end:
            await stream.aclose()

    def _read(self, path: str) -> bytes:
        parts = path.strip("/").split("/")[2:]
        if not parts:
            instances = [self._entry_of(server) for server in self.servers.values() if self.listed(server)]
            return answer(
                200, {"instances": instances, "total": self.total if self.total is not None else len(instances)}
            )
        if parts == ["plans"]:
            return answer(200, [PLAN])
        server = self.servers.get(parts[0])
        if server is None:
            return answer(404, {"detail": "VPS not found"})
        if parts[1:] == ["status"]:
            up = int(anyio.current_time() - server["booted"])
            return answer(200, {"status": server["status"], "uptime_seconds": up})
        return answer(200, self._entry_of(server))

    def _entry_of(self, server: Json) -> Json:
        ready = anyio.current_time() >= server.get("ready_at", 0.0)
        status = server["status"] if ready else "provisioning"
        return {key: value for key, value in server.items() if key not in {"booted", "ready_at"}} | {"status": status}

    def _write(self, request: Received) -> Write:
        parts = request.path.strip("/").split("/")[2:]
        if not parts:
            return Write("create", request.path, request.json["hostname"])
        server = self.servers[parts[0]]
        return Write(parts[1], request.path, server["hostname"], server)

    def _carry_out(self, write: Write, request: Received, oddity: Oddity | None) -> Write:
        self.effects[write.operation, write.hostname] += 1
        now = anyio.current_time()
        if write.server is None:
            return Write(write.operation, write.path, write.hostname, self._create(request.json, oddity))
        write.server["status"] = "stopped" if write.operation == "stop" else "running"
        if write.operation != "stop":
            write.server["booted"] = now
        return write

    def _create(self, body: Json, oddity: Oddity | None) -> Json:
        spelling = oddity.spelling if oddity else str
        ident = self.put(spelling(body["hostname"]))
        server = self.servers[ident]
        server |= {key: body[key] for key in ("plan_code", "region", "os_template")}
        server["ready_at"] = anyio.current_time() + self.delay_seconds
        if oddity and oddity.created:
            server["created_at"] = (VirtualClock().now() + oddity.created).isoformat()
        return server


def ordinary(write: Write) -> bytes:
    """Answer a write that was carried out, as the documentation has it."""
    if write.operation == "create" and write.server is not None:
        server = {key: write.server[key] for key in ("id", "hostname")}
        return answer(201, {**server, "status": "provisioning"})
    return answer(200, {"success": True, "action": "start", "message": "VPS is starting"})


def answer(status: int, body: object = None, *headers: str) -> bytes:
    """Return an answer's bytes; text is sent as it is, and anything else as JSON."""
    content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return raw(f"{status} X", content, "Content-Type: application/json", *headers)


def reset(stream: SocketStream) -> None:
    """Let the connection end with a reset instead of a close."""
    raw_socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - a socket, not a database
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
