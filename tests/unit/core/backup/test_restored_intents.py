"""What was to happen by itself when a backup was taken: after a restore none of it does, and people are asked once."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.unit.core.backup.backups import backed_up
from tests.unit.core.backup.test_restoration import check_trail, other_url, restore
from tests.unit.core.conftest import provider
from tests.unit.core.execution.ends.test_end_worker import bring, end_of, made
from tests.unit.core.grants.harness import grants, held, let_through, oncall, opened
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from tests.unit.core.plans.plan_stage import Planner
from tests.unit.core.scheduler.test_due_changes import DatedClock
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndState
from vpsops.core.grants.model import GrantState
from vpsops.core.schedule.model import LaterRequest
from vpsops.core.storage.tables import OUTBOX
from vpsops.playground.wayscloud.serve import SimulatorHandle

__all__ = ["provider"]


async def end_notices(stage: Stage) -> list[str]:
    """Return the events of ends in the outbox, in their order."""
    query = sa.select(OUTBOX.c.payload).order_by(OUTBOX.c.id)
    payloads = await stage.database.read(lambda connection: list(connection.scalars(query)))
    events = [str(payload.get("event", "")) for payload in payloads if isinstance(payload, dict)]
    return [event for event in events if event.startswith(lifecycle.NOTICES)]


@pytest.mark.requirement("restore-sends-nothing")
async def test_what_was_to_come_does_not_come_after_a_restore(
    database_url: str, provider: SimulatorHandle, tmp_path: Path
) -> None:
    """Scheduled, planned, at an end: past their time nothing of it is sent, and the owner is asked once."""
    path, clock = tmp_path / "db.backup", DatedClock()
    async with staged(database_url, provider, Setup(clock=clock)) as stage:
        change = await made(stage)
        await bring(stage, change)
        planner = Planner(stage)
        planner.add_servers(2)
        plan = await planner.held("app*")
        request = Request("stop", {"server": "web01"}, ALICE, SLACK, can_confirm=True, later=LaterRequest("in 15m"))
        asked = await stage.gate.submit(request, scope=OPERATOR)
        assert isinstance(asked, Held)
        later = await stage.gate.confirm(asked.change.id, ALICE, asked.change.digest, scope=OPERATOR)
        assert later.state is State.SCHEDULED
    backed_up(database_url, path)
    async with staged(other_url(tmp_path), provider, Setup(clock=clock)) as stage:
        await restore(stage.database, path)
        await stage.engine.start()
        await stage.clock.sleep(60.0)
        states = [(await stage.changes.get(ident, scope=OPERATOR)).state for ident in (plan.id, later.id)]
        assert states == [State.SUPERSEDED, State.SUPERSEDED]
        end = await end_of(stage, change)
        assert (end.state, end.note) == (EndState.ASKED, lifecycle.WENT_BACK)
        assert [stage.asked(what) for what in ("stop", "reboot")] == [0, 0]
        notices = await end_notices(stage)
        assert len(notices) == 1
        assert notices[0].startswith(lifecycle.ASKED)
        await check_trail(stage.database)


@pytest.mark.requirement("restore-sends-nothing")
async def test_a_grant_of_a_backup_is_over(database_url: str, provider: SimulatorHandle, tmp_path: Path) -> None:
    """Uses since then are not counted, so it lets nothing through: the agent asks again, and people vote."""
    path = tmp_path / "db.backup"
    async with staged(database_url, provider, oncall()) as stage:
        assert (await opened(stage)).state is GrantState.OPEN
        await let_through(stage)
    backed_up(database_url, path)
    async with staged(other_url(tmp_path), provider, oncall()) as stage:
        await restore(stage.database, path)
        await stage.engine.start()
        (grant,) = await grants(stage)
        assert (grant.state, "went back" in grant.note) == (GrantState.ENDED, True)
        await held(stage)
        await check_trail(stage.database)


async def test_every_end_is_asked_about_however_many_there_are(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list shows so many; what acts by itself is not bounded by that."""
    async with staged(database_url, provider, Setup(clock=DatedClock())) as stage:
        changes = [await made(stage, hostname=f"load{number:02}.example.com") for number in range(3)]
        monkeypatch.setattr(ends, "MOST", 2)
        count = await stage.database.transact(lambda entry: lifecycle.ask_about_all(entry, stage.clock.now()))
        assert count == 3
        assert {(await end_of(stage, change)).state for change in changes} == {EndState.ASKED}
        again = await stage.database.transact(lambda entry: lifecycle.ask_about_all(entry, stage.clock.now()))
        assert again == 0
