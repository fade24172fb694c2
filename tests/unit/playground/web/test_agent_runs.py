"""Tasks for the agent, over the real MCP server and the simulated provider: steps, bounds, stops and errors."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import anyio
import httpx
import pytest

from tests.harness.patience import eventually
from tests.harness.tls import NO_TLS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.common.redaction import MASK, Redactor
from vpsops.playground.agents.model import Model, ModelError, ModelToolCall, Script, Scripted
from vpsops.playground.wayscloud.serve import listen
from vpsops.playground.web.agent import Agent, PageOrderError
from vpsops.playground.web.agent_runs import (
    KEPT_RUNS,
    LONGEST_TEXT,
    MOST_CALLS,
    AgentPlayer,
    AgentRuns,
    player_of,
)
from vpsops.playground.web.asgi_server import served
from vpsops.playground.web.mcp_bridge import known_secrets, running_backstage
from vpsops.playground.web.runtime import Ground, RuntimeOptions, running_ground

SECRET = "sk-made-up-0123456789abcdef"
AT = "2026-11-30T00:00:00+00:00"
Runs = Callable[[AgentPlayer], AgentRuns]


@pytest.fixture(scope="module")
async def ground() -> AsyncIterator[Ground]:
    async with running_ground(RuntimeOptions(speed=60), VirtualClock()) as started:
        with listen(0) as listener:
            async with served(started, listener), running_backstage(started):
                yield started


@pytest.fixture
async def runs(ground: Ground) -> AsyncIterator[Runs]:
    async with anyio.create_task_group() as group:
        redactor = Redactor((SECRET,))
        agent = Agent(f"{ground.url}/mcp", ground.feed.bell, ground.clock, group, redactor)
        await agent.learn()
        yield lambda player: AgentRuns(agent, player, group, ground.feed.bell, redactor)
        group.cancel_scope.cancel()


def plays(script: Callable[[], Script]) -> AgentPlayer:
    """Return a player of a script."""
    return AgentPlayer("test", lambda _task: nullcontext(Scripted(script)))


def says(text: str) -> AgentPlayer:
    def script() -> Script:
        return text
        yield

    return plays(script)


def steps(runs: AgentRuns) -> list[Mapping[str, Any]]:
    """Return the steps of the newest run."""
    made: list[Mapping[str, Any]] = runs.as_json()["runs"][-1]["steps"]
    return made


async def ended(runs: AgentRuns, task: str = "a task") -> str:
    """Give a task and return how it ends."""
    runs.start(task, AT)
    await eventually(lambda: runs.as_json()["runs"][-1]["state"] != "running")
    state: str = runs.as_json()["runs"][-1]["state"]
    return state


async def test_the_script_reads_and_answers(runs: Runs) -> None:
    """Each step has its place: a thought, its call with the result, and the answer at the end."""
    made = runs(player_of(()))
    assert await ended(made, "What runs in Frankfurt?") == "done"
    kinds = [step["kind"] for step in steps(made)]
    assert kinds == ["thought", "call", "thought", "call", "final"]
    assert [step["call"]["state"] for step in steps(made) if step["call"]] == ["done", "done"]
    assert "search03" in steps(made)[-1]["text"]
    assert made.as_json()["program"] == ""


async def test_what_the_script_may_not_do_it_says(runs: Runs) -> None:
    made = runs(player_of(()))
    assert await ended(made, "Delete mail06") == "done"
    assert "I may not delete mail06.prod.frankfurt.example.com" in steps(made)[-1]["text"]


async def test_text_of_a_model_is_data(runs: Runs) -> None:
    """Without secrets and invisible characters, and bounded; as it is otherwise, for the page sets it as text."""
    made = runs(says(f"<b>key</b> {SECRET}\u202e" + "x" * (LONGEST_TEXT * 2)))
    assert await ended(made) == "done"
    text = steps(made)[-1]["text"]
    assert text.startswith(f"<b>key</b> {MASK}x")
    assert len(text) == LONGEST_TEXT


async def test_arguments_of_a_model_are_shown_cut_and_sent_whole(runs: Runs) -> None:
    def script() -> Script:
        turn = yield ModelToolCall("vps_get", {"server": "x" * 2_000, "note": SECRET}, "I try.")
        return turn.text

    made = runs(plays(script))
    assert await ended(made) == "done"
    shown = steps(made)[1]["call"]["arguments"]
    assert len(shown["server"]) == 400
    assert shown["note"] == MASK
    assert steps(made)[1]["call"]["state"] == "failed"


async def test_a_tool_that_there_is_not_is_one_line_and_the_agent_goes_on(runs: Runs) -> None:
    def script() -> Script:
        turn = yield ModelToolCall("vps_explode", {})
        return f"failed: {turn.failed}"

    made = runs(plays(script))
    assert await ended(made) == "done"
    assert steps(made)[0] == {
        "kind": "error",
        "text": "There is no tool called vps_explode. The agent gets this as an error.",
        "call": None,
    }
    assert steps(made)[1]["text"] == "failed: True"


async def test_calls_are_bounded(runs: Runs) -> None:
    def script() -> Script:
        while True:
            yield ModelToolCall("vps_regions", {})

    made = runs(plays(script))
    assert await ended(made) == "failed"
    assert [step["kind"] for step in steps(made)] == ["call"] * MOST_CALLS + ["error"]
    assert steps(made)[-1]["text"] == f"The agent made {MOST_CALLS} calls and did not come to an end."


class SilentModel:
    """A model that gives no answer."""

    async def act(self, tools: object, transcript: object) -> ModelToolCall:
        del tools, transcript
        await anyio.sleep_forever()
        raise AssertionError


async def test_time_is_bounded(runs: Runs, ground: Ground) -> None:
    made = runs(AgentPlayer("test", lambda _task: nullcontext(SilentModel()), seconds=20))
    began = ground.clock.monotonic()
    assert await ended(made) == "failed"
    assert ground.clock.monotonic() - began >= 20
    assert steps(made)[-1]["text"] == "The task was ended after 20 s."


async def test_a_program_that_fails_is_one_line(runs: Runs) -> None:
    """While it works, and when it cannot be started."""

    class FailingModel:
        async def act(self, tools: object, transcript: object) -> ModelToolCall:
            del tools, transcript
            raise ModelError(f"The agent's program ended with exit code 1: {SECRET}")

    @asynccontextmanager
    async def unstartable(task: str) -> AsyncIterator[Model]:
        raise ModelError(f"The agent's program could not be started: {task}")
        yield

    made = runs(AgentPlayer("test", lambda _task: nullcontext(FailingModel())))
    assert await ended(made) == "failed"
    assert [step["text"] for step in steps(made)] == [f"The agent's program ended with exit code 1: {MASK}"]
    made = runs(AgentPlayer("test", unstartable))
    assert await ended(made) == "failed"
    assert [step["text"] for step in steps(made)] == ["The agent's program could not be started: a task"]


async def test_one_task_at_a_time_and_a_stop_ends_it(runs: Runs) -> None:
    """Its model is closed as well, and another task may follow at once."""
    closed = anyio.Event()

    @asynccontextmanager
    async def sleeper(_task: str) -> AsyncIterator[Model]:
        try:
            yield SilentModel()
        finally:
            closed.set()

    made = runs(AgentPlayer("test", sleeper))
    number = made.start("first", AT)
    with pytest.raises(PageOrderError, match="has a task already"):
        made.start("second", AT)
    await anyio.wait_all_tasks_blocked()
    made.stop(number)
    assert made.as_json()["runs"][-1]["state"] == "stopped"
    await closed.wait()
    made.start("second", AT)
    with pytest.raises(PageOrderError, match="not under way"):
        made.stop(number)


async def test_a_stop_ends_the_call_under_way(runs: Runs) -> None:
    """A question to the agent's human is closed with it."""
    made = runs(player_of(()))
    number = made.start("Make a small server in Oslo", AT)
    await eventually(lambda: steps(made) != [] and (steps(made)[-1]["call"] or {}).get("state") == "asks")
    made.stop(number)
    await eventually(lambda: steps(made)[-1]["call"]["state"] == "cancelled")
    assert steps(made)[-1]["call"]["question"] is None


@pytest.mark.parametrize("task", ["", "   ", "\u200b", "x" * 501])
async def test_a_task_has_words(runs: Runs, task: str) -> None:
    with pytest.raises(PageOrderError, match="1 to 500 characters"):
        runs(says("x")).start(task, AT)


async def test_the_latest_runs_are_kept(runs: Runs) -> None:
    made = runs(says("x"))
    for number in range(KEPT_RUNS + 1):
        assert await ended(made, f"task {number}") == "done"
    assert [run["task"] for run in made.as_json()["runs"]] == [f"task {number}" for number in range(1, KEPT_RUNS + 1)]


async def test_the_page_gives_a_task_and_answers_its_question(ground: Ground) -> None:
    """Over the page's own orders: the question of a task is answered as that of a call is."""
    board = ground.feed.topics["runs"]
    async with httpx.AsyncClient(base_url=ground.url, verify=NO_TLS) as http:
        given = await http.post("/api/agent/task", json={"task": "Make a small server x07 in Oslo"})
        assert given.json() == {"ok": True, "number": 1}

        def last() -> Mapping[str, Any]:
            call: Mapping[str, Any] = (board("U0ALICE")["runs"][0]["steps"] or [{}])[-1].get("call") or {}
            return call

        await eventually(lambda: last().get("state") == "asks")
        order = {"number": last()["number"], "action": "decline"}
        assert (await http.post("/api/agent/answer", json=order)).json() == {"ok": True}
        await eventually(lambda: board("U0ALICE")["runs"][0]["state"] == "done")
        assert "No server was made." in board("U0ALICE")["runs"][0]["steps"][-1]["text"]
        for path, body in (("stop", {"number": 1}), ("task", {"task": ""}), ("task", {}), ("answer", order)):
            refused = await http.post(f"/api/agent/{path}", json=body)
            assert refused.status_code == 422
            assert refused.json()["error"]
    assert not any(effect.operation == "create" for effect in ground.provider.simulator.world.effects)


def test_values_named_as_secrets_are_known() -> None:
    """Of the program's environment too; a short one would take words out of every text."""
    assert known_secrets({"MY_API_KEY": SECRET, "DB_PASSWORD": "short", "PATH": "/usr/bin/keys"}) == (SECRET,)
