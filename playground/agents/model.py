"""What decides an agent's next step: anything that is shown the tools and what happened so far."""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ModelToolCall:
    """The agent calls a tool; `thought` is what it says about that, for people."""

    tool: str
    arguments: Mapping[str, Any]
    thought: str = ""


@dataclass(frozen=True, slots=True)
class Final:
    """The agent's final message to its human."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelTurn:
    """A call and what came back of it; `failed` is the result's `isError`."""

    tool: str
    arguments: Mapping[str, Any]
    text: str
    failed: bool
    structured: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Transcript:
    """All an agent knows: the server's instructions, what its human wants, and the turns so far."""

    instructions: str
    request: str
    turns: tuple[ModelTurn, ...] = ()


class Model(Protocol):
    """What plays the agent."""

    async def act(self, tools: Sequence[Mapping[str, Any]], transcript: Transcript) -> ModelToolCall | Final:
        """Return the next call, or the final answer. Raises `ModelError` where there is neither."""


class ModelError(Exception):
    """No next step: the message is one line for people, which may quote what the model wrote."""


class TurnLimitError(ModelError):
    """The agent made as many calls as it may, and did not come to an end."""


Perform = Callable[[ModelToolCall], Awaitable[ModelTurn]]


async def run_turns(
    model: Model, tools: Sequence[Mapping[str, Any]], transcript: Transcript, perform: Perform, most: int
) -> str:
    """Let a model call tools until its final answer, and return that.

    Raises `ModelError` where the model gives none, and `TurnLimitError` instead of a call beyond `most`.
    """
    while True:
        answer = await model.act(tools, transcript)
        if isinstance(answer, Final):
            return answer.text
        if len(transcript.turns) >= most:
            raise TurnLimitError(f"The agent made {most} calls and did not come to an end.")
        transcript = replace(transcript, turns=(*transcript.turns, await perform(answer)))


Script = Generator[ModelToolCall, ModelTurn, str]


def call(tool: str, /, **arguments: Any) -> ModelToolCall:
    """Return a call, for scripts."""
    return ModelToolCall(tool, arguments)


class Scripted:
    """A deterministic agent: a generator that yields calls, is sent their results and returns its final answer."""

    def __init__(self, script: Callable[[], Script]) -> None:
        self._script = script()
        self._begun = False

    async def act(self, tools: Sequence[Mapping[str, Any]], transcript: Transcript) -> ModelToolCall | Final:
        """Return what the script does next."""
        del tools
        try:
            if not self._begun:
                self._begun = True
                return next(self._script)
            return self._script.send(transcript.turns[-1])
        except StopIteration as end:
            return Final(str(end.value))
