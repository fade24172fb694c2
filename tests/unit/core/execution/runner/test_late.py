"""A slow process or network costs time and no change: an unsent write is retried, with the reason reported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.network.names import NAME, resolve_after
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.core.execution.runner.test_execute_clock import ShakyClock
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Setup, Stage, staged, until
from vpsops.core.authorization import authorization
from vpsops.core.authorization.attempts import SendCheck
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution.runner import Runner
from vpsops.core.execution.send_deadline import SendDeadline, pause_after
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOUND = PATIENCE_SECONDS


@asynccontextmanager
async def by_name(
    database_url: str, provider: SimulatorHandle, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Stage, anyio.Event, anyio.Event]]:
    """Reach the provider by a name: the events show that a write wants it resolved, and let it be."""
    asked, resolved = anyio.Event(), anyio.Event()
    async with staged(database_url, provider, setup, url=f"http://{NAME}:{provider.port}") as stage:

        async def wait() -> None:
            if stage.engine._runs and "preparing" in waiting:
                asked.set()
                await resolved.wait()

        waiting: list[str] = []
        uptime = Runner._uptime

        async def prepare(runner: Runner, change: Change, server_id: str) -> int | None:
            result = await uptime(runner, change, server_id)
            waiting.append("preparing")  # the next name that is asked for is the write's
            return result

        monkeypatch.setattr(Runner, "_uptime", prepare)
        resolve_after(monkeypatch, wait)
        yield stage, asked, resolved


async def ended(stage: Stage, change: Change) -> Change:
    return await stage.changes.wait(change.id, seconds=BOUND, until=lambda current: current.state.final, scope=OPERATOR)


async def sends(stage: Stage, change: Change) -> int:
    query = sa.select(CHANGES.c.sends).where(CHANGES.c.id == change.id)
    return await stage.database.read(lambda connection: int(connection.execute(query).scalar_one()))


@pytest.mark.parametrize("operation", ["reboot", "stop"])
@pytest.mark.requirement("connected-before-the-intention")
async def test_a_name_that_resolves_after_the_window_costs_no_change(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """The name takes longer than a write may take from its intention: sent once, and not held back."""
    setup = Setup(replace(QUICK, send_window=0.25))
    async with by_name(database_url, provider, setup, monkeypatch) as (stage, asked, resolved):
        change = await stage.confirmed(operation, server=stage.server("web.example.com").id)
        with anyio.fail_after(BOUND):
            await asked.wait()
        await anyio.sleep(setup.timing.send_window * 2)
        assert "sending" not in await stage.events(change.id)
        resolved.set()
        assert (await ended(stage, change)).state is State.SUCCEEDED
        assert stage.asked(operation) == 1
        assert "held_back" not in await stage.events(change.id)


async def test_a_name_that_does_not_resolve_ends_as_not_sent(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No intention is stored for a write that could never be sent; the reason is reported."""

    async def fail() -> None:
        raise OSError(-2, "Name or service not known")

    async with by_name(database_url, provider, Setup(), monkeypatch) as (stage, _, _):
        held = await stage.ask("stop", server=stage.server("web.example.com").id)
        resolve_after(monkeypatch, fail)  # reads continue over the connection they have
        change = await ended(stage, await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR))
        assert (change.state, stage.asked("stop")) == (State.FAILED, 0)
        assert change.note.startswith("Nothing was sent.")
        assert "sending" not in await stage.events(change.id)


async def test_a_server_that_changed_while_a_write_was_connected_supersedes(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that is old by the time the connection is open is repeated before anything is stored."""
    setup = Setup(replace(QUICK, preview_age=0.0))
    async with by_name(database_url, provider, setup, monkeypatch) as (stage, asked, resolved):
        server = stage.server("web.example.com")
        change = await stage.confirmed("stop", server=server.id)
        with anyio.fail_after(BOUND):
            await asked.wait()
        provider.simulator.world.override(server, None, "database.example.com", None)
        resolved.set()
        assert (await ended(stage, change)).state is State.SUPERSEDED
        assert stage.asked("stop") == 0


async def test_what_is_cancelled_while_it_is_connected_is_not_sent(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the intention is stored its asker can take it back."""
    async with by_name(database_url, provider, Setup(), monkeypatch) as (stage, asked, resolved):
        change = await stage.confirmed("stop", server=stage.server("web.example.com").id)
        with anyio.fail_after(BOUND):
            await asked.wait()
        assert (await stage.gate.cancel(change.id, ALICE, scope=OPERATOR)).state is State.CANCELLED
        resolved.set()
        await until(lambda: not stage.engine._runs)
        assert stage.asked("stop") == 0


async def test_agents_that_are_paused_while_a_write_is_connected_are_paused(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch is read in the transaction that stores the intention, on the open connection."""
    async with by_name(database_url, provider, Setup(), monkeypatch) as (stage, asked, resolved):
        held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
        await approve(stage, held)
        with anyio.fail_after(BOUND):
            await asked.wait()
        await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
        resolved.set()
        change = await ended(stage, held)
        assert (change.state, stage.asked("stop")) == (State.CANCELLED, 0)


async def approve(stage: Stage, held: Change) -> None:
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)


@pytest.mark.parametrize("late", [1, 3, 5])
@pytest.mark.requirement("late-is-tried-again")
async def test_held_back_again_and_again_it_is_still_sent_once(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """However often this process was too slow: one send, counted as one, and the reason is in the trail."""
    clock, times, intend = ShakyClock(), count(), Runner._intend

    async def slow(
        runner: Runner, change: Change, checked: SendCheck, uptime: int | None
    ) -> tuple[Change, SendDeadline]:
        stored = await intend(runner, change, checked, uptime)
        if next(times) < late:
            clock.slept += 3.0
        return stored

    monkeypatch.setattr(Runner, "_intend", slow)
    async with staged(database_url, provider, Setup(clock=clock)) as stage:
        held = await stage.confirmed("stop", server=stage.server("web.example.com").id)
        change = await stage.changes.wait(
            held.id, seconds=BOUND + 3.0 * late, until=lambda current: current.state.final, scope=OPERATOR
        )
        assert (change.state, stage.asked("stop")) == (State.SUCCEEDED, 1)
        assert await sends(stage, change) == 1
        events = await stage.events(change.id)
        assert "sending held_back " * late + "sending sent" in events


async def test_a_held_back_change_says_by_how_much(database_url: str, provider: SimulatorHandle) -> None:
    """Meanwhile it is approved as before, and readers see that nothing was sent and that it is retried."""
    timing = replace(QUICK, send_window=-1.0, late_pause=BOUND, late_pause_most=BOUND)
    async with staged(database_url, provider, Setup(timing)) as stage:
        held = await stage.confirmed("stop", server=stage.server("web.example.com").id)
        change = await stage.changes.wait(
            held.id, seconds=BOUND, until=lambda current: "held back" in current.note, scope=OPERATOR
        )
        assert change.state is State.APPROVED
        assert "this process was late by 1." in change.note
        assert change.note.endswith("Nothing was sent; it is tried again.")
        assert (await stage.gate.cancel(change.id, ALICE, scope=OPERATOR)).state is State.CANCELLED


def test_pauses_grow_and_stay_bounded() -> None:
    """A process that is always late does not spin, and one that was late once resumes soon."""
    pauses = [pause_after(n, DEFAULT_TIMING.late_pause, DEFAULT_TIMING.late_pause_most) for n in range(1, 100)]
    assert pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert max(pauses) == DEFAULT_TIMING.late_pause_most


async def test_a_late_write_with_too_many_records_is_not_tried_again(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since when it is tried cannot be read from a part of its records, so it ends."""
    async with staged(database_url, provider, Setup(replace(QUICK, send_window=-1.0))) as stage:
        monkeypatch.setattr(authorization, "MOST_RECORDS", 2)  # the request and the confirmation, and not the sending
        ended = await stage.done("stop", server=stage.server("web.example.com").id)
        assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
        assert "Nothing was sent" in ended.note
        assert "more than 2 records" in ended.note
        assert await stage.events(ended.id) == "requested confirmed sending not_sent"
