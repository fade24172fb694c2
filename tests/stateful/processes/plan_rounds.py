"""Rounds of work on a stored plan: by a process until it has ended, and by another one while the first is frozen."""

from typing import Final

from tests.stateful.harness import TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import WorkerProcess
from vpsops.core.changes.model import Change

ROUNDS: Final = 40
ROUND_SECONDS: Final = 60.0


def work(scene: StatefulHarness, process: WorkerProcess) -> None:
    """Let a process run and watch what there is, and time pass."""
    scene.do_everything(process)
    scene.pass_time(ROUND_SECONDS, [process])


def finish_plan(scene: StatefulHarness, plan_id: str, process: WorkerProcess) -> Change:
    """Let a process continue until a plan, or a runbook, has ended."""
    for _ in range(ROUNDS):
        scene.call(process.do("plan", plan_id))
        plan = scene.stored()[plan_id]
        if plan.state.final:
            return plan
        work(scene, process)
    raise AssertionError(plan)


def wake_late(
    scene: StatefulHarness, plan_id: str, frozen: WorkerProcess, other: WorkerProcess, *, ended: bool
) -> Change:
    """Wake a process once another one took over, or ended its plan; return the plan as it ended."""
    scene.pass_time(TAKEN_OVER, [other])
    scene.do_everything(other)
    scene.call(other.do("plan", plan_id))
    if ended:
        finish_plan(scene, plan_id, other)
    scene.call(frozen.wake())
    while frozen.runs_requested:
        scene.call(frozen.do("run", frozen.runs_requested.pop()))
    return finish_plan(scene, plan_id, other)
