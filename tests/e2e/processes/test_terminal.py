"""Command lines as processes of their own: a read, a change that this process runs, a question, an interruption."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.fakes.provider import KEY
from tests.fakes.screen import VPSOPS, Screen
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "scripts"
origin = "cli"
actor = "agent"
operation = "reboot"
decision = "allow"

[[rule]]
id = "people"
origin = "cli"
actor = "person"
risk = ["change", "disruptive"]
decision = "confirm"
"""


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0)) as handle:
        yield handle


def environ(provider: SimulatorHandle, folder: Path) -> dict[str, str]:
    (folder / "vpsops.toml").write_text(POLICY)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TERM": "xterm",
        "WAYSCLOUD_API_KEY": KEY,
        "WAYSCLOUD_API_URL": provider.url,
        "VPSOPS_CONFIG": str(folder / "vpsops.toml"),
        "VPSOPS_DATABASE_URL": f"sqlite:///{folder / 'vpsops.sqlite3'}",
        "VPSOPS_ACTOR": "ann@example.com",
    }


async def piped(env: Mapping[str, str], *words: str) -> tuple[int, str, str]:
    """Run a command line without a terminal."""
    done = await anyio.run_process([*VPSOPS, *words], env=dict(env), check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_a_reader_that_stops_reading_is_no_fault(provider: SimulatorHandle, tmp_path: Path) -> None:
    """`vpsops list | head -1`: the rest of the list has no reader, and no line reports that."""
    words = f"{shlex.join([*VPSOPS, 'list'])} | true"
    env = environ(provider, tmp_path) | {"PYTHONUNBUFFERED": "1"}  # what is written fails within the task group
    done = await anyio.run_process(["bash", "-c", words], env=env, check=False)
    assert done.stderr.decode() == ""


@pytest.mark.requirement("terminal-programs")
async def test_a_script_reads_and_runs_what_the_policy_allows(provider: SimulatorHandle, tmp_path: Path) -> None:
    """One document on standard output; the change is run by the command itself, to its end; others are refused."""
    env = environ(provider, tmp_path)
    code, out, _ = await piped(env, "list", "--json")
    assert (code, "web01.example.com" in out, "\x1b" in out) == (0, True, False)
    code, out, _ = await piped(env, "ask", "reboot", "web01", "--because", "nightly", "--json")
    assert (code, json.loads(out)["outcome"], json.loads(out)["change"]["state"]) == (0, "done", "succeeded")
    assert provider.simulator.world.counts["reboot"] == 1
    assert await piped(env, "complete", "--", "show", "we") == (0, "web01.example.com\n", "")
    assert (await piped(env, "complete", "--", "follow", ""))[1].startswith("chg_")
    code, out, err = await piped(env, "stop", "web01", "--yes")
    assert (code, out) == (6, "")
    assert "Traceback" not in err
    assert provider.simulator.world.counts["stop"] == 0


async def test_a_person_is_asked_in_colour(provider: SimulatorHandle, tmp_path: Path) -> None:
    """The question is at the terminal, `y` runs it; the change is followed on the same screen."""
    screen = Screen(environ(provider, tmp_path), "stop", "web01")
    await anyio.to_thread.run_sync(screen.wait_for, "Stop web01.example.com? [y/N]")
    screen.type("y\n")
    assert await anyio.to_thread.run_sync(screen.end) == 0
    assert "\x1b[" in screen.text
    assert "Stop web01.example.com: done." in screen.text
    assert provider.simulator.world.counts["stop"] == 1


@pytest.mark.requirement("terminal-interrupted")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_question_leaves_nothing_behind(
    provider: SimulatorHandle, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end the question at once: the change is withdrawn, and the server is free."""
    env = environ(provider, tmp_path)
    screen = Screen(env, "stop", "web01")
    await anyio.to_thread.run_sync(screen.wait_for, "[y/N]")
    screen.process.send_signal(number)
    assert await anyio.to_thread.run_sync(screen.end) == 130
    assert "Nothing was done." in screen.text
    assert "Traceback" not in screen.text
    code, out, _ = await piped(env, "changes", "--state", "cancelled")
    assert (code, "stop" in out) == (0, True)
    assert provider.simulator.world.counts["stop"] == 0
