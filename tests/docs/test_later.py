"""The page of changes that run later: its policies load, and its patch night is played on the simulator."""

import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.schedule.command import list_scheduled
from vpsops.core.app import open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy.loader import parse_policy
from vpsops.core.storage import open_database
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

PAGE: Final = (ROOT / "docs" / "later.md").read_text(encoding="utf-8")
POLICIES: Final = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CONSOLE: Final = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MONDAY: Final = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
NIGHT: Final = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
CHANGE: Final = re.compile(r"chg_[0-9a-f]{12}")
WIDE: Final = re.compile(r" {2,}")


class CalendarClock(VirtualClock):
    """The virtual clock from a date of one's own."""

    def __init__(self, start: datetime) -> None:
        self._ahead = start - super().now()

    def now(self) -> datetime:
        """Return the date, aware, in UTC."""
        return super().now() + self._ahead


@pytest.mark.parametrize("policy", POLICIES, ids=lambda text: text.split("\n")[1])
def test_each_policy_of_the_page_loads(policy: str) -> None:
    """With its windows and freezes."""
    calendar = parse_policy(policy, "vpsops.toml", "C0APPROVE01").calendar
    assert calendar.windows or calendar.freezes


def commands(console: str) -> list[tuple[list[str], list[str]]]:
    """Return the commands of a console with what the page says that they write."""
    blocks = [block.split("\n") for block in console.split("$ vpsops ")[1:]]
    return [(shlex.split(first), [WIDE.sub("  ", line) for line in rest if line]) for first, *rest in blocks]


def written(text: str) -> list[str]:
    """Return lines as the page has them: without the ids of changes."""
    return [WIDE.sub("  ", CHANGE.sub("chg_…", line)).rstrip() for line in text.splitlines() if line]


async def run(settings: Settings, words: list[str]) -> str:
    """Return what a command of the page writes, or why it is refused."""
    terminal = FakeTerminal(settings, clock=CalendarClock(MONDAY))
    try:
        await terminal.run(*words)
    except InvalidInputError as error:
        return str(error)
    return terminal.result


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


async def ends_of_the_night(settings: Settings) -> list[Change]:
    """Return what becomes of what is scheduled, in a process that runs from seconds before the window on."""
    clock = CalendarClock(NIGHT - timedelta(seconds=20))
    async with open_core(settings, front="worker", clock=clock, timing=QUICK, accounts=EVERYBODY) as core:
        await core.gate.start_engine()
        return [
            await core.changes.wait(change.id, seconds=120, until=lambda current: current.state.final, scope=OPERATOR)
            for change in await core.changes.scheduled(scope=OPERATOR)
        ]


@pytest.mark.requirement("scheduled-once")
async def test_the_patch_night_goes_as_the_page_says(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asked for on Monday, refused where the window does not reach, listed, and sent once in the night."""
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider:
        world = provider.simulator.world
        world.create(Order("web02.example.com", "web02.example.com", "vps-4gb-2cpu", "NO", "debian-12"))
        await VirtualClock().sleep(600)
        settings = settings_of(tmp_path, provider.url, database_url)
        for words, expected in commands(CONSOLE[0]):
            if words == ["scheduled"]:
                capsys.readouterr()
                async with open_database(database_url, VirtualClock()) as database:
                    await list_scheduled(database, ZoneInfo("Europe/Oslo"))
                assert written(capsys.readouterr().out) == expected
            else:
                assert written(await run(settings, words)) == expected
        ended = await ends_of_the_night(settings)
        assert [(change.state, change.note) for change in ended] == [(State.SUCCEEDED, "")] * 2
        assert all(change.sent_at is not None and change.sent_at >= NIGHT for change in ended)
        assert world.counts["reboot"] == 2
