"""The page of servers with an end: its policies load, and its load test is played on the simulator."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.docs.test_later import MONDAY, CalendarClock, commands, written
from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.ends.command import list_ends
from vpsops.core.app import open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.ends.repository import open_ends
from vpsops.core.limits.loader import parse_limits
from vpsops.core.storage import open_database
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

PAGE: Final = (ROOT / "docs" / "ends.md").read_text(encoding="utf-8")
POLICIES: Final = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONSOLE: Final = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MINUTE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d):\d\d(:\d\d)?")
MORE: Final = "…"
"""Where the page leaves out the rest of what is written."""
TOOK: Final = re.compile(r"It took \d+ s")
SERVER: Final = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\bsrv-\w+|err_[0-9a-f]+")


@pytest.mark.parametrize("policy", POLICIES, ids=lambda text: text.split("\n")[1])
def test_each_policy_of_the_page_loads(policy: str) -> None:
    """With a longest life for the servers of load tests."""
    assert ("load-*", 3 * 86_400) in parse_limits(policy, "vpsops.toml").max_life


def plain(lines: list[str]) -> list[str]:
    """Return lines without what differs from run to run: minutes, how long it took, ids of servers and refusals."""
    return [TOOK.sub("It took", SERVER.sub("…", MINUTE.sub(r"\1", line))) for line in lines]


def settings_of(folder: Path, provider: str, database: str) -> Settings:
    """Return the settings of the page's example."""
    (folder / "vpsops.toml").write_text(POLICIES[-1])
    return load_settings(
        {
            "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
            "WAYSCLOUD_API_URL": provider,
            "VPSOPS_DATABASE_URL": database,
            "VPSOPS_CONFIG": str(folder / "vpsops.toml"),
            "VPSOPS_ACTOR": "ann@example.com",
        }
    )


async def run(settings: Settings, words: list[str]) -> str:
    """Return what a command of the page writes, or why it is refused."""
    terminal = FakeTerminal(settings, clock=CalendarClock(MONDAY))
    try:
        await terminal.run(*words)
    except VpsopsError as error:
        return "\n".join(filter(None, (error.message, error.hint)))
    return terminal.shown


async def end_of_the_night(settings: Settings, at: datetime) -> tuple[ServerEnd, Change]:
    """Return the end and the deletion that it asks for, in a process that runs from seconds before it on."""
    clock = CalendarClock(at - timedelta(seconds=20))
    async with open_core(settings, front="worker", clock=clock, timing=QUICK, accounts=EVERYBODY) as core:
        await core.gate.start_engine()
        for _ in range(60):
            (end,) = await core.ends.list_open(scope=OPERATOR)
            if end.state is EndState.STOPPED:
                return end, await core.changes.get(end.delete_id, scope=OPERATOR)
            await clock.sleep(5)
    raise AssertionError(end)


@pytest.mark.requirement("end-asks-for-deletion")
async def test_the_load_test_goes_as_the_page_says(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused without an end, made with one, kept within its longest life, stopped, and held for its deletion."""
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider:
        settings = settings_of(tmp_path, provider.url, database_url)
        for words, expected in commands(CONSOLE[0]):
            if words == ["ends"]:
                capsys.readouterr()
                async with open_database(database_url, VirtualClock()) as database:
                    await list_ends(database)
                    (stored,) = await database.read(open_ends)
                shown = capsys.readouterr().out
            else:
                shown = await run(settings, words)
            whole = [line for line in expected if line != MORE]
            printed = plain(written(shown))
            assert printed[: len(whole)] == plain(whole), shown
            assert len(printed) == len(whole) or MORE in expected, shown
        end, deletion = await end_of_the_night(settings, stored.ends_at)
        assert provider.simulator.world.counts["stop"] == 1
        assert provider.simulator.world.counts["delete"] == 0
        assert (deletion.operation, deletion.state, deletion.actor.human) == ("delete", State.HELD, "ann@example.com")
        assert deletion.id in end.note
