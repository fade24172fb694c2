"""Both clocks of the tests: what was slept for has passed, at whatever moment the sleep began."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.harness.exact_seconds import STEPS_PER_SECOND, exact_seconds
from tests.harness.virtual_time import VirtualClock

SECONDS = st.floats(0, 1e6)


@pytest.mark.parametrize("seconds", [0.1, 0.9, 2.0, 60.0])
async def test_a_sleep_on_the_fake_clock_takes_what_it_says(seconds: float) -> None:
    clock, short = FakeClock(), []

    async def sleep() -> None:
        begun = clock.monotonic()
        await clock.sleep(seconds)
        if clock.monotonic() - begun < seconds:
            short.append(begun)

    for tenths in range(100):
        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            await anyio.wait_all_tasks_blocked()
            for _ in range(10):
                clock.advance(seconds / 10)
        clock.advance(tenths / 10)
    assert short == []


@pytest.mark.parametrize("seconds", [0.1, 0.9, 2.0, 60.0])
async def test_a_sleep_in_virtual_time_takes_what_it_says(seconds: float) -> None:
    clock, short = VirtualClock(), []
    for tenths in range(25):
        begun = clock.monotonic()
        await clock.sleep(seconds)
        if clock.monotonic() - begun < seconds:
            short.append(begun)
        await clock.sleep(tenths / 10)
    assert short == []


@given(seconds=SECONDS)
def test_rounding_is_up_and_by_a_step_at_most(seconds: float) -> None:
    assert 0 <= exact_seconds(seconds) - seconds <= 1 / STEPS_PER_SECOND


@given(begun=SECONDS, seconds=SECONDS)
def test_what_is_added_can_be_taken_away(begun: float, seconds: float) -> None:
    begun, seconds = exact_seconds(begun), exact_seconds(seconds)
    assert (begun + seconds) - begun == seconds
