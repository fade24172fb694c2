"""The start-up front: its answers are the SDK's own bytes, and whatever it does not know is left to the SDK."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.mcp_server.fast_start import responder

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
READS = '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'


def asking(method: str, ident: int | str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": ident, "method": method, **({"params": params} if params else {})}


def hello(version: str = "2025-11-25") -> dict[str, Any]:
    info = {"name": "x", "version": "1"}
    return asking("initialize", 1, protocolVersion=version, capabilities={}, clientInfo=info)


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder), "WAYSCLOUD_API_URL": "http://127.0.0.1:9"}
    return kept | {"VPSOPS_DATABASE_URL": f"sqlite:///{folder}/db.sqlite3"} | more


def talk(messages: list[dict[str, Any]], env: dict[str, str], words: Sequence[str] = ()) -> list[bytes]:
    """Send each message to a new server process, wait for the answers, and return their bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vpsops", "mcp", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=env,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    heard = []
    for message in messages:
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        if "id" in message:
            heard.append(process.stdout.readline())
    process.stdin.close()
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert rest == b""
    return heard


@pytest.mark.slow
@pytest.mark.parametrize("version", [*HANDSHAKE_PROTOCOL_VERSIONS])
@pytest.mark.requirement("mcp-early-answers")
def test_an_early_handshake_is_the_sdks_own(tmp_path: Path, version: str) -> None:
    """Every handshake and the lists after it read the same with and without the front."""
    messages = [hello(version), READY, *(asking(method, method) for method in LISTS)]
    early = talk(messages, environment(tmp_path))
    assert early == talk(messages, environment(tmp_path, VPSOPS_MCP_FRONT="off"))
    assert [json.loads(item)["id"] for item in early] == [1, *LISTS]
    assert all("result" in json.loads(item) for item in early)


@pytest.mark.slow
def test_early_answers_of_the_new_era_are_the_sdks_own(tmp_path: Path) -> None:
    """Discovery and the lists read the same with and without the front."""
    messages = [asking(method, method, _meta=META) for method in ("server/discover", *LISTS)]
    early = talk(messages, environment(tmp_path))
    assert early == talk(messages, environment(tmp_path, VPSOPS_MCP_FRONT="off"))
    assert all("result" in json.loads(item) for item in early)


def test_the_shipped_answers_are_given_without_the_sdk(tmp_path: Path) -> None:
    """The default configuration has a snapshot, so that nothing heavy is loaded for it."""
    snapshot = responder.find_snapshot([], environment(tmp_path))
    assert snapshot is not None
    assert set(snapshot["handshake"]) == set(HANDSHAKE_PROTOCOL_VERSIONS)
    assert set(snapshot["modern"]) == {"server/discover", *LISTS}
    assert set(snapshot["legacy"]) == set(LISTS)


@pytest.mark.slow
@pytest.mark.real_time
def test_the_way_in_loads_only_the_standard_library() -> None:
    """What needs the SDK is imported once it has taken over: each module costs the first answer its time."""
    code = "import sys; before = {*sys.modules}; import vpsops.mcp_server.fast_start; print({*sys.modules} - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    loaded = {name.partition(".")[0] for name in re.findall(r"'([\w.]+)'", done.stdout)}
    assert loaded <= {*sys.stdlib_module_names, "vpsops"}
    assert not loaded & {"asyncio", "pathlib", "subprocess"}


@pytest.mark.slow
@pytest.mark.parametrize("era", ["old", "new"])
def test_the_first_call_is_handed_over(tmp_path: Path, era: str) -> None:
    """After early answers a call is answered by the SDK, and nothing is answered twice."""
    call = {"name": "vps_list", "arguments": {}}
    messages = (
        [hello(), READY, asking("tools/list", 2), asking("tools/call", 3, **call)]
        if era == "old"
        else [asking("tools/list", 2, _meta=META), asking("tools/call", 3, **call, _meta=META)]
    )
    heard = [json.loads(item) for item in talk(messages, environment(tmp_path))]
    assert [item["id"] for item in heard] == [item["id"] for item in messages if "id" in item]
    assert heard[-1]["result"]["isError"] is True
    assert "WAYSCLOUD_API_KEY" in heard[-1]["result"]["content"][0]["text"]


@pytest.mark.slow
def test_another_configuration_is_answered_early_from_its_second_start_on(tmp_path: Path) -> None:
    """A configuration of its own is taken down on the first start, and its answers are the SDK's too."""
    config = tmp_path / "vpsops.toml"
    config.write_text(READS)
    env = environment(tmp_path, VPSOPS_CONFIG=str(config))
    messages = [hello(), READY, *(asking(method, method) for method in LISTS)]
    assert responder.find_snapshot([], env) is None
    first = talk(messages, env)
    assert responder.find_snapshot([], env) is not None
    assert talk(messages, env) == first
    config.write_text(READS + "# changed\n")
    assert responder.find_snapshot([], env) is None


@pytest.mark.slow
def test_flags_are_answered_early_from_their_second_start_on(tmp_path: Path) -> None:
    """Each set of flags has answers of its own, which are the SDK's; read-only lists no change."""
    env, words = environment(tmp_path), ["--read-only", "--toolsets", "servers"]
    messages = [hello(), READY, asking("tools/list", 2)]
    first = talk(messages, env, words)
    assert responder.find_snapshot(words, env) is not None
    assert responder.find_snapshot(words[:1], env) is None
    assert talk(messages, env, words) == first == talk(messages, env | {"VPSOPS_MCP_FRONT": "off"}, words)
    tools = [tool["name"] for tool in json.loads(first[1])["result"]["tools"]]
    assert tools == ["vps_list", "vps_get", "vps_status"]


@pytest.mark.slow
def test_an_unknown_setting_is_refused_before_anything_is_answered(tmp_path: Path) -> None:
    """The front leaves a wrong configuration to the settings, which name it."""
    done = subprocess.run(
        [sys.executable, "-m", "vpsops", "mcp"],
        input=json.dumps(hello()).encode() + b"\n",
        capture_output=True,
        env=environment(tmp_path, VPSOPS_NONSENSE="1"),
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    (reply,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, reply["id"], reply["error"]["code"]) == (2, 1, -32603)
    assert reply["error"]["message"].startswith("vpsops cannot serve. Unknown setting VPSOPS_NONSENSE.")
    assert b"VPSOPS_NONSENSE" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--red-only"], "unrecognized arguments: --red-only. Did you mean --read-only"),
        (["serve"], "invalid choice: 'serve'"),
        (["--toolsets"], "argument --toolsets: expected one argument"),
    ],
)
def test_words_that_there_are_not_are_told_to_the_client(tmp_path: Path, words: list[str], text: str) -> None:
    """A slip in a host's configuration is in the error that the host shows, not on standard error alone."""
    done = subprocess.run(
        [sys.executable, "-m", "vpsops", "mcp", *words],
        input=json.dumps(hello()).encode() + b"\n",
        capture_output=True,
        env=environment(tmp_path),
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    (reply,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, reply["id"], reply["error"]["code"]) == (2, 1, -32603)
    assert reply["error"]["message"].startswith("vpsops cannot serve. ")
    assert text in reply["error"]["message"]
    assert text.encode() in done.stderr


@pytest.mark.slow
def test_a_call_that_cannot_be_served_is_answered(tmp_path: Path) -> None:
    """When the rest cannot start, the waiting client gets an error and the log has the reason."""
    (tmp_path / "file").touch()
    process = subprocess.run(
        [sys.executable, "-m", "vpsops", "mcp"],
        input=b"".join(
            json.dumps(item).encode() + b"\n" for item in (hello(), READY, asking("tools/call", 9, name="x"))
        ),
        capture_output=True,
        env=environment(tmp_path) | {"VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path}/file/x.sqlite3"},
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    last = json.loads(process.stdout.splitlines()[-1])
    assert (process.returncode, last["id"], last["error"]["code"]) == (2, 9, -32603)
    assert "VPSOPS_DATABASE_URL" in last["error"]["message"]
    assert b"VPSOPS_DATABASE_URL" in process.stderr


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":null,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":true,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}',  # before a handshake
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1999-01-01"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
    ],
)
def test_what_is_not_plain_is_left_to_the_sdk(tmp_path: Path, line: bytes) -> None:
    """A message that is unusual in any way is not answered early."""
    snapshot = responder.find_snapshot([], environment(tmp_path))
    assert snapshot is not None
    assert responder.answer_message(snapshot, line, responder.Handover()) is None


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_message_breaks_the_front(line: bytes) -> None:
    """Whatever a client sends is answered or left to the SDK."""
    snapshot = responder.find_snapshot([], {"HOME": "/nowhere"})
    assert snapshot is not None
    assert responder.answer_message(snapshot, line, responder.Handover()) is None


@pytest.mark.slow
def test_a_person_at_a_terminal_is_told_what_waits(tmp_path: Path) -> None:
    """It would seem hung otherwise; a host, which has no terminal there, gets no message."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "vpsops", "mcp"]
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE, env=environment(tmp_path)) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == responder.PERSON
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    os.close(ours)
    os.close(theirs)
    ended = subprocess.run(
        command, input=b"", capture_output=True, env=environment(tmp_path), timeout=PATIENCE_SECONDS, check=True
    )
    assert responder.PERSON not in ended.stderr
