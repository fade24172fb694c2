"""`vpsops runbook` at the terminal, and the worked example of the page about it, run on the simulator."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.runbooks.command import check
from vpsops.cli.runbooks.registry import Applier, apply_runbooks, files_of
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.config.settings import load_settings
from vpsops.core.storage import open_database
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

KEY: Final = "wayscloud_vps_test1_SECRET"
PAGE: Final = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
RUNBOOK: Final = re.compile(r"^```toml\n(name = .*?)^```$", re.MULTILINE | re.DOTALL)
POLICY: Final = re.compile(r"^```toml\n(\[\[rule.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
async def fleet() -> AsyncIterator[SimulatorHandle]:
    """The fleet of `vpsops simulator --fleet 12`."""
    async with running_simulator(SimulatorConfig(speed=600.0, fleet=12), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def rules() -> str:
    """Return the rules besides those of the page."""
    return ""


@pytest.fixture
def terminal(
    fleet: SimulatorHandle, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str
) -> FakeTerminal:
    (policy,), (runbook,) = POLICY.findall(PAGE), RUNBOOK.findall(PAGE)
    (tmp_path / "vpsops.toml").write_text(policy + rules)
    (tmp_path / "grow.toml").write_text(runbook)
    monkeypatch.chdir(tmp_path)
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": fleet.url, "VPSOPS_DATABASE_URL": database_url}
    values |= {"VPSOPS_ACTOR": "ann@example.com", "VPSOPS_CONFIG": str(tmp_path / "vpsops.toml")}
    return FakeTerminal(load_settings(values))


async def test_the_example_of_the_page_runs_as_it_says(terminal: FakeTerminal) -> None:
    """Every line that the page shows below a command is what the command shows, in that order."""
    (console,) = CONSOLE.findall(PAGE)
    commands = re.findall(r"^\$ vpsops (.+)\n((?:[^$].*\n)*)", console, re.MULTILINE)
    assert len(commands) == 2
    for command, expected in commands:
        await terminal.run(*shlex.split(command))
        shown = iter([*"\n".join(terminal.err).splitlines(), *terminal.result.splitlines()])
        for line in expected.splitlines():
            assert any(line in other for other in shown), (command, line, terminal.err, terminal.result)


async def test_a_runbook_is_asked_about_once(terminal: FakeTerminal) -> None:
    """A no withdraws all of it, and nothing is sent."""
    terminal.typed = ("n",)
    assert await terminal.run("runbook", "run", "grow.toml", "servers=web01", "plan=vps-8gb-4cpu") == 6
    assert terminal.asked == ["Run the runbook grow? [y/N] "]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), r"servers is missing\. plan is missing\."),
        (("servers=web01", "plan=a b"), "plan takes one plan"),
        (("servers=web01", "plan=x", "size=1"), "size is no argument"),
        (("web01",), "web01 is no argument"),
        (("plan=a", "plan=b"), "plan is there twice"),
        (("servers=nosuch99", "plan=x"), "nosuch99"),
        (("servers=,", "plan=x"), "servers takes names"),
    ],
)
async def test_arguments_that_do_not_fit_request_nothing(
    terminal: FakeTerminal, words: tuple[str, ...], why: str
) -> None:
    """The answer says which, and what the runbook takes."""
    with pytest.raises(InvalidInputError, match=why):
        await terminal.run("runbook", "run", "grow.toml", *words)


STRICTER: Final = """
[[rule]]
id = "larger"
operation = "resize"
decision = "approve"
votes = 2
approvers = { people = ["U0BEN", "U0EVE", "U0DAN"] }
"""


@pytest.mark.parametrize("rules", [STRICTER])
async def test_explain_names_the_rules_of_each_step(terminal: FakeTerminal) -> None:
    """With what each decides and who would have to agree, the strictest marked; in the document for scripts as well."""
    words = ("runbook", "explain", "grow.toml", "servers=web01", "plan=vps-8gb-4cpu")
    await terminal.run(*words)
    shown = "\n".join(terminal.err)
    assert "step 1, snapshot: confirm by the rule all" in shown
    assert "step 3, resize: approve by the rules larger, all (decides the whole): 2 people in Slack" in shown
    assert "step 3, if it fails, start: confirm by the rule all" in shown
    assert shown.count("decides the whole") == 1
    await terminal.run(*words, "--json")
    parts = {part["part"]: part for part in json.loads(terminal.result)["parts"]}
    assert parts["step 3, resize"] == {
        "part": "step 3, resize",
        "decision": "approve",
        "rules": ["larger", "all"],
        "votes": 2,
        "approvers": [["U0BEN", "U0DAN", "U0EVE"]],
        "decides": True,
    }
    assert [parts["step 2, stop"][name] for name in ("decision", "decides")] == ["confirm", False]


def test_check_says_what_a_file_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each step, with what is done where it fails."""
    (text,) = RUNBOOK.findall(PAGE)
    path = tmp_path / "grow.toml"
    path.write_text(text)
    assert check(str(path)) == 0
    shown = capsys.readouterr().out
    assert "It takes: grow servers=SERVERS plan=PLAN" in shown
    assert "3  resize {servers}; if it fails: start" in shown


def test_check_says_everything_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each problem, with the file's line."""
    path = tmp_path / "bad.toml"
    path.write_text('name = "x"\nnote = 1\n[[step]]\noperation = "delete"\nservers = "web01"\n')
    assert check(str(path)) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{path}:1: description is missing.")
    assert "2: unknown key note" in lines[1]
    assert "4: step 1: delete is no step of a runbook." in lines[2]


async def test_a_registered_runbook_runs_by_its_name(terminal: FakeTerminal) -> None:
    """As its file does, after a yes to what it holds; a name that there is not says so, and nothing is requested."""
    words = ("runbook", "run", "grow", "servers=web01", "plan=vps-8gb-4cpu", "--yes")
    with pytest.raises(InvalidInputError, match="There is no runbook called 'grow'"):
        await terminal.run(*words)
    files, clock, asked = files_of(["grow.toml"]), VirtualClock(), list[str]()
    assert files is not None
    async with open_database(terminal.settings.database, clock) as database:
        for answer, code in (("no", 6), ("yes", 0)):
            ask = partial(_answered, asked, answer)
            assert await apply_runbooks(files, database, Applier(terminal.settings, clock), yes=False, ask=ask) == code
    assert asked == ["Apply 1 runbook for all processes? Type yes: "] * 2
    assert await terminal.run(*words) == 0
    assert "4 of 4 done." in terminal.result


def _answered(asked: list[str], answer: str, question: str) -> str:
    asked.append(question)
    return answer
