"""`vpsops playground`: which program plays the agent, and a wrong one is one line before anything starts."""

import argparse
import sys

import pytest

from vpsops.cli import main as console
from vpsops.playground.web.cli import AGENT_MODEL, add_arguments, options_of


@pytest.mark.parametrize(
    ("words", "variable", "program"),
    [
        ([], "", ()),
        (["--agent-model", f"{sys.executable} agent.py"], "", (sys.executable, "agent.py")),
        ([], f"{sys.executable} agent.py", (sys.executable, "agent.py")),
        (["--agent-model", f"{sys.executable} a.py"], f"{sys.executable} b.py", (sys.executable, "a.py")),
        (["--agent-model", ""], f"{sys.executable} b.py", ()),
    ],
)
def test_the_program_is_the_options_or_the_environments(
    words: list[str], variable: str, program: tuple[str, ...]
) -> None:
    """An empty option takes the environment's away: the agent is scripted."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    environ = {AGENT_MODEL: variable} if variable else {}
    assert options_of(parser.parse_args(words), environ).agent_program == program


@pytest.mark.parametrize(
    ("command", "why"), [("no-such-program-here x", "there is no program no-such-program-here"), ("'open", "quotation")]
)
def test_a_program_that_is_not_there_is_one_line(command: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.main(["playground", "--agent-model", command]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert AGENT_MODEL in error
    assert error.count("\n") == 1
