"""A process is stopped at every point of a server's end in turn: one stop or none, in time, never in silence."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.stateful.harness import TAKEN_OVER, StatefulHarness
from tests.stateful.processes.crashable_process import StopPoint, WorkerProcess
from vpsops.core.changes.model import State
from vpsops.core.common.timings import END_TOLERANCE_SECONDS
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndState, ServerEnd

POINTS = {"ends": 9, "run": 17}
"""More than a look with a new stop has, and the run of that stop."""
APART_HOURS = 4
REST_ROUNDS, REST_SECONDS = 50, 60.0
LONG = END_TOLERANCE_SECONDS + 600
SETTLED = {EndState.STOPPED, EndState.ASKED}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[StatefulHarness]:
    made = StatefulHarness(migrated(tmp_path / "db.sqlite3"), fleet=2)
    try:
        yield made
    finally:
        made.close()


def made_ends(scene: StatefulHarness, count: int) -> list[ServerEnd]:
    """Make servers with ends that are hours apart, and return the ends, the next one first."""
    maker = scene.started_worker()
    for number in range(1, count + 1):
        scene.approve("create", f"load{number}.example.com", lifetime=f"{APART_HOURS * number}h")
    scene.come_to_rest(maker)
    stored = list(scene.call(scene.observer.database.read(ends.open_ends)))
    assert len(stored) == count
    return stored


def reach(scene: StatefulHarness, end: ServerEnd, process: WorkerProcess) -> None:
    """Let time pass until an end, with a process that reminds before."""
    for early in (3000.0, -1.0):
        scene.pass_time((end.ends_at - scene.clock.true).total_seconds() - early, [process])
        if early > 0:
            scene.do_everything(process)


def interrupt(scene: StatefulHarness, phase: str, left: int, stop: StopPoint) -> WorkerProcess:
    """Let a process look at ends, or run the stop that it began, and be stopped after some points."""
    process = scene.started_worker()
    if phase == "run":
        scene.call(process.do("ends"))
        assert len(process.runs_requested) == 1
        scene.call(process.do("run", process.runs_requested.pop(), left, stop))
    else:
        scene.call(process.do("ends", "", left, stop))
    return process


def finish(scene: StatefulHarness, end: ServerEnd, process: WorkerProcess) -> ServerEnd:
    """Let a process continue until the server is stopped, or people are asked."""
    for _ in range(REST_ROUNDS):
        scene.do_everything(process)
        stored = scene.call(scene.observer.database.read(lambda connection: ends.find(connection, end.server_id)))
        assert stored is not None
        if stored.state in SETTLED:
            return stored
        scene.pass_time(REST_SECONDS, [process])
    raise AssertionError(stored)


def stops_of(scene: StatefulHarness, end: ServerEnd) -> int:
    """Count the stops of a server, each of which was in its time."""
    stops = [effect for effect in scene.world.counted("stop") if effect.server_id == end.server_id]
    for effect in stops:
        late = effect.at - end.ends_at
        assert timedelta() <= late <= timedelta(seconds=END_TOLERANCE_SECONDS), f"stopped {late} after its end"
    return len(stops)


def check(scene: StatefulHarness, end: ServerEnd, stored: ServerEnd) -> None:
    """One stop where it is noted as stopped; where people are asked, one at most, and a word about why."""
    count = stops_of(scene, end)
    assert count == 1 if stored.state is EndState.STOPPED else count <= 1
    assert stored.note


@pytest.mark.slow
@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("stop", [StopPoint.DIE, StopPoint.FAIL])
@pytest.mark.requirement("end-stops-once")
def test_a_process_that_is_stopped_anywhere_in_an_end_leaves_one_stop(
    scene: StatefulHarness, phase: str, stop: StopPoint
) -> None:
    """Dead or without its database: another process, or the same, continues, and the server is stopped in time."""
    stored = made_ends(scene, POINTS[phase])
    other = scene.started_worker()
    for left, end in enumerate(stored):
        reach(scene, end, other)
        process = interrupt(scene, phase, left, stop)
        scene.pass_time(TAKEN_OVER, [other])
        check(scene, end, finish(scene, end, other if stop is StopPoint.DIE else process))
    scene.check_end()
    if stop is StopPoint.FAIL:
        assert {item.state for item in scene.stored().values()} == {State.SUCCEEDED}


@pytest.mark.slow
@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.requirement("end-never-silent")
def test_a_process_that_is_woken_long_after_an_end_stops_nothing_any_more(
    scene: StatefulHarness, phase: str, alone: bool
) -> None:
    """Frozen before or after any commit or byte: what did not leave in its time does not leave."""
    stored = made_ends(scene, POINTS[phase])
    other = scene.started_worker()
    for left, end in enumerate(stored):
        reach(scene, end, other)
        process = interrupt(scene, phase, left, StopPoint.FREEZE)
        for seconds in (TAKEN_OVER, LONG):
            scene.pass_time(seconds, [other])
            if not alone:
                scene.do_everything(other)
        scene.call(process.wake())
        while process.runs_requested:
            scene.call(process.do("run", process.runs_requested.pop()))
        check(scene, end, finish(scene, end, other))
    scene.check_end()


@pytest.mark.slow
@pytest.mark.parametrize("phase", list(POINTS))
@pytest.mark.requirement("end-kept")
def test_a_stop_that_had_not_left_is_not_sent_once_the_server_is_kept(scene: StatefulHarness, phase: str) -> None:
    """Its owner keeps the server while a process is frozen anywhere, which is woken as if nothing had happened."""
    stored = made_ends(scene, POINTS[phase])
    other = scene.started_worker()
    for left, end in enumerate(stored):
        reach(scene, end, other)
        process = interrupt(scene, phase, left, StopPoint.FREEZE)
        before = stops_of(scene, end)
        intended = {item.id for item in scene.stored().values() if item.state is State.SENDING}
        assert scene.keep(end.server_id, hours=1000) is not None
        scene.pass_time(TAKEN_OVER, [other])
        scene.call(process.wake())
        while process.runs_requested:
            scene.call(process.do("run", process.runs_requested.pop()))
        scene.come_to_rest(other)
        assert stops_of(scene, end) <= max(before, len(intended))
    scene.check_end()


@pytest.mark.requirement("end-never-silent")
def test_a_date_that_is_set_forward_for_a_moment_puts_off_no_look(scene: StatefulHarness) -> None:
    """A server with a stop on its way then is followed in time once the date is right again."""
    end = made_ends(scene, 1)[0]
    process = scene.started_worker()
    reach(scene, end, process)
    scene.call(process.do("ends"))
    scene.clock.ahead = timedelta(hours=30)
    scene.call(process.do("ends"))
    scene.clock.ahead = timedelta()
    assert finish(scene, end, process).state is EndState.STOPPED
