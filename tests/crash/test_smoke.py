"""A small crash run in the ordinary suite; `make crash` plays the large ones."""

from pathlib import Path

import pytest

from tests.crash.results import CrashRun
from tests.crash.run import play

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


async def test_a_small_crash_run_leaves_nothing_behind(tmp_path: Path) -> None:
    """Thirty changes, three plans, two ends, five kills: nothing lost or done twice, every card and record is right."""
    run = CrashRun(
        f"sqlite:///{tmp_path / 'db.sqlite3'}", seed=7, changes=30, kills=5, hold_seconds=3.0, plans=3, ends=2
    )
    result = await play(run, tmp_path)
    assert result.is_good, result
    assert result.disturbed.count == 5
    assert sum(result.verdict.states.values()) == 30
    assert sum(result.plans.states.values()) == 3
    assert result.members["done"]
    assert result.ends.states["made"] == 2
