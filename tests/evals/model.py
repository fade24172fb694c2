"""What plays a scenario: anything that is shown the tools and what happened so far, and says what it does next."""

import json
import shlex
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

LONGEST_LINE = 1_000_000


@dataclass(frozen=True, slots=True)
class ModelToolCall:
    """The agent calls a tool."""

    tool: str
    arguments: Mapping[str, Any]


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
    """An agent under test."""

    async def act(self, tools: Sequence[Mapping[str, Any]], transcript: Transcript) -> ModelToolCall | Final:
        """Return the next call, or the final answer; raises `UnclearAnswerError` where there is neither."""


class UnclearAnswerError(Exception):
    """An answer that is neither a call nor a final answer."""


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


class ModelProgram:
    """Any program: a line of JSON on its input for each turn, a line of JSON back. Started once for each scenario."""

    def __init__(self, command: str, seconds: float) -> None:
        self._command = shlex.split(command)
        self._seconds = seconds
        self._running: tuple[Process, BufferedByteReceiveStream] | None = None

    async def act(self, tools: Sequence[Mapping[str, Any]], transcript: Transcript) -> ModelToolCall | Final:
        """Send `{"tools", "instructions", "request", "turns"}`, take `{"tool", "arguments"}` or `{"final"}`."""
        process, lines = await self._started()
        assert process.stdin is not None
        line = json.dumps({"tools": list(tools), **asdict(transcript)}) + "\n"
        with anyio.fail_after(self._seconds):
            await process.stdin.send(line.encode())
            text = await lines.receive_until(b"\n", LONGEST_LINE)
        return understood(text)

    async def _started(self) -> tuple[Process, BufferedByteReceiveStream]:
        if self._running is None:
            process = await anyio.open_process(self._command, stderr=None)
            assert process.stdout is not None
            self._running = process, BufferedByteReceiveStream(process.stdout)
        return self._running

    async def aclose(self) -> None:
        """End the program."""
        if self._running is not None:
            process, _ = self._running
            with suppress(ProcessLookupError):  # it has ended by itself
                process.terminate()
            await process.aclose()


def understood(line: bytes) -> ModelToolCall | Final:
    """Return a program's answer; raises `UnclearAnswerError`."""
    try:
        answer = json.loads(line)
        if "final" in answer:
            return Final(str(answer["final"]))
        return ModelToolCall(str(answer["tool"]), dict(answer.get("arguments") or {}))
    except (ValueError, TypeError, KeyError) as wrong:
        raise UnclearAnswerError(f"neither a call nor a final answer: {line[:200]!r}") from wrong
