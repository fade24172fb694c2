"""A question of the handshake era that is open, and what hosts send meanwhile, line by line."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.unix_socket.harness import HELLO, READY, Raw, call, raw_client, serving_socket
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.mcp_server.tools import change_flow
from vpsops.playground.wayscloud.serve import SimulatorHandle

PING = {"jsonrpc": "2.0", "id": 8, "method": "ping"}
LIST = {"jsonrpc": "2.0", "id": 9, "method": "tools/list"}
YES = {"action": "accept", "content": {"confirm": True}}
CANCEL = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2, "reason": "given up"}}


@asynccontextmanager
async def asking(core: Core) -> AsyncIterator[tuple[Raw, dict[str, Any]]]:
    """Yield a connection and the question about its stop of web01."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.hello()
        await raw.send(call("vps_stop", server="web01"))
        question = await raw.read()
        assert question["method"] == "elicitation/create"
        yield raw, question


async def test_everything_else_is_answered_while_a_question_is_open(core: Core, provider: SimulatorHandle) -> None:
    """A ping, lists, reads, the open change itself; then the yes runs the change once."""
    async with asking(core) as (raw, question):
        assert (await raw.ask(PING))["result"] == {}
        assert (await raw.ask(LIST))["result"]["tools"]
        assert "web01" in json.dumps(await raw.ask(call("vps_list", 10)))
        assert "web01" in json.dumps(await raw.ask(call("vps_changes", 11)))
        await raw.send({"jsonrpc": "2.0", "id": question["id"], "result": YES})
        assert "succeeded" in json.dumps(await raw.answer(2))
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@pytest.mark.requirement("mcp-asks-its-human")
@pytest.mark.parametrize("late", [False, True], ids=["in turn", "in other order"])
async def test_two_questions_are_answered_each_by_its_own_yes(
    core: Core, provider: SimulatorHandle, late: bool
) -> None:
    """Another server's change asks beside the first, whichever of the two is answered first."""
    async with asking(core) as (raw, first):
        await raw.send(call("vps_reboot", 3, server="db01"))
        second = await raw.read()
        assert "db01" in second["params"]["message"]
        for question, ident in ((second, 3), (first, 2)) if late else ((first, 2), (second, 3)):
            await raw.send({"jsonrpc": "2.0", "id": question["id"], "result": YES})
            assert "succeeded" in json.dumps(await raw.answer(ident))
    assert dict(provider.simulator.world.counts) == {"stop": 1, "reboot": 1}


@pytest.mark.parametrize("ident", [2, 3], ids=["same id", "another id"])
async def test_the_same_call_again_makes_no_second_change(core: Core, provider: SimulatorHandle, ident: int) -> None:
    """A host that repeats a call while its human thinks, under a new id or the same one."""
    async with asking(core) as (raw, question):
        await raw.send(call("vps_stop", ident, server="web01"))
        assert (await raw.ask(PING))["result"] == {}
        (change,) = await core.changes.list(scope=OPERATOR)
        await raw.send({"jsonrpc": "2.0", "id": question["id"], "result": YES})
        assert change.id in json.dumps(await raw.answer(ident))
        ended = await core.changes.wait(change.id, seconds=PATIENCE_SECONDS, scope=OPERATOR)
        assert (await raw.ask(PING))["result"] == {}
    assert [(change.id, ended.state)] == [
        (each.id, State.SUCCEEDED) for each in await core.changes.list(scope=OPERATOR)
    ]
    assert dict(provider.simulator.world.counts) == {"stop": 1}


async def test_a_yes_after_the_call_was_given_up_runs_nothing(core: Core, provider: SimulatorHandle) -> None:
    """The change is cancelled, the late yes answers no question, and the session lives."""
    async with asking(core) as (raw, question):
        await raw.send(CANCEL)
        (change,) = await core.changes.list(scope=OPERATOR)
        ended = await core.changes.wait(change.id, seconds=PATIENCE_SECONDS, scope=OPERATOR)
        await raw.send({"jsonrpc": "2.0", "id": question["id"], "result": YES})
        assert (await raw.ask(PING))["result"] == {}
        assert "web01" in json.dumps(await raw.ask(call("vps_list", 10)))
    assert ended.state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.parametrize("token", [0, "", "abc", 2**53])
async def test_progress_comes_under_the_token_that_was_sent(
    core: Core, monkeypatch: pytest.MonkeyPatch, token: int | str
) -> None:
    """Zero and the empty text are tokens too, and a number stays one."""
    monkeypatch.setattr(change_flow, "STEP", 0.05)
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.hello()
        message = call("vps_stop", server="web01")
        message["params"]["_meta"] = {"progressToken": token}
        await raw.send(message)
        progress: list[dict[str, Any]] = []
        with anyio.fail_after(PATIENCE_SECONDS):
            while len(progress) < 2:
                line = await raw.read()
                progress += [line["params"]] if line.get("method") == "notifications/progress" else []
    assert [(params["progressToken"], type(params["progressToken"])) for params in progress] == [
        (token, type(token))
    ] * 2
    assert progress[0]["progress"] < progress[1]["progress"]


@pytest.mark.parametrize(
    "before",
    [
        [HELLO, READY],
        [HELLO],
        [READY, HELLO, READY],
        [CANCEL, HELLO, READY],
        [HELLO, READY, READY],
    ],
    ids=["pipelined", "never initialized", "notification first", "cancellation first", "initialized twice"],
)
async def test_a_handshake_in_one_write_with_its_calls_is_answered(core: Core, before: list[dict[str, Any]]) -> None:
    """Hosts that wait for no answer, send no `initialized`, or notify before anything else."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.stream.send(b"".join(json.dumps(line).encode() + b"\n" for line in (*before, LIST, call("vps_list"))))
        answers: dict[object, dict[str, Any]] = {}
        while not {1, 2, 9} <= set(answers):
            line = await raw.read()
            answers[line.get("id")] = line
    assert answers[1]["result"]["serverInfo"]["name"] == "vpsops"
    assert answers[9]["result"]["tools"]
    assert answers[2]["result"]["structuredContent"]["total"] == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", " \t\n"])
async def test_the_end_of_a_line_is_read_in_any_form_and_written_in_one(core: Core, end: str) -> None:
    """Answers are single lines of UTF-8 without a carriage return."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        for line in ("", json.dumps(HELLO), "", json.dumps(READY), "\ufeff" + json.dumps(call("vps_list"))):
            await raw.stream.send(f"{line}{end}".encode())
        lines = [await raw.line(), await raw.line()]
    assert [json.loads(line)["id"] for line in lines] == [1, 2]
    assert not any(b"\r" in line for line in lines)


@pytest.mark.parametrize("tool", ["vps_list", "vps_changes"])
async def test_fifty_calls_at_once_are_all_answered(core: Core, tool: str) -> None:
    """Of a process that has answered nothing yet."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.send(HELLO, READY, *[call(tool, number) for number in range(100, 150)])
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < 51:
            line = await raw.read()
            answers[line["id"]] = line
    assert set(answers) == {1, *range(100, 150)}
    assert all(answers[number]["result"]["isError"] is False for number in range(100, 150))
