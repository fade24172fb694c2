"""`vpsops mcp` under hosts as they are: odd lines, pipes of one call, hosts that die, settings that are wrong."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
COMMAND = (sys.executable, "-m", "vpsops", "mcp")
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "vps_list", "arguments": {}}}
ODD: Mapping[str, object] = {
    '{"jsonrpc":"2.0","id":21,"method":"tools/call","params":{"name":"vps_get","arguments":{"server":"a\\ud83d"}}}': 21,
    '{"jsonrpc":"2.0","id":22,"method":"tools/list","params":[]}': 22,
    '{"id":23,"method":"tools/list"}': 23,
    '{"jsonrpc":"1.0","id":24,"method":"tools/list"}': 24,
    f'{{"jsonrpc":"2.0","id":25,"method":"ping","params":{{"a":{"[" * 3000}{"]" * 3000}}}}}': 25,
    f'{{"jsonrpc":"2.0","id":26,"method":"ping","params":{{"a":{"9" * 5000}}}}}': 26,
    '{"jsonrpc":"2.0","id":1.5,"method":"ping"}': 1.5,
    '{"jsonrpc":"2.0","id":1e3,"method":"ping"}': 1000.0,
    '{"jsonrpc":"2.0","id":true,"method":"ping"}': True,
    '{"jsonrpc":"2.0","id":null,"method":"ping"}': None,
    "hello": None,
    '[{"jsonrpc":"2.0","id":27,"method":"ping"}]': 27,
}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of the tester's own settings; state in the test's directory."""
    home = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    return home | {"WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET", "VPSOPS_ACTOR": "slack:U0ANN12345"}


def lines(*messages: object) -> bytes:
    """Return messages in their wire format."""
    return b"".join(
        (message if isinstance(message, str) else json.dumps(message)).encode() + b"\n" for message in messages
    )


async def pipe(environment: Mapping[str, str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the server on a pipe that ends, as a shell does."""
    with anyio.fail_after(PATIENCE_SECONDS):
        return await anyio.run_process(COMMAND, input=stdin, env=dict(environment), check=False)


@pytest.mark.requirement("mcp-every-id-answered")
@pytest.mark.parametrize("loaded", [False, True])
def test_odd_lines_are_answered_at_once_and_the_session_lives(environment: dict[str, str], loaded: bool) -> None:
    """Before the SDK is loaded and after it: an error under the line's id, then calls as if nothing had been."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(line: object) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines(line))
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    assert ask(HELLO)["id"] == 1
    process.stdin.write(lines(READY))
    if loaded:
        assert ask({"jsonrpc": "2.0", "id": 2, "method": "ping"})["id"] == 2
    for line, ident in ODD.items():
        began = time.monotonic()
        answer = ask(line)
        assert (answer["id"], type(answer["id"])) == (ident, type(ident)), line[:60]
        assert answer["error"]["code"] in {-32700, -32600, -32602}
        assert time.monotonic() - began < 1.0
    assert ask('{"jsonrpc":"2.0",\r"id":28,\r"method":"ping"}') == {"jsonrpc": "2.0", "id": 28, "result": {}}
    assert ask(LIST)["id"] == 9
    process.stdin.close()
    assert process.wait(PATIENCE_SECONDS) == 0
    process.stdout.close()


@pytest.mark.requirement("mcp-pipes-are-answered")
@pytest.mark.parametrize("era", ["handshake", "stateless"])
async def test_a_pipe_of_one_call_gets_its_result(
    provider: SimulatorHandle, environment: dict[str, str], era: str
) -> None:
    """The input's end is not the end of the answers."""
    environment |= {"WAYSCLOUD_API_URL": provider.url}
    if era == "handshake":
        stdin = lines(HELLO, READY, LIST)
    else:
        stdin = lines({**LIST, "params": {**LIST["params"], "_meta": META}})  # type: ignore[dict-item]
    done = await pipe(environment, stdin)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert answers[-1]["id"] == 9
    assert answers[-1]["result"]["structuredContent"]["total"] > 0


async def test_a_pipe_ends_though_its_question_cannot_be_answered(
    provider: SimulatorHandle, environment: dict[str, str]
) -> None:
    """The change that waits for its human's yes is given back, soon."""
    environment |= {"WAYSCLOUD_API_URL": provider.url}
    hello = json.loads(json.dumps(HELLO))
    hello["params"]["capabilities"] = {"elicitation": {}}
    stop = {**LIST, "params": {"name": "vps_stop", "arguments": {"server": "web01"}}}
    done = await pipe(environment, lines(hello, READY, stop))
    assert done.returncode == 0
    assert [json.loads(line).get("method") for line in done.stdout.splitlines()].count("elicitation/create") == 1
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.requirement("mcp-quiet-end")
def test_a_host_that_dies_ends_the_process_quietly(environment: dict[str, str]) -> None:
    """Its answers are no longer read, though its input stays open: exit 0, and no error output."""
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(lines(HELLO, READY, {"jsonrpc": "2.0", "id": 2, "method": "ping"}))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    assert json.loads(process.stdout.readline())["id"] == 2
    process.stdout.close()
    process.stdin.write(lines(LIST))
    process.stdin.flush()
    assert process.wait(PATIENCE_SECONDS) == 0
    assert b"fault" not in process.stderr.read()
    process.stdin.close()
    process.stderr.close()


@pytest.mark.requirement("mcp-settings-first")
@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("VPSOPS_LOG_LEVEL", "loud", "VPSOPS_LOG_LEVEL: must be debug or info or warning or error."),
        ("VPSOPS_ACTOR", "bob", "VPSOPS_ACTOR: "),
        ("WAYSCLOUD_API_KEY_FILE", "/nowhere/key", "WAYSCLOUD_API_KEY_FILE"),
    ],
)
async def test_wrong_settings_are_the_answer_to_the_handshake(
    environment: dict[str, str], name: str, value: str, text: str
) -> None:
    """The client shows what is wrong and what to do at the handshake, not at the first call after a good start."""
    del environment["WAYSCLOUD_API_KEY"]
    done = await pipe(environment | {name: value}, lines(HELLO, READY))
    (answer,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, answer["id"], answer["error"]["code"]) == (2, 1, -32603)
    assert answer["error"]["message"].startswith("vpsops cannot serve. ")
    assert text in answer["error"]["message"]
    assert "err_" in answer["error"]["message"]


async def test_a_request_before_the_handshake_is_told_what_comes_first(environment: dict[str, str]) -> None:
    """The error is a sentence, in place of the SDK's three; a request that needs no handshake is answered."""
    done = await pipe(environment, lines({**LIST, "id": 3}, {"jsonrpc": "2.0", "id": 4, "method": "ping"}))
    first, second = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda entry: int(entry["id"]))
    assert first["error"]["message"].startswith("tools/call came before the handshake. Send `initialize` first")
    assert second["result"] == {}


async def test_a_level_in_capitals_serves(environment: dict[str, str]) -> None:
    """As other programs spell it."""
    done = await pipe(environment | {"VPSOPS_LOG_LEVEL": "WARNING"}, lines(HELLO, READY))
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[0])["result"]["serverInfo"]["name"] == "vpsops"
