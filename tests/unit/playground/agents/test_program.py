"""A program as an agent: what its lines mean, and each way it can fail is one clear line."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.patience import PATIENCE_SECONDS, eventually
from vpsops.playground.agents.model import Final, ModelError, ModelToolCall, Transcript
from vpsops.playground.agents.program import (
    LONGEST_LINE,
    ModelProgram,
    parse_answer,
    program_name,
    program_words,
    running_program,
)

TASK = Transcript("instructions", "a task")
processes = [pytest.mark.slow, pytest.mark.real_time]


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (b'{"final": "done"}', Final("done")),
        (b'{"final": ""}', Final("")),
        (b'{"tool": "vps_list", "arguments": {"limit": 1}}', ModelToolCall("vps_list", {"limit": 1})),
        (b'{"tool": "vps_list", "arguments": null}', ModelToolCall("vps_list", {})),
        (b'{"tool": "vps_list"}', ModelToolCall("vps_list", {})),
        (b'{"tool": "vps_list", "thought": "I see.", "more": 1}', ModelToolCall("vps_list", {}, "I see.")),
    ],
)
def test_an_answer_is_a_call_or_the_last_word(line: bytes, meant: ModelToolCall | Final) -> None:
    assert parse_answer(line) == meant


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "not JSON: "),
        (b"Thinking about it", "not JSON: Thinking about it"),
        (b'{"tool": "x", "arguments": {"a": NaN}}', "not JSON"),
        (b'{"final": "\\ud800"}', "not JSON"),
        (b"[" * 5_000, "not JSON"),
        (b"[]", "neither a call nor a final answer: []"),
        (b"null", "neither"),
        (b"{}", "neither"),
        (b'{"tool": ""}', "neither"),
        (b'{"arguments": {}}', "neither"),
        (b'{"tool": "x", "arguments": 1}', "neither"),
        (b'{"tool": ["x"]}', "neither"),
        (b'{"final": {"text": "x"}}', "neither"),
    ],
)
def test_any_other_line_is_quoted_in_an_error(line: bytes, words: str) -> None:
    with pytest.raises(ModelError, match="The agent's program wrote a line") as error:
        parse_answer(line)
    assert words in str(error.value)
    assert len(str(error.value)) < 300


def test_a_line_of_control_characters_is_one_clean_line() -> None:
    with pytest.raises(ModelError) as error:
        parse_answer(b"\x1b[31mred\x1b[0m\r\nmore \xff")
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["/usr/bin/python3", "/home/ann/agent.py", "--key", "sk-1"], "python3 agent.py"),
        (["llm", "--key", "sk-1"], "llm"),
        (["env", "KEY=sk-1", "agent"], "env"),
        (["-x"], "a program"),
    ],
)
def test_a_programs_name_has_no_folder_and_no_option(words: Sequence[str], name: str) -> None:
    assert program_name(words) == name


def test_a_command_is_split_as_a_shell_does() -> None:
    assert program_words(f"'{sys.executable}' -c 'print(1)'") == [sys.executable, "-c", "print(1)"]


@pytest.mark.parametrize("command", ["", "   ", "'open", "there-is-no-such-program-here x"])
def test_a_command_that_cannot_run_is_refused_at_once(command: str) -> None:
    with pytest.raises(ValueError, match=r"empty|quotation|no program there-is-no-such-program-here"):
        program_words(command)


@asynccontextmanager
async def running(source: str, seconds: float = PATIENCE_SECONDS) -> AsyncIterator[ModelProgram]:
    async with running_program([sys.executable, "-c", source], seconds, lambda _text: None) as program:
        yield program


class TestProcesses:
    """With real programs."""

    pytestmark = processes

    async def test_each_turn_is_one_line_in_and_one_out(self) -> None:
        source = (
            "import json, sys\n"
            "for line in sys.stdin:\n"
            "    asked = json.loads(line)\n"
            "    print(json.dumps({'final': asked['request'] + asked['tools'][0]['name']}), flush=True)\n"
        )
        async with running(source) as program:
            for _ in range(2):
                assert await program.act([{"name": "vps_list"}], TASK) == Final("a taskvps_list")

    async def test_one_that_ends_is_named_with_its_last_words(self) -> None:
        async with running("import sys; sys.stdin.readline(); raise RuntimeError('no key')") as program:
            with pytest.raises(ModelError, match=r"^The agent's program ended with exit code 1: RuntimeError: no key$"):
                await program.act([], TASK)

    async def test_one_that_ends_before_it_reads_is_named_too(self) -> None:
        async with running("raise SystemExit(3)") as program:
            with pytest.raises(ModelError, match=r"ended with exit code 3\.$"):
                await program.act([{"description": "x" * 500_000}], TASK)

    async def test_one_that_closes_its_output_is_not_waited_for(self) -> None:
        async with running("import os, time; os.close(1); time.sleep(600)") as program:
            with pytest.raises(ModelError, match=r"closed its output\.$"):
                await program.act([], TASK)

    async def test_one_that_hangs_is_bounded(self) -> None:
        async with running("import time; time.sleep(600)", seconds=0.2) as program:
            with pytest.raises(ModelError, match="did not answer within"):
                await program.act([], TASK)

    async def test_a_line_without_end_is_bounded(self) -> None:
        async with running("while True: print('x' * 65536, end='')") as program:
            with pytest.raises(ModelError, match=f"more than {LONGEST_LINE} bytes"):
                await program.act([], TASK)

    async def test_what_it_writes_beside_fills_nothing(self) -> None:
        source = (
            "import sys\nsys.stdin.readline()\nsys.stderr.write('e' * 3_000_000)\n"
            'print(\'{"final": "x"}\', flush=True)\nsys.stdin.read()'
        )
        async with running(source) as program:
            assert await program.act([], TASK) == Final("x")
            assert len(program.errors) <= 4_000

    async def test_one_that_cannot_start_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="could not be started: "):
            async with running_program([str(tmp_path)], 1, lambda _text: None):
                pass

    async def test_all_that_it_started_ends_with_it(self, tmp_path: Path) -> None:
        """Also what ignores being asked to end."""
        note = tmp_path / "pid"
        child = (
            "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
        )
        source = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}, {str(note)!r}])"
        async with running(source):
            await eventually(lambda: note.exists() and note.read_text() != "")
        pid = int(note.read_text())
        await eventually(lambda: not _is_running(pid))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
