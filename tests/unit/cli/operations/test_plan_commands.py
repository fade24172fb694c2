"""Plans at the terminal, and the worked examples of the page about them, each run on the simulator."""

import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.core.common.errors import InvalidInputError, UnknownServerError
from vpsops.core.config.settings import load_settings
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

KEY: Final = "wayscloud_vps_test1_SECRET"
PAGE: Final = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
EXAMPLE: Final = re.compile(r"^## Example: (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
POLICY: Final = re.compile(r"^```toml\n(\[\[rule.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE: Final = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
async def fleet() -> AsyncIterator[SimulatorHandle]:
    """The fleet of `vpsops simulator --fleet 12`."""
    async with running_simulator(SimulatorConfig(speed=600.0, fleet=12), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
def terminal(fleet: SimulatorHandle, database_url: str, tmp_path: Path) -> FakeTerminal:
    (policy,) = POLICY.findall(PAGE)
    (tmp_path / "vpsops.toml").write_text(policy)
    values = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": fleet.url, "VPSOPS_DATABASE_URL": database_url}
    values |= {"VPSOPS_ACTOR": "ann@example.com", "VPSOPS_CONFIG": str(tmp_path / "vpsops.toml")}
    return FakeTerminal(load_settings(values))


@pytest.mark.parametrize(("title", "text"), EXAMPLE.findall(PAGE), ids=lambda value: value.split("\n")[0][:30])
async def test_an_example_of_the_page_runs_as_it_says(terminal: FakeTerminal, title: str, text: str) -> None:
    """Every line that the page shows below a command is what the command shows, in that order."""
    (console,) = CONSOLE.findall(text)
    commands = re.findall(r"^\$ vpsops (.+)\n((?:[^$].*\n)*)", console, re.MULTILINE)
    assert len(commands) > 1, title
    for command, expected in commands:
        await terminal.run(*shlex.split(command))
        shown = iter([*"\n".join(terminal.err).splitlines(), *terminal.result.splitlines()])
        for line in expected.splitlines():
            assert any(line in other for other in shown), (command, line, terminal.err, terminal.result)


async def test_a_plan_is_asked_about_once(terminal: FakeTerminal, fleet: SimulatorHandle) -> None:
    """One question names the servers; a no withdraws the plan, and nothing is sent."""
    terminal.typed = ("n",)
    assert await terminal.run("reboot", "web01", "web05", "worker*", "--because", "patch") == 6
    assert terminal.asked == ["Reboot 4 servers? [y/N] "]
    shown = "".join(terminal.err)
    assert "worker03.staging.oslo.example.com, worker06.prod.stockholm.example.com" in shown
    assert list(fleet.simulator.world.counted("reboot")) == []


@pytest.mark.parametrize(
    "words",
    [
        ("reboot", "web01", "--at-once", "2"),
        ("reboot", "web*", "--at-once", "many"),
        ("reboot", "web*", "--pause", "soon"),
        ("reboot", "web*", "--probe", "ftp:21"),
        ("delete", "web01", "web05"),
        ("resize", "web*", "plan=vps-8gb-4cpu"),
    ],
)
async def test_what_is_no_plan_is_refused(terminal: FakeTerminal, fleet: SimulatorHandle, words: list[str]) -> None:
    """Nothing is guessed, and nothing is sent."""
    with pytest.raises((InvalidInputError, UnknownServerError)):
        await terminal.run(*words)
    assert list(fleet.simulator.world.counted()) == []


@pytest.mark.parametrize("words", [("web01,web05",), ("web01,", "web05"), ("web01,web05,",), ("web01", "web05")])
async def test_commas_join_names_as_spaces_do(
    terminal: FakeTerminal, fleet: SimulatorHandle, words: tuple[str, ...]
) -> None:
    """For each operation that takes several servers."""
    assert await terminal.run("reboot", *words, "--yes") == 0
    assert fleet.simulator.world.counts["reboot"] == 2


async def test_what_takes_one_server_says_so_of_several(terminal: FakeTerminal, fleet: SimulatorHandle) -> None:
    """Names joined by commas are not one that is unknown."""
    with pytest.raises(InvalidInputError, match="web01,web05, and one server is meant"):
        await terminal.run("delete", "web01,web05")
    assert list(fleet.simulator.world.counted()) == []


async def test_other_arguments_are_those_of_every_server(terminal: FakeTerminal, fleet: SimulatorHandle) -> None:
    """`vpsops label web01,web05 wave=1` labels both."""
    assert await terminal.run("label", "web01,web05", "wave=1", "--yes") == 0
    labelled = [server for server in fleet.simulator.world.servers() if server.labels.get("wave") == "1"]
    assert sorted(server.hostname for server in labelled) == ["web01.example.com", "web05.staging.oslo.example.com"]


async def test_a_document_tells_how_a_plan_ended(terminal: FakeTerminal) -> None:
    """`--json` prints the plan as any change."""
    assert await terminal.run("reboot", "web*", "--yes", "--json") == 0
    assert terminal.document["change"]["operation"] == "plan_reboot"
