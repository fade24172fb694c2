"""Processes of an earlier version beside those of this one: one schema without a pause, a newer one with an end."""

import re
import signal
from pathlib import Path

import pytest

from tests.e2e.upgrade.versions import UpgradeWorld, commit_that_added, earlier, first_beside, later, present

pytestmark = [pytest.mark.slow, pytest.mark.real_time]


@pytest.mark.requirement("rolling-upgrade")
async def test_versions_of_one_schema_work_beside_each_other(world: UpgradeWorld, tmp_path: Path) -> None:
    """Changes that either asked for are run by either, each once, and at every moment some process runs them."""
    old, new = earlier(tmp_path / "old", first_beside()), present(tmp_path / "new")
    first = await world.worker(old)
    await world.done(await world.ask(new, world.server("first.example.com")))
    second = await world.worker(new)
    both = [world.server(f"both{number}.example.com") for number in range(6)]
    await world.done([*await world.ask(old, *both[:3]), *await world.ask(new, *both[3:])])
    first.process.send_signal(signal.SIGTERM)
    assert await first.ended() == 0, first.log_text
    await world.done(await world.ask(new, world.server("last.example.com")))
    second.process.send_signal(signal.SIGTERM)
    assert await second.ended() == 0, second.log_text
    assert world.stops == 8
    for output in (first.log_text, second.log_text):
        assert not re.search("Traceback|row_unreadable|task_failed", output), output


@pytest.mark.requirement("rolling-upgrade")
async def test_an_old_process_leaves_when_a_newer_version_migrates(world: UpgradeWorld, tmp_path: Path) -> None:
    """It writes no more from its next heartbeat on, logs why in one line, and ends with 2; the newer one continues."""
    old, new = earlier(tmp_path / "old", commit_that_added("class MovedOnError")), later(tmp_path / "new")
    first = await world.worker(old)
    await world.done(await world.ask(old, world.server("first.example.com")))
    second = await world.worker(new)
    assert await first.ended() == 2, first.log_text
    assert first.log_text.count("schema_moved_on") == 1, first.log_text
    assert first.log_text.splitlines()[-1].startswith("vpsops: The database was made by a newer version"), (
        first.log_text
    )
    assert "Traceback" not in first.log_text, first.log_text
    await world.done(await world.ask(new, world.server("two.example.com")))
    second.process.send_signal(signal.SIGTERM)
    assert await second.ended() == 0, second.log_text
    assert world.stops == 2
