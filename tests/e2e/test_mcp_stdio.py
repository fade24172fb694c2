"""`vpsops mcp` as a client starts it: a process, its standard streams, both protocol eras."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import mcp.types as t
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.resources.listening_client import Ear, hearing
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
KEY = "wayscloud_vps_test1_SECRET"
COMMAND = (sys.executable, "-m", "vpsops", "mcp")
BOUND = PATIENCE_SECONDS
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}
UNREACHABLE = "http://127.0.0.1:1"


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of the tester's own settings; state in the test's directory."""
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "VPSOPS_ACTOR": "slack:U1"}


@dataclass(frozen=True, slots=True)
class StdioWire:
    """A started process and its lines."""

    process: Process
    lines: BufferedByteReceiveStream

    async def send(self, **message: object) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def receive(self) -> dict[str, Any]:
        """Read one message."""
        with anyio.fail_after(BOUND):
            message: dict[str, Any] = json.loads(await self.lines.receive_until(b"\n", 10_000_000))
        return message

    async def ask(self, ident: int, method: str, **params: object) -> dict[str, Any]:
        """Send a request and return the next message."""
        await self.send(id=ident, method=method, params=params)
        return await self.receive()


@asynccontextmanager
async def wire(environment: Mapping[str, str]) -> AsyncIterator[StdioWire]:
    """Start the server; closing its input ends it."""
    async with await anyio.open_process(COMMAND, env=dict(environment), stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield StdioWire(process, BufferedByteReceiveStream(process.stdout))
        assert process.stdin is not None
        await process.stdin.aclose()
        with anyio.fail_after(BOUND):
            assert await process.wait() == 0


async def yes(_context: ClientRequestContext, _params: t.ElicitRequestParams) -> t.ElicitResult:
    """Answer every question with a yes."""
    return t.ElicitResult(action="accept", content={"confirm": True})


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_client_reads_and_changes_over_standard_streams(
    provider: SimulatorHandle, environment: dict[str, str], era: str
) -> None:
    """A client starts the process, lists, listens, and stops a server once after its human's yes."""
    environment |= {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url}
    parameters = StdioServerParameters(command=COMMAND[0], args=list(COMMAND[1:]), env=environment)
    ear = Ear()
    async with Client(
        parameters,
        mode=era,
        elicitation_callback=yes,  # type: ignore[arg-type]
        message_handler=ear,
        read_timeout_seconds=BOUND,
    ) as client:
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else "2026-07-28")
        assert len((await client.list_tools()).tools) == 15
        listed = await client.call_tool("vps_list", {})
        assert not listed.is_error
        async with hearing(client, ear, era, "vps://servers"):
            stopped = await client.call_tool("vps_stop", {"server": "web01", "reason": "night"})
            await ear.until("vps://servers")
        assert not stopped.is_error
        assert stopped.structured_content is not None
        assert stopped.structured_content["operation"] == "stop"
    assert dict(provider.simulator.world.counts) == {"stop": 1}


async def test_the_handshake_is_answered(environment: dict[str, str]) -> None:
    """`initialize` of 2025-11-25: our name, tools, instructions; without a key and without the provider."""
    environment["WAYSCLOUD_API_URL"] = UNREACHABLE
    async with wire(environment) as server:
        answer = await server.ask(
            1,
            "initialize",
            protocolVersion="2025-11-25",
            capabilities={},
            clientInfo={"name": "raw", "version": "1"},
        )
        await server.send(method="notifications/initialized")
        listed = await server.ask(2, "tools/list")
        called = await server.ask(3, "tools/call", name="vps_list", arguments={})
    assert answer["id"] == 1
    assert answer["result"]["protocolVersion"] == "2025-11-25"
    assert answer["result"]["serverInfo"]["name"] == "vpsops"
    assert set(answer["result"]["capabilities"]) == {"completions", "prompts", "resources", "tools"}
    assert "human" in answer["result"]["instructions"]
    assert len(listed["result"]["tools"]) == 15
    assert called["result"]["isError"] is True
    assert "WAYSCLOUD_API_KEY" in called["result"]["content"][0]["text"]


async def test_discovery_is_answered(environment: dict[str, str]) -> None:
    """`server/discover` of 2026-07-28, then a list with its cache hints, then a change up to its question."""
    environment |= {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": UNREACHABLE}
    async with wire(environment) as server:
        answer = await server.ask(1, "server/discover", _meta=ENVELOPE)
        listed = await server.ask(2, "tools/list", _meta=ENVELOPE)
        called = await server.ask(3, "tools/call", name="vps_list", arguments={}, _meta=ENVELOPE)
    assert "2026-07-28" in answer["result"]["supportedVersions"]
    assert (listed["result"]["ttlMs"], listed["result"]["cacheScope"]) == (300_000, "public")
    assert called["result"]["isError"] is True
    assert called["result"]["resultType"] == "complete"
    assert "reach" in called["result"]["content"][0]["text"]


async def test_a_question_is_a_result_on_the_wire(provider: SimulatorHandle, environment: dict[str, str]) -> None:
    """`input_required` with one form and a sealed state; the second call with the answer runs the change once."""
    environment |= {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url}
    call = {"name": "vps_stop", "arguments": {"server": "web01"}, "_meta": ENVELOPE}
    async with wire(environment) as server:
        asked = (await server.ask(1, "tools/call", **call))["result"]
        answers = {"confirm": {"action": "accept", "content": {"confirm": True}}}
        ended = await server.ask(2, "tools/call", **call, inputResponses=answers, requestState=asked["requestState"])
    form = asked["inputRequests"]["confirm"]
    assert asked["resultType"] == "input_required"
    assert (form["method"], form["params"]["mode"]) == ("elicitation/create", "form")
    assert form["params"]["requestedSchema"]["required"] == ["confirm"]
    assert ended["result"]["structuredContent"]["operation"] == "stop"
    assert dict(provider.simulator.world.counts) == {"stop": 1}


async def test_a_question_is_pushed_on_the_wire(provider: SimulatorHandle, environment: dict[str, str]) -> None:
    """In the old era the server asks with a request of its own while the call waits."""
    environment |= {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": provider.url}
    async with wire(environment) as server:
        await server.ask(
            1,
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={"elicitation": {}},
            clientInfo={"name": "raw", "version": "1"},
        )
        await server.send(method="notifications/initialized")
        asked = await server.ask(2, "tools/call", name="vps_stop", arguments={"server": "web01"})
        await server.send(id=asked["id"], result={"action": "decline"})
        ended = await server.receive()
    assert asked["method"] == "elicitation/create"
    assert asked["params"]["message"].startswith("Stop web01.example.com (")
    assert ended["id"] == 2
    assert ended["result"]["isError"] is True
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_at_once(environment: dict[str, str], number: signal.Signals) -> None:
    """The process ends cleanly though its input stays open."""
    async with await anyio.open_process(COMMAND, env=environment, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        server = StdioWire(process, BufferedByteReceiveStream(process.stdout))
        await server.ask(1, "server/discover", _meta=ENVELOPE)
        process.send_signal(number)
        with anyio.fail_after(BOUND):
            assert await process.wait() == 0


async def test_wrong_settings_are_told_and_nothing_is_served(environment: dict[str, str]) -> None:
    """Exit code 2, the reason on standard error, not a byte on standard output."""
    environment["VPSOPS_COLOUR"] = "red"
    with anyio.fail_after(BOUND):
        ended = await anyio.run_process(COMMAND, env=environment, check=False, stdin=subprocess.DEVNULL)
    assert ended.returncode == 2
    assert b"VPSOPS_COLOUR" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.stdout == b""


async def test_a_database_that_cannot_be_used_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    """Exit code 2 with a sentence naming the setting, where the state cannot be stored."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    environment["VPSOPS_DATABASE_URL"] = f"sqlite:///{tmp_path / 'file' / 'x.sqlite3'}"
    with anyio.fail_after(BOUND):
        ended = await anyio.run_process(COMMAND, env=environment, check=False, stdin=subprocess.DEVNULL)
    assert ended.returncode == 2
    assert b"VPSOPS_DATABASE_URL" in ended.stderr
    assert b"Traceback" not in ended.stderr
