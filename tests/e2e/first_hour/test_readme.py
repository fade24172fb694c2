"""The commands of the README's next steps, pasted in their order, with simulators in place of accounts."""

import os
import re
import shlex
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import pytest

from tests.fakes.screen import VPSOPS, Screen
from tests.harness.repository import ROOT
from vpsops.bot.diagnostics.workspace import SCOPES
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
MOST_LINES: Final = 8
BOT: Final = "vpsops bot"
KEY: Final = "wayscloud_vps_try"


def steps() -> list[list[str]]:
    """Return the lines of the three next steps."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Three next steps\n")[2].partition("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"^```\n(.*?)^```", section, re.DOTALL | re.MULTILINE)]


def test_each_step_is_pasted_at_once() -> None:
    """Three blocks of eight lines at most."""
    assert [len(lines) <= MOST_LINES for lines in steps()] == [True] * 3


@pytest.mark.requirement("readme-runs")
async def test_the_steps_work_when_they_are_pasted(tmp_path: Path) -> None:
    """In an empty folder: init, a reboot that a person confirms, Slack, the bot, a policy, and doctor ends with 0."""
    config = WorkspaceConfig(scopes=frozenset(SCOPES))
    async with (
        running_simulator(SimulatorConfig(speed=600.0, keys=(KEY,))) as provider,
        running_workspace(config) as slack,
    ):
        script = tmp_path / "pasted.sh"
        script.write_text("\n".join(_written(steps(), _stand_ins(provider.url, config))) + "\n")
        home = {"HOME": str(tmp_path / "home"), "SLACK_API_URL": slack.api_url, "PYTHONPATH": str(ROOT)}
        folder = tmp_path / "empty"
        folder.mkdir()
        screen = Screen(
            {"PATH": os.environ["PATH"], "TERM": "xterm", **home}, str(script), program=("bash",), folder=folder
        )
        for question, answer in (("Reboot web01.example.com? [y/N]", "y"), ("Type yes:", "yes")):
            await anyio.to_thread.run_sync(screen.wait_for_next, question)
            screen.type(f"{answer}\n")
        await anyio.to_thread.run_sync(screen.wait_for_next, "every step was pasted")
        screen.end()
        assert f"vpsops policy apply {folder / 'mine' / 'vpsops.toml'}" in screen.text
        assert "Reboot web01.example.com: done." in screen.text
        assert "bot: connected to Slack by Socket Mode" in screen.text
        codes = re.findall(r"^<(\d+)> (.*?)\r?$", screen.text, re.MULTILINE)
        assert [line for code, line in codes if code != "0"] == [line for _, line in codes if "--replace" in line]
        assert provider.simulator.world.counts["reboot"] == 1


def _stand_ins(provider: str, config: WorkspaceConfig) -> dict[str, str]:
    """Return what stands for the README's accounts and paths."""
    return {
        ".venv-run/bin/vpsops": shlex.join(VPSOPS),
        "http://127.0.0.1:8440": provider,
        "xoxb-…": config.bot_token,
        "xapp-…": config.app_token,
        "C0456": "C0APPROVALS",
        "you@example.com": "bob@acme.example",
    }


def _written(blocks: list[list[str]], stands_for: dict[str, str]) -> list[str]:
    """Return a script of the lines, with each one's exit code behind it; the bot runs beside the rest."""
    lines: list[str] = []
    for line in (line for block in blocks for line in block):
        run = line
        for name, value in stands_for.items():
            run = run.replace(name, value)
        if line.endswith(BOT):
            lines += [f"{run} >bot.txt 2>&1 & bot=$!", 'until grep -m 1 "bot: connected" bot.txt; do sleep 0.2; done']
        else:
            lines += [run, f'echo "<$?> "{shlex.quote(line)}']
    return [*lines, "kill $bot; wait $bot", "echo every step was pasted"]
