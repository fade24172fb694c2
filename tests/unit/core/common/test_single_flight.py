"""What many ask for at the same moment is done once, and each gets an answer of their own."""

from collections.abc import Sequence

import anyio
import pytest

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.common.single_flight import Batcher, SingleFlight

BOUND = PATIENCE_SECONDS


class CoalescingHarness:
    """Does batches, each when it is let; answers twice the number, and an error for a negative number."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = anyio.Semaphore(0)
        self.let = anyio.Semaphore(0)
        self.broken = False

    async def work(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.begun.release()
        await self.let.acquire()
        if self.broken:
            raise OSError("away")
        return [ValueError(str(item)) if item < 0 else item * 2 for item in items]


class BatchAnswers:
    """The answers that the callers got."""

    def __init__(self, together: Batcher[int, int]) -> None:
        self._together = together
        self.answers: dict[int, int | str] = {}

    async def ask(self, item: int) -> None:
        try:
            self.answers[item] = await self._together.ask(item)
        except (ValueError, OSError) as error:
            self.answers[item] = type(error).__name__


async def test_what_comes_meanwhile_is_the_next_batch() -> None:
    """The first is done at once; all that ask while it runs are done together, in order, within the bound."""
    desk = CoalescingHarness()
    answers = BatchAnswers(Batcher(desk.work, 3))
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(answers.ask, 1)
            await desk.begun.acquire()
            for item in (2, -3, 4, 5):
                group.start_soon(answers.ask, item)
            await anyio.wait_all_tasks_blocked()
            for _ in range(3):
                desk.let.release()
    assert desk.batches == [[1], [2, -3, 4], [5]]
    assert answers.answers == {1: 2, 2: 4, -3: "ValueError", 4: 8, 5: 10}


async def test_a_batch_that_breaks_breaks_for_each_of_its_own_only() -> None:
    """Each caller of the failed batch gets the failure; the next batch runs as usual."""
    desk = CoalescingHarness()
    answers = BatchAnswers(Batcher(desk.work, 2))
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for item in (1, 2, 3):
                group.start_soon(answers.ask, item)
            await desk.begun.acquire()
            desk.broken = True
            desk.let.release()
            await desk.begun.acquire()
            desk.broken = False
            desk.let.release()
    assert answers.answers == {1: "OSError", 2: 4, 3: 6}


async def test_who_goes_away_takes_nobody_along() -> None:
    """One that leads a batch and one that waits are cancelled: the batch is finished, and the others are served."""
    desk = CoalescingHarness()
    answers = BatchAnswers(Batcher(desk.work, 10))
    first, second = anyio.CancelScope(), anyio.CancelScope()

    async def ask(item: int, scope: anyio.CancelScope) -> None:
        with scope:
            await answers.ask(item)

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, 1, first)
            await desk.begun.acquire()
            group.start_soon(ask, 2, second)
            group.start_soon(answers.ask, 3)
            await anyio.wait_all_tasks_blocked()
            first.cancel()
            second.cancel()
            await anyio.wait_all_tasks_blocked()
            desk.let.release()
            desk.let.release()
    assert desk.batches == [[1], [3]]
    assert answers.answers[3] == 6
    assert 2 not in answers.answers


async def test_a_leader_that_goes_away_before_its_turn_hands_it_on() -> None:
    """The one that is next to lead is cancelled in the instant it is woken: the one after it leads."""
    desk = CoalescingHarness()
    together = Batcher(desk.work, 1)
    answers = BatchAnswers(together)
    scope = anyio.CancelScope()

    async def leave() -> None:
        with scope:
            await answers.ask(2)

    async def first() -> None:
        await answers.ask(1)
        scope.cancel()

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            await desk.begun.acquire()
            group.start_soon(leave)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(answers.ask, 3)
            await anyio.wait_all_tasks_blocked()
            for _ in range(3):
                desk.let.release()
    assert answers.answers[3] == 6


class SlowProvider:
    """Answers a call when it is let, with the number of the call."""

    def __init__(self) -> None:
        self.calls = 0
        self.let = anyio.Event()
        self.broken = False

    async def call(self) -> int:
        self.calls += 1
        number = self.calls
        await self.let.wait()
        if self.broken:
            raise ValueError(str(number))
        return number


async def test_those_who_want_the_same_share_one_call() -> None:
    """Twenty callers with one key and one with another make two calls; a later caller makes a new call."""
    provider, shared = SlowProvider(), SingleFlight(60, 2)
    answers: list[int] = []

    async def ask(key: str) -> None:
        answers.append(await shared.call(key, provider.call))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for key in ("list",) * 20 + ("plans",):
                group.start_soon(ask, key)
            await anyio.wait_all_tasks_blocked()
            provider.let.set()
        await ask("list")
    assert sorted(answers) == [1] * 20 + [2, 3]


async def test_a_call_that_is_not_young_is_not_joined_as_long_as_there_may_be_more() -> None:
    """With no call young enough each caller starts a new one, up to the limit; further callers join the newest."""
    provider, shared = SlowProvider(), SingleFlight(-1, 2)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await shared.call("list", provider.call))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            provider.let.set()
    assert sorted(answers) == [1, 2, 2, 2, 2]


async def test_what_the_call_raises_is_raised_for_all() -> None:
    """A failed call fails for each that shared it, and is not kept."""
    provider, shared = SlowProvider(), SingleFlight(60, 2)
    provider.broken = True
    failed: list[str] = []

    async def ask() -> None:
        with pytest.raises(ValueError, match="1") as caught:
            await shared.call("list", provider.call)
        failed.append(str(caught.value))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            provider.let.set()
        provider.broken = False
        assert await shared.call("list", provider.call) == 2
    assert failed == ["1", "1", "1"]


async def test_a_call_that_is_given_up_is_made_again_by_those_who_still_want_it() -> None:
    """When the caller that made the call is cancelled, another repeats it; a waiter that leaves affects no other."""
    provider, shared = SlowProvider(), SingleFlight(60, 2)
    answers: list[int] = []
    maker, waiter = anyio.CancelScope(), anyio.CancelScope()

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            answers.append(await shared.call("list", provider.call))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for scope in (maker, waiter, anyio.CancelScope(), anyio.CancelScope()):
                group.start_soon(ask, scope)
            await anyio.wait_all_tasks_blocked()
            waiter.cancel()
            maker.cancel()
            await anyio.wait_all_tasks_blocked()
            provider.let.set()
    assert answers == [2, 2]
