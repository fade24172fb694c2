"""`vpsops ends` and `vpsops keep` as processes of their own: their exit codes, streams and document."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.e2e.processes.test_terminal import environ, piped
from tests.fakes.screen import Screen
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
HOST = "load01.example.com"
ORDER = ("--plan", "vps-4gb-2cpu", "--region", "NO", "--os", "debian-12")
LIMITS = '\n[limits]\nmax_life = ["load*=3d"]\n'


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0)) as handle:
        yield handle


async def typed(env: dict[str, str], *words: str) -> tuple[int, str]:
    """Run a command line at a terminal, as a person, and return its exit code and what is on the screen."""
    screen = Screen(env, *words)
    code = await anyio.to_thread.run_sync(screen.end)
    return code, screen.text


async def test_ends_are_listed_and_moved(provider: SimulatorHandle, tmp_path: Path) -> None:
    """Nothing ends at first; then one server does, its owner keeps it at a terminal, and the limit bounds that."""
    env = environ(provider, tmp_path)
    with (tmp_path / "vpsops.toml").open("a") as file:
        file.write(LIMITS)
    assert (await piped(env, "ends"))[:2] == (2, "")  # there is no database yet
    code, text = await typed(env, "create", HOST, *ORDER, "--for", "2d", "--yes")
    assert code == 0, text
    before = await listed(env)
    assert before["server"]["hostname"] == HOST
    assert (before["state"], before["owner"], before["note"]) == ("open", "ann@example.com", "")
    code, text = await typed(env, "keep", "load01", "12h", "--because", "one more run")
    assert code == 0, text
    assert f"{HOST} is kept. It ends at" in text
    after = await listed(env)
    assert moment(after["ends_at"]) - moment(before["ends_at"]) == timedelta(hours=12)
    code, text = await typed(env, "keep", "load01", "1d")
    assert code == 6, text
    assert "max_life (load*=3d)" in text
    assert await listed(env) == after
    code, out, err = await piped(env, "ends")
    assert (code, err) == (0, "")
    assert out.startswith("ENDS AT")
    assert HOST in out


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("keep", "load01"), 2, "TIME"),
        (("keep", "web01", "soon"), 2, "soon"),
        (("keep", "nosuch99", "1d"), 2, "nosuch99"),
        (("keep", "web01", "1d"), 2, "has no end"),
        (("ends", "load01"), 2, "load01"),
    ],
)
async def test_what_cannot_be_kept_is_an_error(
    provider: SimulatorHandle, tmp_path: Path, words: tuple[str, ...], code: int, why: str
) -> None:
    """With an exit code, nothing on standard output, and no traceback."""
    env = environ(provider, tmp_path)
    done, out, err = await piped(env, *words)
    assert (done, out) == (code, ""), err
    assert why in err
    assert "Traceback" not in err


async def test_a_program_does_not_keep_a_server(provider: SimulatorHandle, tmp_path: Path) -> None:
    """Without a terminal it counts as an agent, and no rule lets one keep a server here."""
    env = environ(provider, tmp_path)
    assert (await typed(env, "create", HOST, *ORDER, "--for", "2d", "--yes"))[0] == 0
    before = await listed(env)
    code, out, err = await piped(env, "keep", "load01", "1d")
    assert (code, out) == (6, ""), err
    assert await listed(env) == before


async def listed(env: dict[str, str]) -> dict[str, Any]:
    """Return the only end of the document."""
    code, out, err = await piped(env, "ends", "--json")
    assert (code, err) == (0, "")
    (end,) = json.loads(out)["ends"]
    return dict(end)


def moment(text: object) -> datetime:
    """Return a time of the document."""
    return datetime.fromisoformat(str(text))
