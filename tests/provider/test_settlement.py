"""The end of a change on providers with short lists, with uptimes that step back or are absent, with passing states.

The simulator stands behind a front with habits of its own (`tests/fakes/odd_provider/front.py`).
"""

from dataclasses import dataclass, field, replace

import pytest

from tests.fakes.clock import START
from tests.fakes.odd_provider.front import Habit, OddAnswer, odd_provider
from tests.fakes.odd_provider.habits import five_fields, no_power, no_uptime, power_in_figures
from tests.fakes.timing import QUICK
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import Setup, Stage, staged
from tests.unit.core.sample import change, server, usage
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind, determine_outcome
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import running_simulator

NAME = "odd.example.com"
SOON = Setup(timing=replace(QUICK, power_limit=0.6, unseen_limit=0.5))


@dataclass(slots=True)
class Jitter:
    """Two nodes that take turns, one of them six seconds behind; neither carries out any request."""

    turn: int = 0
    uptime: int = 90_000

    def __call__(self, answer: OddAnswer) -> None:
        if answer.shows_usage:
            self.turn += 1
            self.uptime += 1
            answer.body["uptime_seconds"] = self.uptime - 6 * (self.turn % 2)


@dataclass(slots=True)
class Flap:
    """A new server seems ready for one poll, is being made again, and ends in an error."""

    polls: int = 0
    words: tuple[str, ...] = field(default=("running", "provisioning", "provisioning", "error"))

    def __call__(self, answer: OddAnswer) -> None:
        if answer.lists_servers:
            new = [entry for entry in answer.entries if entry["hostname"] == NAME]
            word = self.words[min(self.polls, len(self.words) - 1)]
            self.polls += bool(new)
            answer.put_entries([{**entry, "status": word} if entry in new else entry for entry in answer.entries])


async def ended(database_url: str, dialect: str, run: tuple[str, Really], *habits: Habit) -> tuple[str, str, Really]:
    """Run one operation to its end; return its state, note, and how its server really stands at that moment."""
    operation, before = run
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7, dialect=dialect), clock=clock) as behind,
        odd_provider(behind, *habits) as url,
        staged(database_url, behind, SOON, url=url) as stage,
    ):
        done = await _done(stage, operation, before)
        result = next(item for item in behind.simulator.world.servers() if item.hostname == NAME)
        return done.state.value + (" unseen" if done.unseen else ""), done.note, result.state


async def _done(stage: Stage, operation: str, before: Really) -> Change:
    if operation == "create":
        order = {"plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}
        return await stage.done("create", hostname=NAME, **order)
    world = stage.provider.simulator.world
    plan = next(iter(stage.provider.simulator.dialect.catalogue.plans))
    made = world.create(Order(NAME, NAME, plan, "NO", "debian-12"))
    booted = world.time.seconds() - 1e6 if before is UP else None
    world._keep(replace(world.override(made, before, None, None), booted=booted))
    return await stage.done(operation, server=made.id)


OFF, UP = Really.STOPPED, Really.RUNNING


@pytest.mark.parametrize(
    ("dialect", "habits", "run", "state"),
    [
        pytest.param("terraform", [five_fields], ("start", OFF), "succeeded", id="five fields, power in get: start"),
        pytest.param("terraform", [five_fields], ("stop", UP), "succeeded", id="five fields, power in get: stop"),
        pytest.param("terraform", [five_fields], ("reboot", UP), "succeeded", id="five fields: reboot"),
        pytest.param("terraform", [power_in_figures], ("start", OFF), "succeeded", id="power in status: start"),
        pytest.param("terraform", [power_in_figures], ("stop", UP), "succeeded", id="power in status: stop"),
        pytest.param("terraform", [no_power], ("start", OFF), "succeeded unseen", id="power nowhere: start"),
        pytest.param("terraform", [no_power], ("stop", UP), "succeeded unseen", id="power nowhere: stop"),
        pytest.param("terraform", [no_power], ("reboot", UP), "succeeded", id="power nowhere: reboot, by its uptime"),
        pytest.param("terraform", [no_uptime], ("reboot", UP), "succeeded unseen", id="no uptime: reboot"),
        pytest.param("seed", [no_uptime], ("reboot", UP), "succeeded unseen", id="no uptime, seed: reboot"),
        pytest.param("sdk", [], ("reboot", UP), "succeeded", id="no uptime, but a state: reboot"),
    ],
)
@pytest.mark.requirement("settled-is-seen")
async def test_a_change_ends_with_what_can_be_seen(
    database_url: str, dialect: str, habits: list[Habit], run: tuple[str, Really], state: str
) -> None:
    """No success before the server is there; where nothing can show it, an early and honest end."""
    came_to, note, really = await ended(database_url, dialect, run, *habits)
    assert came_to == state, note
    assert really is (OFF if run[0] == "stop" else UP)
    assert ("This API shows nothing" in note) is came_to.endswith("unseen")


async def test_an_uptime_that_steps_back_settles_no_reboot(database_url: str) -> None:
    """Two nodes with figures six seconds apart: the reboot that never happens is never called done."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=clock) as behind,
        odd_provider(behind, Jitter()) as url,
        staged(database_url, behind, url=url) as stage,
    ):
        sent = await stage.confirmed("reboot", server=stage.server(NAME).id)
        await eventually(lambda: stage.asked("status") >= 12)
        assert (await stage.changes.get(sent.id, scope=OPERATOR)).state is State.WATCHING


async def test_a_state_that_passes_settles_nothing(database_url: str) -> None:
    """Ready for one poll, and in error in the end: the create has failed, and was never called done."""
    state, note, _ = await ended(database_url, "seed", ("create", OFF), Flap())
    assert (state, note) == ("failed", "the provider reports error")


@pytest.mark.parametrize(
    ("mark", "uptimes", "finding"),
    [
        pytest.param(90_000, (90_004, 89_998), OutcomeKind.WAIT, id="two nodes"),
        pytest.param(90_000, (90_000, 90_000), OutcomeKind.WAIT, id="a copy"),
        pytest.param(90_000, (89_880, 89_881), OutcomeKind.WAIT, id="an old copy"),
        pytest.param(90_000, (90_004, 2), OutcomeKind.SUCCEEDED, id="a reboot"),
        pytest.param(40, (43, 5), OutcomeKind.SUCCEEDED, id="a reboot of a young server"),
        pytest.param(3, (5, 6), OutcomeKind.WAIT, id="a server that was young already"),
        pytest.param(None, (11, 12), OutcomeKind.WAIT, id="no reading before, older than the request"),
        pytest.param(None, (3, 4), OutcomeKind.SUCCEEDED, id="no reading before, younger than the request"),
    ],
)
@pytest.mark.requirement("reboot-is-proved")
def test_what_an_uptime_proves(mark: int | None, uptimes: tuple[int, ...], finding: OutcomeKind) -> None:
    """A reboot is proved by what a reboot alone explains, whatever was read between."""
    sent = change("reboot", age=6.0, last_uptime=mark)
    snapshot = FleetSnapshot([server()], True, START)
    assert [determine_outcome(sent, snapshot, usage(uptime), DEFAULT_TIMING).finding for uptime in uptimes][
        -1
    ] is finding


@pytest.mark.parametrize(
    ("status", "power", "start", "stop"),
    [
        pytest.param("active", None, "wait", "wait", id="power untold"),
        pytest.param("active", "on", "succeeded", "wait", id="on"),
        pytest.param("active", "poweredoff", "wait", "succeeded", id="poweredoff"),
        pytest.param("active", "suspended", "wait", "wait", id="unknown power word"),
        pytest.param("stopped", "on", "wait", "wait", id="contradiction"),
        pytest.param("shut-off", None, "wait", "succeeded", id="shut-off"),
        pytest.param("errored", None, "failed", "failed", id="errored"),
        pytest.param("deleted", "off", "failed", "failed", id="deleted"),
    ],
)
def test_what_words_mean_for_a_change(status: str, power: str | None, start: str, stop: str) -> None:
    """Words are mapped by meaning; an unknown word settles nothing."""
    seen = server(status, power_state=power)
    snapshot = FleetSnapshot([seen], True, START, full=frozenset({"s1"}))
    for operation, finding in (("start", start), ("stop", stop)):
        assert determine_outcome(change(operation), snapshot, None, DEFAULT_TIMING).finding.value == finding


def test_a_start_is_seen_where_the_status_moved() -> None:
    """An API that reports `stopped` and then `active`, and never a power, has shown it."""
    snapshot = FleetSnapshot([server("active")], True, START, moved=frozenset({"chg_1"}), full=frozenset({"s1"}))
    assert determine_outcome(change("start"), snapshot, None, DEFAULT_TIMING).finding is OutcomeKind.SUCCEEDED
