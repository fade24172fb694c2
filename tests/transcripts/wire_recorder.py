"""Clients that speak JSON-RPC by hand, over pipes and over HTTP, and write down every message."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

import anyio
import httpx
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from tests.transcripts.record import Json, Record

OLD: Final = "2025-11-25"
NEW: Final = "2026-07-28"
META: Final = "io.modelcontextprotocol/"
ME: Final = {"name": "assistant", "version": "1.0"}
BOUND: Final = PATIENCE_SECONDS
SHOWN: Final = ("Authorization", "Mcp-Session-Id", "Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name")
Hook = Callable[[Json], Awaitable[Json]]
"""Sees each message that is no answer; returns the result to answer a request with."""


async def ignore(message: Json) -> Json:
    """Take a message and answer nothing."""
    del message


@dataclass(frozen=True, slots=True)
class Speaker:
    """How a client introduces itself in an era."""

    era: str
    capabilities: Mapping[str, Json]

    def params(self, params: Mapping[str, Json]) -> dict[str, Json]:
        """Return a request's parameters, with what the era wants of each."""
        if self.era == OLD:
            return dict(params)
        envelope = {
            f"{META}protocolVersion": NEW,
            f"{META}clientInfo": ME,
            f"{META}clientCapabilities": dict(self.capabilities),
        }
        return {**params, "_meta": {**params.get("_meta", {}), **envelope}}

    def hello(self) -> dict[str, Json]:
        """Return the handshake's parameters."""
        return {"protocolVersion": OLD, "capabilities": dict(self.capabilities), "clientInfo": ME}


@dataclass(kw_only=True)
class Wire(ABC):
    """A client's end of a conversation."""

    speaker: Speaker
    record: Record
    hook: Hook = ignore
    ident: int = 0

    @abstractmethod
    async def ask(self, method: str, **params: Json) -> Json:
        """Send a request and return its answer's `result`."""

    @abstractmethod
    async def notify(self, method: str) -> None:
        """Send a notification."""


async def begin(wire: Wire) -> None:
    """Do what an era wants first, and list the tools."""
    if wire.speaker.era == OLD:
        await wire.ask("initialize", **wire.speaker.hello())
        await wire.notify("notifications/initialized")
    else:
        await wire.ask("server/discover")
    await wire.ask("tools/list")


@dataclass(kw_only=True)
class Pipes(Wire):
    """Standard input and output."""

    to_server: TextIO
    from_server: TextIO

    async def ask(self, method: str, **params: Json) -> Json:
        """Send a request and return its answer's `result`."""
        self.ident += 1
        ident = self.ident
        fields = params if method == "initialize" else self.speaker.params(params)
        await self._send({"jsonrpc": "2.0", "id": ident, "method": method, **({"params": fields} if fields else {})})
        while True:
            message = await self._receive()
            if "method" not in message and message["id"] == ident:
                return message.get("result", message.get("error"))
            answer = await self.hook(message)
            if "id" in message:
                await self._send({"jsonrpc": "2.0", "id": message["id"], "result": answer})

    async def notify(self, method: str) -> None:
        """Send a notification."""
        await self._send({"jsonrpc": "2.0", "method": method})

    async def _send(self, message: Json) -> None:
        self.record.client(message)
        self.to_server.write(json.dumps(message) + "\n")
        self.to_server.flush()

    async def _receive(self) -> Json:
        with anyio.fail_after(BOUND):
            line = await anyio.to_thread.run_sync(self.from_server.readline, abandon_on_cancel=True)
        message = json.loads(line)
        self.record.server(message)
        return message


@asynccontextmanager
async def pipes(server: Server[Any], speaker: Speaker, record: Record) -> AsyncIterator[Pipes]:
    """Serve one client over a pair of pipes, as `vpsops mcp` does over its standard streams."""
    (asked, asking), (heard, hearing) = os.pipe(), os.pipe()
    with (
        os.fdopen(asked, encoding="utf-8") as stdin,
        os.fdopen(asking, "w", encoding="utf-8") as to_server,
        os.fdopen(heard, encoding="utf-8") as from_server,
        os.fdopen(hearing, "w", encoding="utf-8") as stdout,
    ):

        async def serve() -> None:
            async with stdio_server(anyio.wrap_file(stdin), anyio.wrap_file(stdout)) as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())

        async with anyio.create_task_group() as group:
            group.start_soon(serve)
            yield Pipes(speaker=speaker, record=record, to_server=to_server, from_server=from_server)
            to_server.close()


@dataclass(kw_only=True)
class Posts(Wire):
    """Streamable HTTP."""

    url: str
    http: httpx.AsyncClient
    token: str = ""
    session: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, **params: Json) -> Json:
        """Send a request and return its answer's `result`."""
        self.ident += 1
        arguments = params if method == "initialize" else self.speaker.params(params)
        message = {"jsonrpc": "2.0", "id": self.ident, "method": method, **({"params": arguments} if arguments else {})}
        return await self._post(message)

    async def notify(self, method: str) -> None:
        """Send a notification."""
        await self._post({"jsonrpc": "2.0", "method": method})

    def _headers(self, message: Json) -> dict[str, str]:
        headers = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **self.session}
        if self.speaker.era == NEW:
            headers |= {"Mcp-Protocol-Version": NEW, "Mcp-Method": message["method"]}
            named = message["params"].get("name") or message["params"].get("taskId")
            headers |= {"Mcp-Name": named} if named else {}
        return headers

    async def _post(self, message: Json) -> Json:
        headers = self._headers(message)
        headers_text: dict[str, str] = {name: headers[name] for name in SHOWN if name in headers}
        self.record.client(message, _head("POST /mcp", self._plain(headers_text)))
        headers |= {"Accept": "application/json, text/event-stream"}
        async with self.http.stream("POST", self.url, json=message, headers=headers) as answer:
            return await self._answer(answer, message)

    def _plain(self, headers: Mapping[str, str]) -> dict[str, str]:
        plain = {name: self.record.words(value) for name, value in headers.items()}
        if "Mcp-Session-Id" in plain:
            plain["Mcp-Session-Id"] = "0123456789abcdef0123456789abcdef"
        if "Authorization" in plain:
            plain["Authorization"] = f"Bearer ({self.token.split('-', 1)[0]}'s token)"
        return plain

    async def _answer(self, answer: httpx.Response, asked: Json) -> Json:
        kind = answer.headers.get("content-type", "").split(";")[0]
        session = answer.headers.get("mcp-session-id")
        headers = {"Content-Type": kind} if kind else {}
        if session and not self.session:
            self.session = {"Mcp-Session-Id": session, "Mcp-Protocol-Version": OLD}
            headers["Mcp-Session-Id"] = session
        if "www-authenticate" in answer.headers:
            headers["WWW-Authenticate"] = answer.headers["www-authenticate"]
        head = _head(f"{answer.status_code} {answer.reason_phrase}", self._plain(headers))
        if kind != "text/event-stream":
            body = await answer.aread()
            message = json.loads(body) if body else None
            self.record.server(message, head)
            return message and message.get("result", message.get("error"))
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or not line[6:].strip():
                continue
            message = json.loads(line[6:])
            self.record.server(message, head)
            head = "data:"
            if "method" not in message and message.get("id") == asked.get("id"):
                return message.get("result", message.get("error"))
            result = await self.hook(message)
            if "id" in message:
                await self._post({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return None


def _head(first: str, headers: Mapping[str, str]) -> str:
    return "\n".join((first, *(f"{name}: {value}" for name, value in headers.items())))


@asynccontextmanager
async def posts(url: str, speaker: Speaker, record: Record, token: str = "") -> AsyncIterator[Posts]:
    """Talk to a server over HTTP."""
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=BOUND) as http:
        yield Posts(speaker=speaker, record=record, url=url, http=http, token=token)
