"""Cards of changes under way: one process refreshes them, in turn, with the usual duration here."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from tests.fakes.clock import START, FakeClock
from tests.unit.core.sample import change, put
from vpsops.core.changes.model import Change, State
from vpsops.core.execution.card_refresh import RefreshTurns, mine_to_refresh
from vpsops.core.outcomes.typical_durations import TypicalDuration, TypicalDurations, typical_duration
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process


def under_way(number: int, **more: object) -> Change:
    """Return one of many changes that were sent."""
    current = change(id=f"chg_{number}", created_at=START + timedelta(seconds=number))
    return replace(current, target=replace(current.target, id=f"s{number}"), **more)  # type: ignore[arg-type]


async def fill(database: Database, *ones: Change) -> None:
    """Store changes as they are."""
    for item in ones:
        await database.transact(partial(put, record=item))


async def test_one_living_process_refreshes(database_url: str) -> None:
    """The other process takes over only when the first is dead; without work under way no process is needed."""
    clock = FakeClock()
    async with open_database(database_url, clock) as database:
        for name in ("slack-1", "slack-2"):
            await Process(database, clock, "slack", id=name).beat()
        assert await mine_to_refresh(database, "slack-1") == []
        await fill(database, under_way(1), under_way(2, state=State.HELD))
        assert await mine_to_refresh(database, "slack-1") == ["chg_1"]
        assert await mine_to_refresh(database, "slack-2") == []
        await Process(database, clock, "slack", id="slack-1").leave()
        assert await mine_to_refresh(database, "slack-2") == ["chg_1"]


def test_of_many_each_has_its_turn() -> None:
    """Those that waited longest are next, the new ones first of all."""
    many, turns = [f"chg_{number}" for number in range(25)], RefreshTurns()
    drawn = {ident for turn in range(3) for ident in turns.next(many, 15.0 * turn, 10)}
    assert len(drawn) == 25


def test_a_change_of_a_day_is_refreshed_less_and_less_often() -> None:
    """For five minutes at each turn, later after a twentieth of its time: some hundred times in a day."""
    turns, drawn = RefreshTurns(), list[float]()
    for at in range(0, 86_400, 15):
        drawn += [float(at) for _ in turns.next(["chg_1"], float(at), 10)]
    assert drawn[:21] == [15.0 * turn for turn in range(21)]
    assert len(drawn) < 150
    assert drawn[-1] > 80_000


@pytest.mark.parametrize(
    ("seconds", "usual"),
    [
        ([], None),
        ([60.0, 61.0], None),
        ([90.0, 60.0, 75.0], TypicalDuration(60.0, 90.0)),
        ([60.0] * 9 + [900.0], TypicalDuration(60.0, 60.0)),
        ([-5.0, 60.0, 61.0], None),
    ],
)
def test_how_long_it_takes_is_told_by_a_few_runs(seconds: list[float], usual: TypicalDuration | None) -> None:
    """Two runs prove nothing, one slow run in ten is no rule, and a clock that went back is left out."""
    assert typical_duration(seconds) == usual


async def test_only_what_succeeded_counts(database_url: str) -> None:
    """Failures end early or late for reasons of their own; the answer is kept for a minute."""
    clock = FakeClock()
    async with open_database(database_url, clock) as database:
        times = TypicalDurations(database, clock)
        assert await times.of("stop") is None
        sent = START
        ended = [under_way(n, state=State.SUCCEEDED, settled_at=sent + timedelta(seconds=60 + n)) for n in range(4)]
        failed = under_way(9, state=State.FAILED, settled_at=sent + timedelta(seconds=900))
        await fill(database, *ended, failed, under_way(10))
        assert await times.of("stop") is None
        clock.advance(61)
        assert await times.of("stop") == TypicalDuration(70.0, 73.0)
        assert await times.of("create") is None
