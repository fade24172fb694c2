"""Tasks for the agent: what it thinks, calls and is asked, step by step, until its answer or its bounds."""

import itertools
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Literal

import anyio
from anyio.abc import TaskGroup

from vpsops.core.common.redaction import Redactor
from vpsops.core.common.text import bound, duration
from vpsops.playground.agents.model import Model, ModelError, ModelToolCall, ModelTurn, Transcript, run_turns
from vpsops.playground.agents.program import program_name, running_program
from vpsops.playground.agents.scripted_agent import scripted_agent
from vpsops.playground.agents.tasks import LONGEST_TASK, SAMPLES
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.agent import Agent, AgentCall, PageOrderError, error_words
from vpsops.playground.web.events.change_notifier import Bell

MOST_CALLS: Final = 15
TURN_SECONDS: Final = 60.0
"""How long a program may think about one step."""
RUN_SECONDS: Final = 900.0
"""How long a task may take, what waits for people included."""
KEPT_RUNS: Final = 3
LONGEST_TEXT: Final = 4_000
"""Characters of a thought, answer or error that are shown."""


@dataclass(frozen=True, slots=True)
class AgentPlayer:
    """What plays the agent: `program` is its name for people, empty for the script; `open` starts it on a task."""

    program: str
    open: Callable[[str], AbstractAsyncContextManager[Model]]
    seconds: float = RUN_SECONDS


def player_of(words: Sequence[str]) -> AgentPlayer:
    """Return the program of these words, or the script where there are none."""
    if not words:
        return AgentPlayer("", lambda task: nullcontext(scripted_agent(task)))
    return AgentPlayer(program_name(words), lambda _task: running_program(words, TURN_SECONDS, sys.stderr.write))


StepKind = Literal["thought", "call", "final", "error"]


@dataclass(frozen=True, slots=True)
class RunStep:
    """One thing that happened: words, or a call."""

    kind: StepKind
    text: str = ""
    call: AgentCall | None = None

    def as_json(self) -> Json:
        """Return the step as the page has it."""
        return {"kind": self.kind, "text": self.text, "call": self.call and self.call.as_json()}


@dataclass(slots=True)
class AgentRun:
    """A task that was given; `state` is running, done, failed or stopped."""

    number: int
    task: str
    at: str
    state: str = "running"
    steps: list[RunStep] = field(default_factory=list)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def as_json(self) -> Json:
        """Return the run as the page has it."""
        steps = [step.as_json() for step in self.steps]
        return {"number": self.number, "task": self.task, "at": self.at, "state": self.state, "steps": steps}


class AgentRuns:
    """Gives tasks to what plays the agent, one at a time."""

    def __init__(self, agent: Agent, player: AgentPlayer, group: TaskGroup, bell: Bell, redactor: Redactor) -> None:
        self._agent = agent
        self._player = player
        self._group = group
        self._bell = bell
        self._redactor = redactor
        self._numbers = itertools.count(1)
        self._runs: list[AgentRun] = []

    def as_json(self) -> Json:
        """Return who plays the agent, the sample tasks, and the latest runs."""
        return {
            "program": self._player.program,
            "samples": list(SAMPLES),
            "longest": LONGEST_TASK,
            "most": MOST_CALLS,
            "runs": [run.as_json() for run in self._runs],
        }

    def start(self, task: str, at: str) -> int:
        """Give the agent a task; return the run's number. Raises `PageOrderError`."""
        if not self._agent.tools["tools"]:
            raise PageOrderError("The MCP server is starting.")
        if any(run.state == "running" for run in self._runs):
            raise PageOrderError("The agent has a task already: wait for its end, or stop it.")
        words = self._clean(task).strip()
        if not words or len(words) > LONGEST_TASK:
            raise PageOrderError(f"A task has 1 to {LONGEST_TASK} characters.")
        run = AgentRun(next(self._numbers), words, at)
        self._runs = [*self._runs, run][-KEPT_RUNS:]
        self._group.start_soon(self._work, run)
        self._bell.ring()
        return run.number

    def stop(self, number: int) -> None:
        """End a run, its program and its call. Raises `PageOrderError`."""
        run = next((run for run in self._runs if run.number == number and run.state == "running"), None)
        if run is None:
            raise PageOrderError(f"Task {number} is not under way.")
        self._end(run, "stopped")
        run.scope.cancel()

    async def _work(self, run: AgentRun) -> None:
        try:
            with run.scope, anyio.fail_after(self._player.seconds):
                async with self._player.open(run.task) as model:
                    await self._play(run, model)
        except TimeoutError:
            self._end(run, "failed", f"The task was ended after {duration(self._player.seconds)}.")
        except ModelError as error:
            self._end(run, "failed", str(error))
        except Exception as error:  # noqa: BLE001 - the page shows any error
            self._end(run, "failed", error_words(error))

    async def _play(self, run: AgentRun, model: Model) -> None:
        listed = self._agent.tools["tools"]
        tools = [
            {"name": tool["name"], "description": tool.get("description"), "input_schema": tool["inputSchema"]}
            for tool in listed
        ]
        names = {tool["name"] for tool in tools}

        async def perform(call: ModelToolCall) -> ModelTurn:
            return await self._perform(run, call, call.tool in names)

        try:
            transcript = Transcript(self._agent.tools["instructions"], run.task)
            text = await run_turns(model, tools, transcript, perform, MOST_CALLS)
        except ModelError as error:
            self._end(run, "failed", str(error))
        else:
            self._note(run, "final", text)
            self._end(run, "done")

    async def _perform(self, run: AgentRun, call: ModelToolCall, is_known: bool) -> ModelTurn:
        if call.thought:
            self._note(run, "thought", call.thought)
        if not is_known:
            text = f"There is no tool called {bound(call.tool, 80)}. The agent gets this as an error."
            self._note(run, "error", text)
            return ModelTurn(call.tool, call.arguments, text, True, {})
        made = self._agent.prepare(call.tool, call.arguments)
        run.steps.append(RunStep("call", call=made))
        self._bell.ring()
        await self._agent.perform(made)
        text = made.text or "The call was given up at the page."
        structured = made.structured if isinstance(made.structured, dict) else {}
        return ModelTurn(call.tool, call.arguments, text, made.state != "done", structured)

    def _end(self, run: AgentRun, state: str, why: str = "") -> None:
        if run.state == "running":
            if why:
                self._note(run, "error", why)
            run.state = state
        self._bell.ring()

    def _note(self, run: AgentRun, kind: StepKind, text: str) -> None:
        run.steps.append(RunStep(kind, bound(self._clean(text), LONGEST_TEXT)))
        self._bell.ring()

    def _clean(self, text: str) -> str:
        return self._redactor.text(text)
