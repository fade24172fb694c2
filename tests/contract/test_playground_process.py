"""`vpsops playground` as a process of its own: how it starts, serves, brings its parts in, and ends."""

import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from tests.contract.test_simulator_process import first_lines
from tests.harness.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
START = "import sys; from vpsops.cli.main import main; sys.exit(main())"
READY_SECONDS = PATIENCE_SECONDS
Json = dict[str, object]


@asynccontextmanager
async def playground() -> AsyncIterator[tuple[str, int, anyio.abc.Process]]:
    """Start one; end it whatever happens."""
    async with await anyio.open_process([sys.executable, "-c", START, "playground"], stderr=None) as process:
        try:
            with anyio.fail_after(READY_SECONDS):
                [line] = await first_lines(process, 1)
            yield line.removeprefix("playground: "), process.pid, process
        finally:
            if process.returncode is None:
                process.terminate()  # a killed one leaves its bot running
                with anyio.move_on_after(PATIENCE_SECONDS, shield=True) as patience:
                    await process.wait()
                if patience.cancelled_caught:
                    process.kill()


async def until_ready(http: httpx.AsyncClient) -> None:
    """Read the events until every part has joined."""
    await until_told(http, bot="ready", agent="ready")


async def until_told(http: httpx.AsyncClient, **parts: str) -> None:
    """Read the events until the parts are reported so."""
    with anyio.fail_after(READY_SECONDS):
        async with http.stream("GET", "/api/events", params={"user": "U0ALICE"}) as answer:
            async for line in answer.aiter_lines():
                document: Json = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if parts.items() <= document.items():
                    return


def bot_of(playground: int) -> int:
    """Return the process id of a playground's bot: its only child."""
    [children] = Path("/proc").glob(f"{playground}/task/{playground}/children")
    return int(children.read_text(encoding="ascii").split()[0])


async def test_it_says_where_it_is_brings_its_parts_in_and_ends_cleanly_with_pages_open() -> None:
    """The bot answers a command, an MCP client of one's own works over HTTP, and SIGTERM ends everything with 0."""
    async with playground() as (url, pid, process), httpx.AsyncClient(base_url=url, timeout=None) as http:  # noqa: S113
        assert url.startswith("http://127.0.0.1:")
        assert "vpsops playground" in (await http.get("/")).text
        await until_ready(http)
        order = {"user": "U0ALICE", "channel": "C0OPS", "command": "/vps", "text": "list"}
        assert (await http.post("/api/slack/command", json=order)).json()["ok"]
        async with Client(f"{url}/mcp") as client:
            listed = await client.call_tool("vps_list", {})
        assert not listed.is_error
        async with http.stream("GET", "/api/events", params={"user": "U0BOB"}) as answer:
            await anext(answer.aiter_lines())
            os.kill(pid, signal.SIGTERM)
            with anyio.fail_after(PATIENCE_SECONDS):
                assert await process.wait() == 0


async def test_a_bot_that_dies_is_seen_and_comes_again() -> None:
    """The light goes out with the bot, and the next one answers at its own address."""
    async with playground() as (url, pid, _), httpx.AsyncClient(base_url=url, timeout=None) as http:  # noqa: S113
        await until_ready(http)
        os.kill(bot_of(pid), signal.SIGKILL)
        await until_told(http, bot="starting")
        await until_ready(http)
        order = {"user": "U0ALICE", "channel": "C0OPS", "command": "/vps", "text": "help"}
        assert (await http.post("/api/slack/command", json=order)).json()["ok"]


async def test_the_page_is_there_before_its_parts() -> None:
    """A browser need not wait for the bot: the page comes first and shows what still starts."""
    began = time.monotonic()
    async with playground() as (url, _, process), httpx.AsyncClient(base_url=url) as http:
        seconds = time.monotonic() - began
        assert (await http.get("/")).status_code == 200
        assert seconds < READY_SECONDS / 3
        process.terminate()
        with anyio.fail_after(PATIENCE_SECONDS):
            assert await process.wait() == 0


@pytest.mark.parametrize("port", ["80000", "-1", "x"])
async def test_a_port_that_is_none_is_refused(port: str) -> None:
    """Usage errors end with 2."""
    command = [sys.executable, "-c", START, "playground", f"--port={port}"]
    done = await anyio.run_process(command, check=False)
    assert done.returncode == 2
    assert b"a port is between 0 and 65535" in done.stderr
