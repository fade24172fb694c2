"""Accepted deliveries are processed: each once, clicks not behind commands, and nothing forgotten at the end."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from pydantic import BaseModel

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.ingress.interaction import CLICK, COMMAND
from vpsops.bot.ingress.worker import AT_ONCE, SWEEP_SECONDS, InboxWorker
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.inbox import Inbox, InboxDelivery
from vpsops.core.storage import Database, open_database

BOUND = PATIENCE_SECONDS


class IntakePayload(BaseModel):
    """A delivery: how its handling fails, and a text from a person."""

    away: bool = False
    broken: bool = False
    text: str = ""


@dataclass(slots=True)
class Work:
    """Does deliveries: commands wait until they are let, the rest is done at once; some break."""

    done: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    let: anyio.Event = field(default_factory=anyio.Event)
    clicked: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, delivery: InboxDelivery, _payload: BaseModel | None) -> None:
        self.begun.append(delivery.key)
        if delivery.kind == COMMAND:
            await self.let.wait()
        if delivery.payload.get("away"):
            raise StorageError("The database did not answer.")
        if delivery.payload.get("broken"):
            raise ValueError("a fault of ours")
        self.done.append(delivery.key)
        if delivery.kind == CLICK:
            self.clicked.set()


@asynccontextmanager
async def working(folder: Path) -> AsyncIterator[tuple[InboxWorker, Work, Inbox]]:
    """Run an intake on a database of its own."""
    clock, work = VirtualClock(), Work()
    async with open_database(f"sqlite:///{folder / 'inbox.sqlite3'}", clock) as database:
        inbox = Inbox(database, clock)
        intake = InboxWorker(inbox, clock, work, AckScheduler(clock))
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(intake.run)
                yield intake, work, inbox
                group.cancel_scope.cancel()


async def test_a_click_does_not_wait_behind_commands(tmp_path: Path) -> None:
    """More commands than may be in hand wait for a provider that hangs; a click that comes last goes first."""
    async with working(tmp_path) as (intake, work, _):
        async with anyio.create_task_group() as group:
            for number in range(AT_ONCE[COMMAND] + 10):
                group.start_soon(intake.accept, f"command-{number}", COMMAND, IntakePayload())
        await intake.accept("click", CLICK, IntakePayload())
        await work.clicked.wait()
        assert work.done == ["click"]
        assert len(work.begun) <= AT_ONCE[COMMAND] + 1
        work.let.set()
        assert await intake.drain(BOUND)
        assert len(work.done) == AT_ONCE[COMMAND] + 11


async def test_a_delivery_that_comes_three_times_at_once_is_worked_off_once(tmp_path: Path) -> None:
    """The redeliveries are acknowledged as duplicates; nothing is done for them."""
    async with working(tmp_path) as (intake, work, inbox):
        first: list[bool] = []

        async def accept(key: str) -> None:
            first.append(await intake.accept(key, CLICK, IntakePayload()))

        async with anyio.create_task_group() as group:
            for key in ("a", "b") * 3:
                group.start_soon(accept, key)
        assert await intake.drain(BOUND)
        assert sorted(first) == [False] * 4 + [True] * 2
        assert sorted(work.done) == ["a", "b"]
        assert await inbox.unfinished(older_than=0) == []


async def test_what_breaks_is_not_done_again_and_what_was_not_stored_is(tmp_path: Path) -> None:
    """A fault in our code would recur, so it is given up; where the database was away the next sweep takes it up."""
    async with working(tmp_path) as (intake, _, inbox):
        await intake.accept("broken", CLICK, IntakePayload(broken=True))
        await intake.accept("away", CLICK, IntakePayload(away=True))
        assert await intake.drain(BOUND)
        assert [item.key for item in await inbox.unfinished(older_than=0)] == ["away"]


class Watched(Inbox):
    """An inbox that records each search for abandoned deliveries."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.polled = anyio.Semaphore(0)

    async def unfinished(
        self, *, older_than: float, kinds: Collection[str] = (), along: bool = False
    ) -> list[InboxDelivery]:
        deliveries = await super().unfinished(older_than=older_than, kinds=kinds, along=along)
        self.polled.release()
        return deliveries


async def test_what_is_in_hand_here_is_not_taken_up_elsewhere(tmp_path: Path) -> None:
    """A provider that hangs for a minute does not have a second process do the same; the end of the first one does."""
    clock, work, other = FakeClock(), Work(), Work()
    held = anyio.CancelScope()
    async with open_database(f"sqlite:///{tmp_path / 'inbox.sqlite3'}", clock) as database:
        inboxes = [Watched(database, clock), Watched(database, clock)]
        first, second = (
            InboxWorker(box, clock, do, AckScheduler(clock)) for box, do in zip(inboxes, (work, other), strict=True)
        )

        async def run_first() -> None:
            with held:
                await first.run()

        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(run_first)
                group.start_soon(second.run)
                for box in inboxes:
                    await box.polled.acquire()
                await first.accept("command", COMMAND, IntakePayload())
                for _ in range(6):
                    await anyio.wait_all_tasks_blocked()  # both wait for the clock now
                    clock.advance(SWEEP_SECONDS)
                    for box in inboxes:
                        await box.polled.acquire()
                assert (work.begun, other.begun) == (["command"], [])
                held.cancel()
                for _ in range(3):
                    await anyio.wait_all_tasks_blocked()
                    clock.advance(SWEEP_SECONDS)
                    await inboxes[1].polled.acquire()
                while not other.begun:
                    clock.advance(1)
                    await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()


async def test_what_is_in_hand_at_the_end_is_waited_for_and_no_longer(tmp_path: Path) -> None:
    """Draining returns whether all was done in its time, including what still waits in line."""
    async with working(tmp_path) as (intake, work, _):
        await intake.accept("command", COMMAND, IntakePayload())
        assert not await intake.drain(0.05)
        assert intake.busy == 1
        work.let.set()
        assert await intake.drain(BOUND)
        assert intake.busy == 0
