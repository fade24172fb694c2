"""How many servers of a group may be down: what is not seen, and what others do, counts against a member."""

import itertools
from collections.abc import AsyncIterator

import pytest

from tests.unit.core.harness import ALICE, Setup, Stage, until
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.limits.model import Limits
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle

ONE_DOWN = Setup(limits=Limits(max_unavailable=(("tier", 1),)))


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, ONE_DOWN) as opened:
        yield opened


@pytest.fixture
def planner(stage: Stage) -> Planner:
    planner = Planner(stage)
    label_all(planner, planner.add_servers(4))
    return planner


def label_all(planner: Planner, names: list[str], **labels: str) -> None:
    world = planner.stage.provider.simulator.world
    for server in world.servers():
        if server.hostname in names:
            world.override(server, None, None, None, labels=labels or {"tier": "web"})


async def test_a_list_that_is_not_whole_says_nothing_of_those_that_are_down(planner: Planner) -> None:
    """The server that is down is not on the part of the list that comes: no member of its group begins."""
    plan = await planner.held("app001", "app002", stop_after=2)
    world = planner.stage.provider.simulator.world
    world.override(next(s for s in world.servers() if s.hostname.startswith("app004")), ServerState.STOPPED, None, None)
    planner.stage.fault("pages", "list", form="total", size=3)
    await planner.stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
    waiting = await planner.stage.changes.wait(
        plan.id, seconds=60, until=lambda change: change.state.final, scope=OPERATOR
    )
    assert waiting.state is State.WATCHING
    assert planner.stage.effects("reboot") == 0
    planner.stage.provider.simulator.faults.clear()
    world.override(next(s for s in world.servers() if s.hostname.startswith("app004")), ServerState.RUNNING, None, None)
    assert (await planner.end(plan.id)).state is State.SUCCEEDED


async def test_a_server_that_is_down_counts_in_its_own_group_alone(planner: Planner) -> None:
    """The provider's list has no labels, so those of a server that is down are read by themselves."""
    planner.stage.server("other.example.com", ServerState.STOPPED)
    label_all(planner, ["other.example.com"], tier="db")
    plan = await planner.done("app001", "app002")
    assert plan.state is State.SUCCEEDED, plan.note


async def test_a_server_whose_labels_cannot_be_read_may_be_of_any_group(planner: Planner) -> None:
    """The words do not say that it is of the group."""
    planner.stage.server("other.example.com", ServerState.STOPPED)
    planner.stage.fault("status", "get", "other.example.com", status=500)
    plan = await planner.confirmed("app001", "app002")
    waits = await planner.stage.changes.wait(
        plan.id, seconds=60, until=lambda change: "waits since" in change.note, scope=OPERATOR
    )
    assert "0 of tier=web are down (and 1 with unknown labels), and at most 1 may be" in waits.note
    planner.stage.provider.simulator.faults.clear()
    assert (await planner.end(plan.id)).state is State.SUCCEEDED


async def test_two_plans_take_no_more_of_a_group_down_than_one(planner: Planner) -> None:
    """Plans of the same group that run at the same time wait for each other."""
    first = await planner.confirmed("app001", "app002")
    second = await planner.confirmed("app003", "app004")
    ended = [await planner.end(plan.id) for plan in (first, second)]
    assert [plan.state for plan in ended] == [State.SUCCEEDED] * 2, [plan.note for plan in ended]
    await assert_apart(planner, first.id, second.id)


async def assert_apart(planner: Planner, *plan_ids: str) -> None:
    changes = [change for plan_id in plan_ids for change in await planner.changes_of(plan_id)]
    changes.sort(key=lambda change: change.created_at)
    for earlier, later in itertools.pairwise(changes):
        assert earlier.settled_at is not None
        assert later.created_at >= earlier.settled_at, (earlier.target.hostname, later.target.hostname)


async def test_a_change_of_one_server_counts_against_a_member(planner: Planner) -> None:
    """A server that is rebooted on its own is about to be down, whatever the list still says."""
    planner.stage.fault("stale", "list", seconds=3600)
    planner.stage.fault("slow", "reboot", "app004.example.com", seconds=1)
    single = await planner.stage.confirmed("reboot", server="app004")
    plan = await planner.done("app001", "app002")
    single = await planner.stage.rest(single.id)
    first, *_ = await planner.changes_of(plan.id)
    assert single.settled_at is not None
    assert first.created_at >= single.settled_at


async def test_labels_that_filters_take_for_the_same_are_one_group(planner: Planner) -> None:
    """`Web` and `web` are one value to filters and rules, and so they are to this limit."""
    label_all(planner, ["app001.example.com"], Tier="Web")
    plan = await planner.done("app001", "app002", at_once=2)
    assert plan.state is State.SUCCEEDED, plan.note
    await assert_apart(planner, plan.id)


async def test_members_that_begin_together_share_one_read_of_the_list(
    database_url: str, provider: SimulatorHandle
) -> None:
    """A list of ten thousand servers is not read once for each of a thousand members."""
    async with staged(database_url, provider, Setup(limits=Limits(max_unavailable=(("tier", 9),)))) as stage:
        planner = Planner(stage)
        names = planner.add_servers(9)
        label_all(planner, names)
        plan = await planner.held(*names, at_once=9)
        before = stage.asked("list")
        await stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
        await until(lambda: stage.effects("reboot") == len(names))
        assert stage.asked("list") - before < len(names) / 2


async def test_a_plan_that_waits_for_changes_under_way_reads_no_list(planner: Planner) -> None:
    """What vpsops has under way is enough to know that a member has to wait, however often it is tried."""
    stage = planner.stage
    stage.fault("slow", "reboot", "app004.example.com", seconds=1)
    single = await stage.confirmed("reboot", server="app004")
    await stage.reach(single.id, State.SENDING)
    plan = await planner.held("app001", "app002")
    before = stage.asked("list")
    await stage.gate.confirm(plan.id, ALICE, plan.digest, scope=OPERATOR)
    waiting = await stage.changes.wait(
        plan.id, seconds=60, until=lambda change: "waits since" in change.note, scope=OPERATOR
    )
    assert "app001.example.com waits since" in waiting.note
    assert stage.asked("list") == before
