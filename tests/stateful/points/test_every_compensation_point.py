"""A process is stopped at every point of a runbook's compensation in turn: each is done once, in order, or says why."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.fakes.storage.databases import migrated
from tests.stateful.harness import TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import StopPoint, WorkerProcess
from tests.stateful.processes.plan_rounds import ROUNDS, finish_plan, wake_late, work
from tests.stateful.processes.stored_plans import PlannedStep, store_plan
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.plans.model import MemberState, PlanMember
from vpsops.core.plans.repository import members_of
from vpsops.core.plans.steps import StepPart
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.hardware.model import ServerState

pytestmark = [pytest.mark.slow, pytest.mark.requirement("runbook-restarts")]

SERVERS: Final = 3
POINTS: Final = {"failed": 5, "begin": 12, "run": 17, "settle": 5}
"""More than each part of a compensation has: the end of the step that failed, its begin, its run, its end."""
DONE, FAILED, RUNNING, WAITING = MemberState.DONE, MemberState.FAILED, MemberState.RUNNING, MemberState.WAITING
AT: Final = {
    "failed": (RUNNING, WAITING),
    "begin": (FAILED, WAITING),
    "run": (FAILED, RUNNING),
    "settle": (FAILED, RUNNING),
}
"""The states of the step that failed and of its first compensation, as the process comes to each part."""
REFUSED, START = 1, 2
"""The places of the step that fails and of its first compensation among the members."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[StatefulHarness]:
    made = StatefulHarness(migrated(tmp_path / "db.sqlite3"), fleet=SERVERS * max(POINTS.values()))
    try:
        for server in made.world.servers():
            made.world.override(server, ServerState.RUNNING, None, None)
        yield made
    finally:
        made.close()


def stored(scene: StatefulHarness, place: int) -> str:
    """Store a runbook of which the second step is refused: a server is started again then, and another rebooted."""
    first, second, third = (each.hostname for each in scene.world.servers()[SERVERS * place : SERVERS * (place + 1)])
    steps = [
        PlannedStep("stop", first, StepPart(1)),
        PlannedStep("reboot", second, StepPart(2)),
        PlannedStep("start", first, StepPart(2, compensates=True), after="stop"),
        PlannedStep("reboot", third, StepPart(2, compensates=True)),
    ]
    refusal: dict[str, Any] = {"kind": "status", "status": 409, "match": {"operation": "reboot", "hostname": second}}
    scene.app.simulator.faults.add(faults.parse(refusal))
    plan_id = f"chg_book{place}"
    scene.call(store_plan(scene, plan_id, steps))
    return plan_id


def members(scene: StatefulHarness, plan_id: str) -> list[PlanMember]:
    """Return the members of a runbook."""
    return scene.call(scene.observer.database.read(lambda connection: members_of(connection, plan_id)))


def is_settled(scene: StatefulHarness, plan_id: str, place: int) -> bool:
    """Return whether the change of a member has ended, whatever its runbook knows of that."""
    change = scene.stored().get(members(scene, plan_id)[place].change_id)
    return change is not None and change.state.final


def reach(scene: StatefulHarness, plan_id: str, process: WorkerProcess, phase: str) -> None:
    """Let a process run a runbook up to the part of its first compensation that is to be interrupted."""
    place = START if phase == "settle" else REFUSED
    for _ in range(ROUNDS):
        if is_settled(scene, plan_id, place):
            break
        scene.call(process.do("plan", plan_id))
        work(scene, process)
    if phase in {"begin", "run"}:
        scene.call(process.do("plan", plan_id))
    if phase == "run":
        scene.call(process.do("plan", plan_id))
    known = [member.state for member in members(scene, plan_id)]
    assert (known[REFUSED], known[START]) == AT[phase]


def interrupt(scene: StatefulHarness, plan_id: str, phase: str, left: int, stop: StopPoint) -> WorkerProcess:
    """Let a process come to its first compensation, and be stopped after some points of that part."""
    process = scene.started_worker()
    reach(scene, plan_id, process, phase)
    if phase == "run":
        scene.call(process.do("run", process.runs_requested.pop(), left, stop))
    else:
        scene.call(process.do("plan", plan_id, left, stop))
    return process


def check(scene: StatefulHarness, plan: Change, *, whole: bool) -> None:
    """Each member has a change that was begun once and in order, and one effect where it is done, else none."""
    own = [item for item in scene.stored().values() if item.plan == plan.id]
    known = members(scene, plan.id)
    assert sorted(item.id for item in own) == sorted(member.change_id for member in known if member.change_id)
    records = scene.call(scene.observer.database.read(lambda connection: chain.read(connection, limit=100_000)))
    ids = [member.change_id for member in known if member.change_id]
    assert [record.change_id for record in records if record.event == "requested" and record.change_id in ids] == ids
    for member in known:
        name = (member.operation, member.target.hostname)
        assert scene.effects()[name] == (member.state is DONE), (member, scene.effects())
    assert plan.state is State.FAILED
    states = [member.state for member in known]
    assert states[:START] == [DONE, FAILED]
    if whole:
        assert states[START:] == [DONE, DONE], plan.note
        assert plan.note.endswith("Compensation: 2 of 2 done."), plan.note
    else:
        assert states[START:] in ([DONE, DONE], [FAILED, MemberState.NOT_RUN]), plan.note


@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("stop", [StopPoint.DIE, StopPoint.FAIL])
def test_a_compensation_is_done_once_wherever_a_process_is_stopped(
    scene: StatefulHarness, phase: str, stop: StopPoint
) -> None:
    """Dead or without its database: another process, or the same, continues it, and nothing is sent again."""
    for left in range(POINTS[phase]):
        plan_id = stored(scene, left)
        process = interrupt(scene, plan_id, phase, left, stop)
        other = scene.started_worker() if stop is StopPoint.DIE else process
        scene.pass_time(TAKEN_OVER, [other])
        plan = finish_plan(scene, plan_id, other)
        check(scene, plan, whole=stop is StopPoint.FAIL or phase != "run")
    assert not process.life.dead, "there are more points"
    scene.check_trail()


@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("ended", [True, False])
def test_a_process_that_is_woken_late_in_a_compensation_does_nothing_again(
    scene: StatefulHarness, phase: str, ended: bool
) -> None:
    """Frozen before or after any commit or byte, and woken once another process took over, or ended the runbook."""
    for left in range(POINTS[phase]):
        plan_id = stored(scene, left)
        frozen, other = interrupt(scene, plan_id, phase, left, StopPoint.FREEZE), scene.started_worker()
        plan = wake_late(scene, plan_id, frozen, other, ended=ended)
        check(scene, plan, whole=phase != "run")
    scene.check_trail()
