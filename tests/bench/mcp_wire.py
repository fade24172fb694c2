"""Raw JSON-RPC to an MCP server that is started for it: over its standard streams, or over Streamable HTTP."""

import contextlib
import http.client
import json
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from tests.bench.children import ROOT

LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"
META: Final = "io.modelcontextprotocol/"
CLIENT: Final = {"name": "bench", "version": "1"}
SECONDS: Final = 30.0
Message = dict[str, Any]


class WireError(Exception):
    """A server did not answer as the protocol asks."""


@dataclass(frozen=True, slots=True)
class WireCall:
    """A tool call, and whether the right answer is to refuse it."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class WireServer:
    """How a server is started (`{port}` is replaced), and the tool call that is timed."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    call: WireCall


def compact(value: Any) -> bytes:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def request(ident: int, method: str, params: Mapping[str, Any], era: str) -> Message:
    """Return a request; in the new era each carries the version and the client's capabilities."""
    fields = dict(params)
    if era == MODERN:
        fields["_meta"] = {
            f"{META}protocolVersion": MODERN,
            f"{META}clientInfo": CLIENT,
            f"{META}clientCapabilities": {"elicitation": {"form": {}}},
        }
    return {"jsonrpc": "2.0", "id": ident, "method": method, "params": fields}


class WireLink:
    """A started server: subclasses say how a message gets there and back."""

    def __init__(self, server: WireServer, command: Sequence[str], pipes: int) -> None:
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the link
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=pipes, stdout=pipes, stderr=self.errors, env=dict(server.env), cwd=ROOT, bufsize=0
        )

    def call(self, message: Message) -> Message:
        """Send a request and return its answer; raises `WireError`."""
        raise WireError(f"{type(self).__name__} sends nothing: {message['method']}")

    def notify(self, method: str) -> None:
        """Send a notification."""

    def tail(self) -> str:
        """Return the end of what the server wrote to standard error."""
        self.errors.seek(0)
        return self.errors.read()[-1500:].decode(errors="replace")

    def close(self) -> None:
        """End the server: its input closed, then asked, then killed."""
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.5)
        for end in (self.process.terminate, self.process.kill):
            if self.process.poll() is None:
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(5)
        if self.process.stdout:
            self.process.stdout.close()
        self.errors.close()


class Stdio(WireLink):
    """Lines over the pipes of the process."""

    def __init__(self, server: WireServer) -> None:
        super().__init__(server, server.command, subprocess.PIPE)
        self._buffer = b""

    def call(self, message: Message) -> Message:
        """Send a request and return its answer; a question from the server is declined."""
        self._send(message)
        deadline = time.perf_counter() + SECONDS
        while True:
            answer: Message = json.loads(self._line(deadline))
            if "method" in answer and "id" in answer:
                self._send({"jsonrpc": "2.0", "id": answer["id"], "error": {"code": -32601, "message": "no"}})
            elif answer.get("id") == message["id"]:
                return answer

    def notify(self, method: str) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method})

    def _send(self, message: Message) -> None:
        assert self.process.stdin is not None
        data = compact(message) + b"\n"
        while data:
            data = data[os.write(self.process.stdin.fileno(), data) :]

    def _line(self, deadline: float) -> bytes:
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._buffer:
            left = max(0.0, deadline - time.perf_counter())
            chunk = os.read(descriptor, 1 << 20) if select.select([descriptor], [], [], left)[0] else b""
            if not chunk:
                raise WireError(f"no answer: {self.tail()}")
            self._buffer += chunk
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line


class Http(WireLink):
    """Posts over one connection that is kept."""

    def __init__(self, server: WireServer, era: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self._era = era
        self._headers: dict[str, str] = {}
        command = [part.replace("{port}", str(self._port)) for part in server.command]
        super().__init__(server, command, subprocess.DEVNULL)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        while time.perf_counter() - self.started < SECONDS and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
            with contextlib.suppress(OSError):
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
            threading.Event().wait(0.005)
        problem = WireError(f"no server listens: {self.tail()}")
        self.close()
        raise problem

    def call(self, message: Message) -> Message:
        """Post a request and return its answer, from JSON or from the event stream."""
        kind, body = self._post(message)
        lines = [line[5:] for line in body.splitlines() if line.startswith(b"data:") and len(line) > 6]
        for text in lines if kind.startswith("text/event-stream") else [body]:
            answer: Message = json.loads(text)
            if answer.get("id") == message["id"]:
                self._headers |= _version(message, answer)
                return answer
        raise WireError("no answer in the event stream")

    def notify(self, method: str) -> None:
        """Post a notification."""
        self._post({"jsonrpc": "2.0", "method": method})

    def _post(self, message: Message) -> tuple[str, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self._headers}
        if self._era == MODERN:
            headers |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
            named = message["params"].get("name")
            headers |= {"Mcp-Name": named} if named else {}
        self._connection.request("POST", "/mcp", compact(message), headers)
        response = self._connection.getresponse()
        session = response.headers.get("Mcp-Session-Id")
        self._headers |= {"Mcp-Session-Id": session} if session else {}
        return response.headers.get("Content-Type", ""), response.read()


def _version(message: Message, answer: Message) -> dict[str, str]:
    if message["method"] != "initialize" or "result" not in answer:
        return {}
    return {"MCP-Protocol-Version": str(answer["result"]["protocolVersion"])}


def rss_kib(pid: int) -> int:
    """Return the resident memory of a process and everything it started."""
    total, pids = 0, [pid]
    for item in pids:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{item}/task").glob("*/children"):
                pids += [int(child) for child in children.read_text().split()]
            lines = Path(f"/proc/{item}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    return total
