"""SIGTERM while clients wait: each gets an answer, the log no traceback, and the process ends with 0."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import mcp.types as t
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.e2e.processes.test_serve import ALICE_TOKEN, MCP, SERVE, environ, scene
from tests.fakes.slack_bot import BotHarness, stage
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import text
from tests.unit.mcp_server.http_harness import ENVELOPE, NEW, http_client
from vpsops.core.common.json_types import Json

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
BOUND = PATIENCE_SECONDS
STDIO = (sys.executable, "-m", "vpsops", "mcp")
BOT = (sys.executable, "-m", "vpsops", "bot", "--http", "127.0.0.1:0")


@dataclass
class Program:
    """A process, the lines it wrote to standard output, and its log."""

    process: Process
    out: BufferedByteReceiveStream
    log: list[bytes] = field(default_factory=list)

    async def line(self) -> str:
        with anyio.fail_after(BOUND):
            return (await self.out.receive_until(b"\n", 1_000_000)).decode()

    async def send(self, **message: Json) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def logged(self, words: str) -> None:
        await eventually(lambda: words in self.log_text)

    @property
    def log_text(self) -> str:
        return b"".join(self.log).decode()


@asynccontextmanager
async def program(command: tuple[str, ...], env: Mapping[str, str]) -> AsyncIterator[Program]:
    """Run a process that has to end by itself, with 0 and without a traceback."""
    async with await anyio.open_process(command, env=dict(env), stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        started = Program(process, BufferedByteReceiveStream(process.stdout))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_collect, started)
                yield started
                with anyio.fail_after(BOUND):
                    assert await process.wait() == 0, started.log_text
        finally:
            if process.returncode is None:
                process.kill()
    assert "Traceback" not in started.log_text, started.log_text
    assert "Exception in ASGI" not in started.log_text, started.log_text


async def _collect(started: Program) -> None:
    assert started.process.stderr is not None
    async for chunk in started.process.stderr:
        started.log.append(chunk)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something of another process is so."""
    with anyio.fail_after(BOUND):
        while not condition():  # noqa: ASYNC110 - what another process does sets no event here
            await anyio.sleep(0.05)


async def asked(world: BotHarness, count: int = 1) -> list[str]:
    """Wait until so many changes are stored, and return their ids."""
    await eventually(lambda: len(_changes(world)) >= count)
    return _changes(world)


def _changes(world: BotHarness) -> list[str]:
    with closing(sqlite3.connect(world.directory / "bot.sqlite3")) as connection:
        return [str(row[0]) for row in connection.execute("SELECT id FROM changes")]


@pytest.mark.requirement("stop-answers")
@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_every_client_over_http_is_answered(tmp_path: Path, transport: str) -> None:
    """Both eras wait for approval, one client listens, one has sent half a request: all get a well-formed end."""
    results: dict[str, t.CallToolResult] = {}
    ended: list[str] = []
    async with stage(tmp_path, scene(transport)) as world:
        more = {"SLACK_APP_TOKEN": world.slack.config.app_token} if transport == "socket" else {}
        async with program(SERVE, environ(world, **more)) as served:
            url = (await served.line()).strip().removeprefix("mcp: ")
            bot = await served.line()
            if transport == "http":
                world.slack.connect_http(bot.strip().removeprefix("bot: "))

            async def ask(era: str, server: str) -> None:
                async with http_client(url, era, ALICE_TOKEN) as client:
                    await client.list_tools()
                    results[era] = await client.call_tool("vps_stop", {"server": server})

            async with anyio.create_task_group() as group:
                group.start_soon(ask, "legacy", "web01")
                group.start_soon(ask, "2026-07-28", "db01")
                group.start_soon(_listen, url, ended)
                group.start_soon(_half, url, ended)
                await asked(world, 2)
                await eventually(lambda: len(ended) >= len(("listening", "half sent")))
                served.process.terminate()
    for answer in results.values():
        assert "goes on without it" in text(answer)
        assert answer.structured_content is not None
        assert str(answer.structured_content["change"]).startswith("chg_")
        assert not answer.is_error
    assert len(results) == 2
    assert sorted(ended[2:]) == ["half: 503", "listened to the end"]
    assert world.effects("stop") == 0


async def _listen(url: str, ended: list[str]) -> None:
    """Listen, and report it; the stream must end as a whole answer does."""
    params = {"notifications": {"resourceSubscriptions": ["vps://servers"]}, "_meta": ENVELOPE}
    message = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    headers = {**NEW, "Mcp-Method": "subscriptions/listen", "Authorization": f"Bearer {ALICE_TOKEN}"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=BOUND) as client,
        client.stream("POST", url, json=message, headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        await anext(lines)
        ended.append("listening")
        rest = [line async for line in lines]
    assert any('"result"' in line for line in rest), rest
    ended.append("listened to the end")


async def _half(url: str, ended: list[str]) -> None:
    """Send a request without its body."""
    address = httpx.URL(url)
    assert address.port is not None
    async with await anyio.connect_tcp(address.host, address.port) as stream:
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {ALICE_TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
        )
        await stream.send(head.encode())
        ended.append("half sent")
        with anyio.fail_after(BOUND):
            answer = await stream.receive()
        ended.append(f"half: {answer.split()[1].decode()}")


@pytest.mark.requirement("stop-answers")
@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_client_over_standard_streams_is_answered(tmp_path: Path, era: str) -> None:
    """The answer with the change's id is the last line, and is written before the process ends."""
    async with stage(tmp_path, scene("http")) as world, program(BOT, environ(world)) as bot:
        await bot.line()  # it shows the account of the agent's human
        env = environ(world, VPSOPS_ACTOR="slack:U0ALICE")
        async with program(STDIO, env) as host:
            params: dict[str, Json] = {"name": "vps_stop", "arguments": {"server": "web01"}}
            if era == "legacy":
                client: Json = {"name": "raw", "version": "1"}
                begin: Json = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
                await host.send(id=1, method="initialize", params=begin)
                await host.line()
                await host.send(method="notifications/initialized")
            else:
                meta: Json = {**ENVELOPE, "io.modelcontextprotocol/clientCapabilities": {}}
                params["_meta"] = meta
            await host.send(id=2, method="tools/call", params=params)
            (change,) = await asked(world)
            host.process.terminate()
            answer = json.loads(await host.line())
        bot.process.terminate()
    assert answer["id"] == 2
    assert answer["result"]["structuredContent"]["change"] == change
    assert "goes on without it" in answer["result"]["content"][0]["text"]


@pytest.mark.requirement("hang-up-ends-nothing")
@pytest.mark.parametrize("kind", ["mcp", "worker", "bot", "serve"])
async def test_a_hang_up_ends_nothing(tmp_path: Path, kind: str) -> None:
    """SIGHUP, with nothing to reload, is logged; SIGTERM ends the process well afterwards."""
    commands = {
        "mcp": MCP,
        "serve": SERVE,
        "worker": (sys.executable, "-m", "vpsops", "worker"),
        "bot": BOT,
    }
    async with stage(tmp_path, scene("http")) as world, program(commands[kind], environ(world)) as started:
        await started.line()
        started.process.send_signal(signal.SIGHUP)
        await started.logged("config_unchanged")
        assert started.process.returncode is None
        started.process.terminate()


async def test_a_hang_up_while_standard_streams_are_served_ends_nothing(tmp_path: Path) -> None:
    """SIGHUP ends nothing before the core is loaded and after."""
    async with stage(tmp_path) as world, program(STDIO, environ(world)) as host:
        os.kill(host.process.pid, 0)
        for number in (1, 2):
            params: dict[str, Json] = {"name": "vps_list", "arguments": {}, "_meta": ENVELOPE}
            await host.send(id=number, method="tools/call", params=params)
            assert json.loads(await host.line())["id"] == number
            host.process.send_signal(signal.SIGHUP)
        await host.logged("config_unchanged")
        host.process.terminate()
