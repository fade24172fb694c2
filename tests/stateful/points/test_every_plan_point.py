"""A process is stopped at every point of a plan's begin in turn, at once or at its time: it begins once, in time."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.storage.databases import migrated
from tests.stateful.harness import TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import StopPoint, WorkerProcess
from tests.stateful.processes.plan_rounds import finish_plan, wake_late
from tests.stateful.processes.stored_plans import PlannedStep, store_plan
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.common.timings import SCHEDULE_TOLERANCE_SECONDS
from vpsops.core.plans.model import MemberState, PlanOptions
from vpsops.core.plans.repository import members_of
from vpsops.core.schedule.model import Schedule
from vpsops.playground.wayscloud.hardware.model import ServerState

pytestmark = [pytest.mark.slow, pytest.mark.requirement("sent-once")]

MEMBERS: Final = 2
POINTS: Final = {"due": 4, "start": 16}
"""More than a round in which a schedule is due has, and the first round of a plan."""
AHEAD_SECONDS: Final = 600.0


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[StatefulHarness]:
    made = StatefulHarness(migrated(tmp_path / "db.sqlite3"), fleet=MEMBERS * max(POINTS.values()))
    try:
        for server in made.world.servers():
            made.world.override(server, ServerState.RUNNING, None, None)
        yield made
    finally:
        made.close()


def stored(scene: StatefulHarness, place: int, *, at_once: int = 1) -> str:
    """Store a plan over two servers of its own that runs in ten minutes."""
    servers = scene.world.servers()[MEMBERS * place : MEMBERS * (place + 1)]
    run_at = scene.clock.now() + timedelta(seconds=AHEAD_SECONDS)
    schedule = Schedule(run_at, run_at + timedelta(seconds=SCHEDULE_TOLERANCE_SECONDS), "in 10m")
    plan_id = f"chg_plan{place}"
    steps = [PlannedStep("reboot", server.hostname) for server in servers]
    scene.call(store_plan(scene, plan_id, steps, PlanOptions(at_once=at_once), schedule))
    return plan_id


def interrupt(scene: StatefulHarness, plan_id: str, phase: str, left: int, stop: StopPoint) -> WorkerProcess:
    """Let a process start a plan at its time, or begin its first members, and be stopped after some points."""
    process = scene.started_worker()
    scene.pass_time(AHEAD_SECONDS + 1, [process])
    if phase == "due":
        scene.call(process.do("keep", "", left, stop))
        return process
    scene.call(process.do("keep"))
    assert scene.stored()[plan_id].state is State.APPROVED
    scene.call(process.do("plan", plan_id, left, stop))
    return process


def check(scene: StatefulHarness, plan: Change) -> None:
    """It began once and not before its time; each member has one change, begun once and in order, and one effect."""
    records = scene.call(scene.observer.database.read(lambda connection: chain.read(connection, limit=100_000)))
    events = Counter(record.event for record in records if record.change_id == plan.id)
    assert (events["due"], events["plan_started"], events["plan_ended"]) == (1, 1, 1), events
    members = scene.call(scene.observer.database.read(lambda connection: members_of(connection, plan.id)))
    own = [item.id for item in scene.stored().values() if item.plan == plan.id]
    assert sorted(own) == sorted(member.change_id for member in members if member.change_id)
    assert plan.schedule is not None
    for member in members:
        effects = [each for each in scene.world.counted("reboot") if each.hostname == member.target.hostname]
        assert len(effects) == (member.state is MemberState.DONE), (member, effects)
        assert all(effect.at >= plan.schedule.run_at for effect in effects)
    begun = [record.change_id for record in records if record.event == "requested" and record.change_id in own]
    assert begun == [member.change_id for member in members if member.change_id]


@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("stop", [StopPoint.DIE, StopPoint.FAIL])
def test_a_plan_begins_once_wherever_a_process_is_stopped(
    scene: StatefulHarness, phase: str, at_once: int, stop: StopPoint
) -> None:
    """Dead or without its database: another process, or the same, begins what was not begun, and nothing again."""
    for left in range(POINTS[phase]):
        other, plan_id = scene.started_worker(), stored(scene, left, at_once=at_once)
        process = interrupt(scene, plan_id, phase, left, stop)
        scene.pass_time(TAKEN_OVER, [other])
        plan = finish_plan(scene, plan_id, other if stop is StopPoint.DIE else process)
        assert plan.state is State.SUCCEEDED, plan.note
        check(scene, plan)
    assert not process.life.dead, "there are more points"
    scene.check_trail()


@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("ended", [True, False])
def test_a_process_that_is_woken_late_in_a_begin_begins_nothing_again(
    scene: StatefulHarness, phase: str, ended: bool
) -> None:
    """Frozen before or after any commit or byte, and woken once another process took over, or ended the plan."""
    for left in range(POINTS[phase]):
        other, plan_id = scene.started_worker(), stored(scene, left)
        frozen = interrupt(scene, plan_id, phase, left, StopPoint.FREEZE)
        plan = wake_late(scene, plan_id, frozen, other, ended=ended)
        assert plan.state is State.SUCCEEDED, plan.note
        check(scene, plan)
    scene.check_trail()
