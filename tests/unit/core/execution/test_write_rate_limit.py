"""Writes are spaced over all processes: never more than a burst and the rate allow, and none before a Retry-After."""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.timing import QUICK
from tests.harness.profiles import examples
from tests.unit.core.harness import Setup, Stage, staged
from vpsops.core.changes.model import State
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution import write_rate_limit
from vpsops.core.storage import Connection
from vpsops.core.storage.tables import METADATA
from vpsops.playground.wayscloud.serve import SimulatorHandle

BURST, GAP = DEFAULT_TIMING.write_burst, DEFAULT_TIMING.write_gap
PAUSES = st.lists(st.floats(0, 2), min_size=1, max_size=60)


@contextmanager
def table() -> Iterator[Connection]:
    """Give a database in memory, for the arithmetic alone."""
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def sent(connection: Connection, arrivals: Sequence[float]) -> list[float]:
    """Return when writes go out that arrive at these times."""
    return [tick + write_rate_limit.reserve(connection, tick, DEFAULT_TIMING).delay for tick in arrivals]


def sums(pauses: Sequence[float], start: float = 1000.0) -> list[float]:
    return [start + sum(pauses[: number + 1]) for number in range(len(pauses))]


@settings(max_examples=examples(40))
@given(PAUSES)
def test_no_stretch_of_time_has_more_than_a_burst_and_the_rate(pauses: list[float]) -> None:
    """Between any two writes there is room for those between them, and nobody goes out before arriving."""
    arrivals = sums(pauses)
    with table() as connection:
        times = sent(connection, arrivals)
    assert all(time >= arrival for time, arrival in zip(times, arrivals, strict=True))
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = BURST + math.floor((times[last] - times[first]) / GAP + 1e-6)
            assert last - first + 1 <= allowed


@settings(max_examples=examples(40))
@given(PAUSES, st.integers(0, 59), st.floats(1, 60))
def test_nothing_goes_out_before_the_end_of_a_hold(pauses: list[float], at: int, seconds: float) -> None:
    """A wish to wait binds whoever comes after it, and those held back do not come all at once."""
    arrivals = sums(pauses)
    before, after = arrivals[:at], arrivals[at:]
    with table() as connection:
        sent(connection, before)
        begun = after[0] if after else arrivals[-1]
        write_rate_limit.hold_off(connection, begun, seconds)
        times = sent(connection, after)
    assert all(time >= begun + seconds - 1e-6 for time in times)
    for moment in times:
        assert sum(moment <= item < moment + GAP - 1e-6 for item in times) <= BURST


def test_the_longest_of_several_wishes_counts() -> None:
    """A shorter wish that comes later does not let anybody through earlier."""
    with table() as connection:
        write_rate_limit.hold_off(connection, 1000.0, 30.0)
        write_rate_limit.hold_off(connection, 1001.0, 5.0)
        assert write_rate_limit.held_off(connection, 1001.0) == 29.0
        assert write_rate_limit.held_off(connection, 1031.0) == 0.0


def test_a_lease_clock_that_began_anew_holds_nobody_back() -> None:
    """After a reboot the clock starts at nothing: what was stored before means nothing now."""
    with table() as connection:
        write_rate_limit.hold_off(connection, 90000.0, 60.0)
        sent(connection, [90000.0] * 30)
        assert sent(connection, [12.0]) == [12.0]


@pytest.fixture
async def two(database_url: str, provider: SimulatorHandle) -> AsyncIterator[tuple[Stage, Stage]]:
    async with staged(database_url, provider) as first, staged(database_url, provider, Setup(front="mcp")) as second:
        yield first, second


async def test_a_wish_to_wait_holds_the_other_process_back(two: tuple[Stage, Stage]) -> None:
    """One is told to come back in a second: both wait, and both are done once."""
    first, second = two
    first.fault("status", "stop", "web.example.com", status=429, retry_after=1, times=1)
    other = await second.ask("stop", server=second.server("db.example.com").id)
    web = await first.confirmed("stop", server=first.server("web.example.com").id)
    await first.gate.wait(web.id, seconds=5, until=lambda one: "429" in one.note)
    told = first.provider.simulator.journal.entries(operation="stop")[-1]
    await second.gate.confirm(other.id, other.actor, other.digest)
    assert (await second.rest(other.id)).state is State.SUCCEEDED
    assert (await first.rest(web.id)).state is State.SUCCEEDED
    times = [effect.at for effect in first.provider.simulator.world.counted("stop")]
    assert len(times) == 2
    assert all((at - told.at).total_seconds() >= 0.99 for at in times)


async def test_a_wish_to_wait_for_long_ends_the_changes_it_meets(two: tuple[Stage, Stage]) -> None:
    """Nobody wants a server stopped an hour after saying so: it fails at once, here and in other processes."""
    first, second = two
    first.fault("status", "stop", "web.example.com", status=429, retry_after=3600)
    ended = await first.done("stop", server=first.server("web.example.com").id)
    assert (ended.state, first.asked("stop")) == (State.FAILED, 1)
    other = await second.done("stop", server=second.server("db.example.com").id)
    assert (other.state, first.asked("stop")) == (State.FAILED, 1)
    assert other.note.startswith("Nothing was sent: the provider asked for no more writes")


async def test_a_burst_of_approvals_is_spaced(database_url: str, provider: SimulatorHandle) -> None:
    """Four at once and then one at a time, whatever was approved in the same instant."""
    timing = replace(QUICK, write_burst=4, write_gap=0.2)
    async with staged(database_url, provider, Setup(timing)) as stage:
        held = [await stage.ask("stop", server=stage.server(f"s{n}.example.com").id) for n in range(10)]
        for change in held:
            await stage.gate.confirm(change.id, change.actor, change.digest)
        for change in held:
            assert (await stage.rest(change.id)).state is State.SUCCEEDED
        times = [entry.at for entry in provider.simulator.journal.entries(operation="stop")]
    assert len(times) == 10
    assert (times[9] - times[0]).total_seconds() >= 0.8  # 1.2 less what the first took to arrive
