"""Writes are spaced over all processes: never more than a burst and the rate allow."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tests.fakes.timing import QUICK
from tests.harness.profiles import examples
from tests.unit.core.harness import Setup, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution import write_rate_limit
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
    return [tick + write_rate_limit.reserve(connection, tick, DEFAULT_TIMING) for tick in arrivals]


def sums(pauses: Sequence[float], start: float = 1000.0) -> list[float]:
    return [start + sum(pauses[: number + 1]) for number in range(len(pauses))]


@settings(max_examples=examples(40))
@given(PAUSES)
def test_no_stretch_of_time_has_more_than_a_burst_and_the_rate(pauses: list[float]) -> None:
    """The limit holds between any two writes, and no write leaves before it arrives."""
    arrivals = sums(pauses)
    with table() as connection:
        times = sent(connection, arrivals)
    assert all(time >= arrival for time, arrival in zip(times, arrivals, strict=True))
    for first in range(len(times)):
        for last in range(first, len(times)):
            allowed = BURST + math.floor((times[last] - times[first]) / GAP + 1e-6)
            assert last - first + 1 <= allowed


def test_a_lease_clock_that_began_anew_holds_nobody_back() -> None:
    """After a reboot the clock starts at zero: earlier stored times are void."""
    with table() as connection:
        sent(connection, [90000.0] * 30)
        assert sent(connection, [12.0]) == [12.0]


async def test_a_burst_of_approvals_is_spaced(database_url: str, provider: SimulatorHandle) -> None:
    """Four at once and then one at a time, whatever was approved in the same instant."""
    timing = replace(QUICK, write_burst=4, write_gap=0.2)
    async with staged(database_url, provider, Setup(timing)) as stage:
        held = [await stage.ask("stop", server=stage.server(f"s{n}.example.com").id) for n in range(10)]
        for change in held:
            await stage.gate.confirm(change.id, change.actor, change.digest, scope=OPERATOR)
        for change in held:
            assert (await stage.rest(change.id)).state is State.SUCCEEDED
        times = [entry.at for entry in provider.simulator.journal.entries(operation="stop")]
    assert len(times) == 10
    assert (times[9] - times[0]).total_seconds() >= 0.8  # 1.2 less what the first took to arrive
