"""Work in the background waits while Slack is being answered, though not for ever."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from tests.fakes.clock import FakeClock
from vpsops.bot.ingress.ack_scheduler import PATIENCE_SECONDS, QUIET_SECONDS, SLOW_SECONDS, AckScheduler

BOUND = PATIENCE_SECONDS


class AckSteps:
    """Steps that wait for their turns, and the steps whose turn came."""

    def __init__(self, ack_scheduler: AckScheduler) -> None:
        self.ack_scheduler = ack_scheduler
        self.taken: list[int] = []

    async def step(self, number: int, urgent: bool = False) -> None:
        await self.ack_scheduler.slot(urgent=urgent)
        self.taken.append(number)


@asynccontextmanager
async def bounded_group() -> AsyncIterator[TaskGroup]:
    """Run tasks until the block ends, for a minute at most."""
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            yield group
            group.cancel_scope.cancel()


async def test_steps_are_taken_in_order_once_it_is_quiet() -> None:
    """None begins during an acknowledgement, nor right after it; then all do, oldest first."""
    clock = FakeClock()
    steps = AckSteps(AckScheduler(clock))
    async with bounded_group() as group:
        group.start_soon(steps.ack_scheduler.run)
        with steps.ack_scheduler.acknowledging():
            for number in range(3):
                group.start_soon(steps.step, number)
            await anyio.wait_all_tasks_blocked()
            assert steps.taken == []
        await anyio.wait_all_tasks_blocked()
        assert steps.taken == []
        clock.advance(QUIET_SECONDS)
        await anyio.wait_all_tasks_blocked()
        assert steps.taken == [0, 1, 2]


async def test_a_step_that_waited_long_is_taken_though_it_is_not_quiet() -> None:
    """Under endless load the steps continue after half a second, one every few milliseconds."""
    clock = FakeClock()
    steps = AckSteps(AckScheduler(clock))
    async with bounded_group() as group:
        group.start_soon(steps.ack_scheduler.run)
        with steps.ack_scheduler.acknowledging():
            for number in range(2):
                group.start_soon(steps.step, number)
            await anyio.wait_all_tasks_blocked()
            clock.advance(PATIENCE_SECONDS)
            for expected in ([], [0], [0, 1]):
                await anyio.wait_all_tasks_blocked()
                assert steps.taken == expected
                clock.advance(SLOW_SECONDS)


async def test_one_that_goes_away_keeps_nobody_from_a_turn() -> None:
    """A step that is cancelled while it waits is passed over."""
    clock = FakeClock()
    steps = AckSteps(AckScheduler(clock))
    gone = anyio.CancelScope()

    async def leave() -> None:
        with gone:
            await steps.ack_scheduler.slot()

    async with bounded_group() as group:
        group.start_soon(steps.ack_scheduler.run)
        with steps.ack_scheduler.acknowledging():
            group.start_soon(leave)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(steps.step, 1)
            await anyio.wait_all_tasks_blocked()
            gone.cancel()
        clock.advance(QUIET_SECONDS)
        await anyio.wait_all_tasks_blocked()
        clock.advance(QUIET_SECONDS)
        await anyio.wait_all_tasks_blocked()
        assert steps.taken == [1]


async def test_urgent_steps_overtake() -> None:
    """Acts that decide are not delayed by reads."""
    clock = FakeClock()
    steps = AckSteps(AckScheduler(clock))
    async with bounded_group() as group:
        with steps.ack_scheduler.acknowledging():
            group.start_soon(steps.step, 0)
            group.start_soon(steps.step, 1)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(steps.step, 2, True)
            await anyio.wait_all_tasks_blocked()
        clock.advance(QUIET_SECONDS)
        group.start_soon(steps.ack_scheduler.run)
        await anyio.wait_all_tasks_blocked()
    assert steps.taken == [2, 0, 1]
