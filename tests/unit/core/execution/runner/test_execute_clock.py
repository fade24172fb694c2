"""The date set forward or back, a machine that slept: leases and runs do not mind, and holds end on the safe side."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, BOUND, Setup, Stage, staged, until
from vpsops.core.authorization.attempts import SendCheck
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.execution.runner import Runner
from vpsops.core.execution.send_deadline import SendDeadline
from vpsops.core.storage.leases import alive
from vpsops.playground.wayscloud.serve import SimulatorHandle

HOUR = timedelta(hours=1)
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


class ShakyClock(VirtualClock):
    """The machine's clocks, with a date that can be set and a sleep of the machine that can be slept."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.slept = 0.0

    def now(self) -> datetime:
        """Return the date as the test set it."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """Return the seconds since boot, those asleep included."""
        return super().monotonic() + self.slept


@pytest.fixture
def clock() -> ShakyClock:
    return ShakyClock()


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle, clock: ShakyClock) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(clock=clock)) as made:
        yield made


async def ended(stage: Stage, change: Change) -> Change:
    """Return a change at its very end."""
    return await stage.changes.wait(change.id, seconds=BOUND, until=lambda current: current.state.final, scope=OPERATOR)


@JUMPS
async def test_a_date_set_in_the_middle_of_a_run_is_no_matter(stage: Stage, clock: ShakyClock, jump: timedelta) -> None:
    """The write goes out once, its answer is stored, and the watch settles it."""
    server = stage.server("web.example.com")
    stage.fault("slow", "reboot", seconds=0.3, after_effect=True)
    change = await stage.confirmed("reboot", server=server.id)
    await until(lambda: stage.effects("reboot") == 1)
    clock.ahead = jump
    assert (await ended(stage, change)).state is State.SUCCEEDED
    assert stage.asked("reboot") == 1


@JUMPS
async def test_an_unclear_outcome_is_found_under_any_date(stage: Stage, clock: ShakyClock, jump: timedelta) -> None:
    """A completed write is recognised whatever age the date implies."""
    server = stage.server("web.example.com")
    stage.fault("slow", "stop", seconds=0.2, after_effect=True)
    stage.fault("drop_after", "stop")
    change = await stage.confirmed("stop", server=server.id)
    await until(lambda: stage.effects("stop") == 1)
    clock.ahead = jump
    assert (await ended(stage, change)).state is State.SUCCEEDED


@JUMPS
async def test_a_date_that_is_set_kills_no_process(stage: Stage, clock: ShakyClock, jump: timedelta) -> None:
    """A process with a heartbeat is alive by the lease clock, which the date does not move."""
    await stage.engine.start()
    clock.ahead = jump
    database = stage.database
    assert await database.read(lambda connection: alive(connection, database.tick(connection))) == {stage.process.id}
    assert stage.process.certain


async def test_a_hold_whose_time_is_over_by_the_date_cannot_be_confirmed(stage: Stage, clock: ShakyClock) -> None:
    """Set forward, the date ends holds early: nothing is done, and a click is answered with "ask again"."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    clock.ahead = HOUR
    with pytest.raises(StaleChangeError):
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    assert (await ended(stage, held)).state is State.EXPIRED
    assert stage.asked("stop") == 0


async def test_a_hold_lives_longer_by_what_the_date_was_set_back(stage: Stage, clock: ShakyClock) -> None:
    """Set back, the date ends holds late: they can still be confirmed, with the second check as always."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    clock.ahead = -HOUR
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    assert (await ended(stage, held)).state is State.SUCCEEDED
    assert stage.asked("stop") == 1


async def test_a_machine_that_slept_before_a_send_tries_again_at_once(
    stage: Stage, clock: ShakyClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asleep between the intention and the send: held back, a heartbeat, a second check, and one write."""
    intend = Runner._intend

    async def slept(
        runner: Runner, change: Change, checked: SendCheck, uptime: int | None
    ) -> tuple[Change, SendDeadline]:
        stored = await intend(runner, change, checked, uptime)
        if not clock.slept:
            clock.slept = 10.0
        return stored

    monkeypatch.setattr(Runner, "_intend", slept)
    held = await stage.confirmed("stop", server=stage.server("web.example.com").id)
    change = await stage.changes.wait(held.id, seconds=BOUND + 10.0, scope=OPERATOR)  # ten of them are slept
    assert (change.state, stage.asked("stop")) == (State.SUCCEEDED, 1)
    assert "sending held_back sending sent" in await stage.events(change.id)
