"""Any program as an agent: a line of JSON on its standard input for each turn, and a line of JSON back."""

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import PurePath
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.text import TextReceiveStream
from pydantic import BaseModel, ValidationError

from vpsops.core.common.text import one_line
from vpsops.playground.agents.model import Final as FinalAnswer
from vpsops.playground.agents.model import ModelError, ModelToolCall, Transcript

LONGEST_LINE: Final = 1_000_000
"""Bytes of one answer."""
STOP_SECONDS: Final = 2.0
QUOTED: Final = 160
"""Characters of a program's own words in an error."""
TAIL: Final = 4_000
"""Characters of a program's standard error that are kept."""


Stream = TypeVar("Stream")


class ProgramAnswer(BaseModel):
    """One line of a program: a call, with a thought where it has one, or its final answer."""

    tool: str | None = None
    arguments: dict[str, Any] | None = None
    thought: str = ""
    final: str | None = None


def parse_answer(line: bytes) -> ModelToolCall | FinalAnswer:
    """Return a program's answer. Raises `ModelError`."""
    said = one_line(line[: QUOTED * 4].decode(errors="replace"), QUOTED)
    try:
        answer = ProgramAnswer.model_validate_json(line)
        json.dumps(answer.arguments, allow_nan=False)  # NaN and Infinity are no JSON, and break what reads on
    except ValueError as wrong:
        is_json = isinstance(wrong, ValidationError) and wrong.errors()[0]["type"] != "json_invalid"
        kind = "that is neither a call nor a final answer" if is_json else "that is not JSON"
        raise ModelError(f"The agent's program wrote a line {kind}: {said}") from None
    if answer.final is not None:
        return FinalAnswer(answer.final)
    if not answer.tool:
        raise ModelError(f"The agent's program wrote a line that is neither a call nor a final answer: {said}")
    return ModelToolCall(answer.tool, answer.arguments or {}, answer.thought)


def program_words(command: str) -> list[str]:
    """Return the words of a command. Raises ValueError where it cannot be split, or its program is not there."""
    words = shlex.split(command)
    if not words:
        raise ValueError("it is empty")
    if shutil.which(words[0]) is None:
        raise ValueError(f"there is no program {words[0]}")
    return words


def program_name(words: Sequence[str]) -> str:
    """Return how a program is called in front of people: no folders, no options, which may hold a key."""
    plain: list[str] = []
    for word in words[:2]:
        if word.startswith("-") or "=" in word:
            break
        plain.append(PurePath(word).name)
    return " ".join(plain) or "a program"


class ModelProgram:
    """A running program that is asked for each step; see `running_program`."""

    def __init__(self, process: Process, seconds: float) -> None:
        self._process = process
        self._input = _piped(process.stdin)
        self._lines = BufferedByteReceiveStream(_piped(process.stdout))
        self._seconds = seconds
        self.errors: deque[str] = deque(maxlen=TAIL)
        self.silent = anyio.Event()
        """Set once its standard error is at its end."""

    async def act(self, tools: Sequence[Mapping[str, Any]], transcript: Transcript) -> ModelToolCall | FinalAnswer:
        """Send `{"tools", "instructions", "request", "turns"}`, take `{"tool", "arguments", "thought"}` or `{"final"}`.

        Raises `ModelError`.
        """
        asked = json.dumps({"tools": list(tools), **asdict(transcript)}).encode() + b"\n"
        try:
            with anyio.fail_after(self._seconds):
                return parse_answer(await self._exchange(asked))
        except TimeoutError:
            raise ModelError(f"The agent's program did not answer within {self._seconds:.0f} s.") from None
        except anyio.DelimiterNotFound:
            raise ModelError(f"The agent's program wrote a line of more than {LONGEST_LINE} bytes.") from None
        except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise ModelError(await self._end()) from None

    async def _exchange(self, asked: bytes) -> bytes:
        with suppress(anyio.BrokenResourceError):  # it may have answered before its end
            await self._input.send(asked)
        return await self._lines.receive_until(b"\n", LONGEST_LINE)

    async def _end(self) -> str:
        """Return how the program ended, with the last line of its standard error."""
        code: int | None = None
        with anyio.move_on_after(STOP_SECONDS):
            code = await self._process.wait()
            await self.silent.wait()
        ended = "closed its output" if code is None else f"ended with exit code {code}"
        lines = "".join(self.errors).strip().splitlines()
        return f"The agent's program {ended}" + (f": {one_line(lines[-1], QUOTED)}" if lines else ".")


@asynccontextmanager
async def running_program(
    words: Sequence[str], seconds: float, echo: Callable[[str], object]
) -> AsyncIterator[ModelProgram]:
    """Run a program with this process's environment, and end it with all that it started.

    `seconds` bound each of its turns; `echo` gets its standard error. Raises `ModelError` where it cannot be started.
    """
    try:
        process = await anyio.open_process(
            list(words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise ModelError(f"The agent's program could not be started: {error.strerror}: {words[0]}") from None
    program = ModelProgram(process, seconds)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_drain, process, program, echo)
            try:
                yield program
            finally:
                group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _drain(process: Process, program: ModelProgram, echo: Callable[[str], object]) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for text in TextReceiveStream(_piped(process.stderr), errors="replace"):
            program.errors.extend(text)
            echo(text)
    program.silent.set()


def _piped(stream: Stream | None) -> Stream:
    if stream is None:
        raise ModelError("The agent's program has no standard input or output.")
    return stream


async def _stop(process: Process) -> None:
    """End the program's process group: politely, and after `STOP_SECONDS` by force."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with anyio.move_on_after(STOP_SECONDS):
            await process.wait()
    _signal(process, signal.SIGKILL)
    await process.aclose()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
