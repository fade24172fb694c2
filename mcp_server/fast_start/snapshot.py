"""Takes down the real server's own answers for the start-up front, and hands its client over to the SDK."""

import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import anyio
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from vpsops.core.config.secret_values import SECRETS
from vpsops.core.config.settings import Settings
from vpsops.mcp_server.fast_start import responder

CLIENT = {"name": "vpsops", "version": "1"}
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
SAFE_PATTERNS = {
    "WAYSCLOUD_API_URL": "https?://[^@]+",
    "SLACK_API_URL": "https?://[^@]+",
    "VPSOPS_SLACK_URL": "https://[^@]+",
    "VPSOPS_ACTOR": r"slack:[UW][A-Z0-9]{8,12}|[a-z0-9._-]{1,40}@[a-z0-9-]{1,40}(\.[a-z0-9-]{1,40})*\.[a-z]{2,10}",
}
"""Patterns of good values, for settings with more rules than a pattern."""

NEWEST = MODERN_PROTOCOL_VERSIONS[-1]


async def take_snapshot(server: Server[Any], configuration: str) -> dict[str, Any]:
    """Return the server's self-description, as the exact text of each result."""
    handshake = {}
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        answers = await _converse(server, [_initialize(version)])
        handshake[version] = answers[0]
    listed = await _converse(server, [_initialize(HANDSHAKE_PROTOCOL_VERSIONS[-1]), *_plain_lists()])
    modern = await _converse(server, [_modern(method) for method in ("server/discover", *LISTS)])
    return {
        "program": server.version or "",
        "configuration": configuration,
        "settings": known_settings(),
        "handshake": handshake,
        "legacy": _without_errors(dict(zip(LISTS, listed[1:], strict=True))),
        "modern_version": NEWEST,
        "modern": _without_errors(dict(zip(("server/discover", *LISTS), modern, strict=True))),
    }


def known_settings() -> dict[str, str]:
    """Return every setting with a pattern of values that surely load; others may, and are left to the settings."""
    described = Settings.model_json_schema()["properties"]
    patterns = {name: SAFE_PATTERNS.get(name) or _pattern(schema) for name, schema in described.items()}
    return dict(sorted((patterns | {f"{name}_FILE": responder.FILE_RULE for name in SECRETS}).items()))


def _pattern(described: Mapping[str, Any]) -> str:
    if described.get("type") == "integer":
        return "|".join(str(number) for number in range(described["minimum"], described["maximum"] + 1))
    return str(described.get("pattern", ".*"))


def _without_errors(answers: Mapping[str, str]) -> dict[str, str]:
    return {method: text for method, text in answers.items() if text}


def _initialize(version: str) -> dict[str, Any]:
    return {"method": "initialize", "params": {"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT}}


def _plain_lists() -> list[dict[str, Any]]:
    return [{"method": method} for method in LISTS]


def _modern(method: str) -> dict[str, Any]:
    meta = {
        f"{responder.META}protocolVersion": NEWEST,
        f"{responder.META}clientInfo": CLIENT,
        f"{responder.META}clientCapabilities": {},
    }
    return {"method": method, "params": {"_meta": meta}}


async def _converse(server: Server[Any], requests: list[dict[str, Any]]) -> list[str]:
    """Return the text of each result, in the requests' order; an error is an empty text."""
    with _Pipe() as asking, _Pipe() as hearing:
        async with anyio.create_task_group() as group:
            group.start_soon(_serve, server, asking.read, hearing.write)
            numbered = enumerate(requests, start=1)
            answers = [await _ask(number, request, asking.write, hearing.read) for number, request in numbered]
            asking.write.close()
        return answers


class _Pipe:
    """Both ends of a pipe, as text."""

    def __init__(self) -> None:
        reading, writing = os.pipe()
        self.read = os.fdopen(reading, encoding="utf-8")
        self.write = os.fdopen(writing, "w", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.write.close()
        self.read.close()


async def _serve(server: Server[Any], stdin: io.TextIOWrapper, stdout: io.TextIOWrapper) -> None:
    async with stdio_server(anyio.wrap_file(stdin), anyio.wrap_file(stdout)) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def _ask(number: int, request: dict[str, Any], ask: io.TextIOWrapper, hear: io.TextIOWrapper) -> str:
    ask.write(json.dumps({"jsonrpc": "2.0", "id": number, **request}) + "\n")
    if request["method"] == "initialize":
        ask.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    ask.flush()
    line = await anyio.to_thread.run_sync(hear.readline)
    start = f'{{"jsonrpc":"2.0","id":{number},"result":'
    return line.strip()[len(start) : -1] if line.startswith(start) else ""


def store_snapshot(snapshot: Mapping[str, Any], path: Path) -> None:
    """Store a snapshot for the next start; a folder that cannot be written costs time, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(snapshot, file, ensure_ascii=False)
        Path(file.name).replace(path)
    except OSError:
        return


class ReplayedInput(io.RawIOBase):
    """Standard input, preceded by the lines that the front has read."""

    def __init__(self, lines: bytes, descriptor: int) -> None:
        super().__init__()
        self._first = lines
        self._descriptor = descriptor

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill from the lines read before, then from the descriptor."""
        data, self._first = self._first[: len(buffer)], self._first[len(buffer) :]
        data = data or os.read(self._descriptor, len(buffer))
        buffer[: len(data)] = data
        return len(data)


class DeduplicatedOutput:
    """Standard output without the answers that the front has given."""

    def __init__(self, file: "anyio.AsyncFile[str]", ids: list[int | str]) -> None:
        self._file = file
        self._ids = list(ids)

    async def write(self, text: str) -> None:
        """Write a message, unless it answers again."""
        if self._ids:
            message = json.loads(text)
            if "method" not in message and message.get("id") in self._ids:
                self._ids.remove(message["id"])
                return
        await self._file.write(text)

    async def flush(self) -> None:
        """Flush the written output."""
        await self._file.flush()


def open_streams(handover: responder.Handover) -> tuple[io.TextIOWrapper, DeduplicatedOutput]:
    """Return standard input and output for the SDK, and keep both free of what others print or read."""
    reading, writing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    first = b"".join(line + b"\n" for line in handover.answered) + handover.unread
    lines = io.BufferedReader(ReplayedInput(first, reading))
    stdin = io.TextIOWrapper(lines, encoding="utf-8", errors="replace", newline="\n")  # a CR in a message is a blank
    stdout = os.fdopen(writing, "w", encoding="utf-8")
    return stdin, DeduplicatedOutput(anyio.wrap_file(stdout), handover.ids)
