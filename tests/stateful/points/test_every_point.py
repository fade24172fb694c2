"""One process is stopped at every point of a run in turn: each time one effect or none, and an end that names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.stateful.harness import LOOKED_UP, TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import CrashableProcess, StopPoint
from vpsops.core.changes.model import State
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.hardware.model import ServerState as Really

pytestmark = pytest.mark.slow  # every point of every run: a fifth of all processor time


POINTS = 18  # more than a run has


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[StatefulHarness]:
    made = StatefulHarness(migrated(tmp_path / "db.sqlite3"), fleet=30)
    try:
        yield made
    finally:
        made.close()


def hostnames(scene: StatefulHarness, operation: str) -> list[str]:
    """Return a server for each point."""
    if operation == "create":
        return [f"new{number}.example.com" for number in range(POINTS)]
    return [server.hostname for server in scene.world.servers() if server.state is Really.RUNNING][:POINTS]


def interrupted(scene: StatefulHarness, change_id: str, left: int, stop: StopPoint) -> CrashableProcess:
    """Let a process run a change and be stopped after some points."""
    process = scene.started()
    scene.call(process.do("run", change_id, left, stop))
    return process


@pytest.mark.parametrize("operation", ["reboot", "create"])
@pytest.mark.parametrize("stop", [StopPoint.DIE, StopPoint.FAIL])
@pytest.mark.requirement("sent-once")
def test_a_process_that_is_stopped_anywhere_leaves_one_effect_or_none(
    scene: StatefulHarness, operation: str, stop: StopPoint
) -> None:
    """Dead or without its database: another process, or the same, resumes the rest, and never sends again."""
    other = scene.started()
    for left, hostname in enumerate(hostnames(scene, operation)):
        process = interrupted(scene, scene.approve(operation, hostname), left, stop)
        scene.come_to_rest(other if stop is StopPoint.DIE else process)
    scene.check_end()
    ends = {State.SUCCEEDED, State.FAILED} if stop is StopPoint.DIE else {State.SUCCEEDED}
    assert {item.state for item in scene.stored().values()} == ends


@pytest.mark.parametrize("operation", ["reboot", "create"])
@pytest.mark.parametrize("asleep", [TAKEN_OVER, LOOKED_UP])
def test_a_process_that_is_woken_late_anywhere_does_nothing_more(
    scene: StatefulHarness, operation: str, asleep: float
) -> None:
    """Frozen before or after any commit or byte, and woken when another has taken over, or queried the outcome."""
    other = scene.started()
    for left, hostname in enumerate(hostnames(scene, operation)):
        frozen = interrupted(scene, scene.approve(operation, hostname), left, StopPoint.FREEZE)
        for seconds in (TAKEN_OVER, asleep - TAKEN_OVER):
            scene.pass_time(seconds, [other])
            scene.do_everything(other)
        scene.call(frozen.wake())
        scene.come_to_rest(other)
    scene.check_end()


@pytest.mark.parametrize("stop", list(StopPoint))
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_look_up_that_is_stopped_anywhere_comes_to_the_same_end(
    scene: StatefulHarness, kind: str, stop: StopPoint
) -> None:
    """An unclear outcome is queried by a living process, however often the query is broken off."""
    for left, hostname in enumerate(hostnames(scene, "reboot")[:10]):
        match = {"operation": "reboot", "hostname": hostname}
        scene.app.simulator.faults.add(faults.parse({"kind": kind, "match": match}))
        looker, other = scene.started(), scene.started()
        scene.call(looker.do("run", scene.approve("reboot", hostname)))
        for what in ("keep", "look"):
            if looker.is_free:
                scene.call(looker.do(what, "", left, stop))
        scene.pass_time(TAKEN_OVER, [other])
        scene.do_everything(other)
        scene.call(looker.wake())
        scene.come_to_rest(other)
    scene.check_end()
    end = State.FAILED if kind == "drop_before" else State.SUCCEEDED
    assert {item.state for item in scene.stored().values()} == {end}
