"""Delete, rename and resize from the request to the end, on the simulated provider: answered, lost, refused, absent."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, SLACK, Setup, Stage, staged
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError, VpsopsError
from vpsops.core.common.text import moment
from vpsops.core.limits.model import Limits
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

WEB = "web01.example.com"
SOON = replace(QUICK, power_limit=2.0, long_limit=1.5, long_lookup=1.0)
CONFIRM = parse_policy(
    '[[rule]]\nid = "all"\nactor = "person"\ndecision = "confirm"\ndestructive_without_approval = true\n',
    "vpsops.toml",
)
RUNS: Mapping[str, Mapping[str, Any]] = {
    "delete": {"server": WEB},
    "rename": {"server": WEB, "name": "Web, main"},
    "resize": {"server": WEB, "plan": "vps-8gb-4cpu"},
    "label": {"server": WEB, "labels": ["team=shop"]},
}
COUNTED = {"delete": "delete", "rename": "update", "resize": "upgrade", "label": "update"}
every_run = pytest.mark.parametrize("operation", RUNS)


@asynccontextmanager
async def provided(database_url: str, dialect: str = "live", limits: Limits | None = None) -> AsyncIterator[Stage]:
    """Wire a core to a simulated provider."""
    setup = Setup(policy=CONFIRM, timing=SOON, limits=limits or Setup().limits)
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7, dialect=dialect), clock=clock) as behind,
        staged(database_url, behind, setup) as stage,
    ):
        yield stage


async def refusal(stage: Stage, operation: str, **arguments: Any) -> str:
    """Return why a request is refused."""
    with pytest.raises(InvalidInputError) as caught:
        await stage.gate.submit(Request(operation, arguments, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    return f"{caught.value} {caught.value.hint}"


def facts(change: Change) -> dict[str, str]:
    """Return the facts of a change by their labels."""
    return {fact.label: fact.value for fact in change.facts}


@every_run
@pytest.mark.parametrize("fault", ["", "drop_after"])
@pytest.mark.requirement("whole-life")
async def test_each_takes_effect_once_and_succeeds(database_url: str, operation: str, fault: str) -> None:
    """With an answer, and where the answer is lost after the effect."""
    async with provided(database_url) as stage:
        if fault:
            stage.fault(fault, COUNTED[operation])
        done = await stage.done(operation, **RUNS[operation])
        assert (done.state, stage.effects(COUNTED[operation])) == (State.SUCCEEDED, 1), done.note
        server = stage.provider.simulator.world.find(WEB)
        if operation == "delete":
            assert server is None
        else:
            assert server is not None
            assert (server.display_name == "Web, main") is (operation == "rename")
            assert (server.plan == "vps-8gb-4cpu") is (operation == "resize")
            assert (server.labels == {"team": "shop"}) is (operation == "label")


@every_run
async def test_each_that_never_left_is_not_repeated(database_url: str, operation: str) -> None:
    """A request that is dropped before its effect has an unknown outcome; looking at the server settles it."""
    async with provided(database_url) as stage:
        stage.fault("drop_before", COUNTED[operation], times=1)
        done = await stage.done(operation, **RUNS[operation])
        assert (done.state, stage.asked(COUNTED[operation])) == (State.FAILED, 1), done.note
        assert stage.effects(COUNTED[operation]) == 0


@every_run
async def test_each_that_is_refused_fails(database_url: str, operation: str) -> None:
    """The provider's reason stands in the note."""
    async with provided(database_url) as stage:
        stage.fault("status", COUNTED[operation], status=403)
        done = await stage.done(operation, **RUNS[operation])
        assert (done.state, stage.effects(COUNTED[operation])) == (State.FAILED, 0), done.note


@pytest.mark.parametrize("operation", ["delete", "rename"])
async def test_what_the_api_does_not_offer_fails_at_once(database_url: str, operation: str) -> None:
    """The documented API has no such route: nothing happens, and the note says why."""
    async with provided(database_url, "seed") as stage:
        done = await stage.done(operation, **RUNS[operation])
        assert done.state is State.FAILED, done.note
        assert stage.provider.simulator.world.find(WEB) is not None


@pytest.mark.requirement("gone-is-deleted")
async def test_a_server_that_is_gone_at_the_sending_was_deleted_already(database_url: str) -> None:
    """Nothing is sent, and another server by the same hostname stays."""
    async with provided(database_url) as stage:
        held = await stage.ask("delete", server=WEB)
        world = stage.provider.simulator.world
        gone = world.find(WEB)
        assert gone is not None
        world.remove(gone)
        twin = stage.server(WEB)
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("delete")) == (State.SUCCEEDED, 0), done.note
        assert world.get(twin.id) is not None


async def test_the_card_of_a_deletion_states_what_is_lost(database_url: str) -> None:
    """Age, data, backups and the price saved; what cannot be read is not known."""
    async with provided(database_url) as stage:
        server = stage.provider.simulator.world.find(WEB)
        assert server is not None
        held = await stage.ask("delete", server=WEB)
        assert facts(held) == {
            "Created": moment(server.created_at),
            "Lost": "the disk, all data on it, and its snapshots",
            "Snapshots": "none",
            "Backups": "none",
            "Price saved": "199 NOK a month",
        }
        await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)
        stage.fault("status", "backups", status=500)
        assert facts(await stage.ask("delete", server=WEB))["Backups"] == "not known"


async def test_a_rename_is_refused_where_it_makes_no_sense(database_url: str) -> None:
    """A name that is none, the same name, and one by which people reach another server."""
    async with provided(database_url) as stage:
        server = stage.provider.simulator.world.find(WEB)
        assert server is not None
        assert "nothing to do" in await refusal(stage, "rename", server=WEB, name=server.display_name)
        for name in ("db01", "DB01.example.com", "Database Server"):
            assert "another server: db01.example.com" in await refusal(stage, "rename", server=WEB, name=name)
        for name in ("x" * 256, "tab\there"):
            assert "not a name" in await refusal(stage, "rename", server=WEB, name=name)
        held = await stage.ask("rename", server=WEB, name="Web, main")
        assert facts(held) == {"Name": f"{server.display_name} → Web, main"}


async def test_a_resize_goes_up_only(database_url: str) -> None:
    """The plan it has, one that there is not and a smaller one are refused; sizes and prices stand on the card."""
    async with provided(database_url) as stage:
        assert "nothing to do" in await refusal(stage, "resize", server=WEB, plan="VPS-4GB-2CPU")
        assert "no plan tiny" in await refusal(stage, "resize", server=WEB, plan="tiny")
        assert "larger plan only" in await refusal(stage, "resize", server=WEB, plan="vps-2gb-1cpu")
        held = await stage.ask("resize", server=WEB, plan="VPS-8GB-4CPU")
        assert held.arguments["plan"] == "vps-8gb-4cpu"
        assert facts(held) == {
            "Plan": "vps-4gb-2cpu → vps-8gb-4cpu",
            "Size": "2 vCPU, 4 GB memory, 80 GB disk → 4 vCPU, 8 GB memory, 160 GB disk",
            "Price": "199 NOK a month → 399 NOK a month",
        }


@pytest.mark.parametrize(("most", "held"), [(797.0, False), (798.0, True)])
async def test_a_resize_counts_with_its_difference(database_url: str, most: float, *, held: bool) -> None:
    """Two servers of 199 and 399 a month cost 798 with the larger plan; the number of servers does not matter."""
    async with provided(database_url, limits=Limits(max_monthly_spend=most, max_servers=1)) as stage:
        outcome = await stage.gate.submit(
            Request("resize", RUNS["resize"], ALICE, SLACK, can_confirm=True), scope=OPERATOR
        )
        assert isinstance(outcome, Held if held else Refused), outcome


async def test_a_name_that_changed_meanwhile_supersedes(database_url: str) -> None:
    """What was agreed to is what runs."""
    async with provided(database_url) as stage:
        held = await stage.ask("rename", server=WEB, name="Web, main")
        world = stage.provider.simulator.world
        server = world.find(WEB)
        assert server is not None
        world.override(server, None, None, "Somebody else's name")
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("update")) == (State.SUPERSEDED, 0), done.note


@pytest.mark.requirement("labels-supersede")
async def test_labels_that_changed_meanwhile_supersede(database_url: str) -> None:
    """A change sends the whole map: what another person set since would be lost."""
    async with provided(database_url) as stage:
        world = stage.provider.simulator.world
        for meanwhile in ({"env": "prod", "cost": "1"}, {}, {"env": "dev"}, {"env": "prod", "team": "shop"}):
            server = world.find(WEB)
            assert server is not None
            world.override(server, None, None, None, labels={"env": "prod"})
            held = await stage.ask("label", **RUNS["label"])
            assert facts(held) == {"Label team": "none → shop", "Other labels": "env=prod"}
            world.override(server, None, None, None, labels=meanwhile)
            with suppress(VpsopsError):
                await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
            done = await stage.rest(held.id)
            assert (done.state, stage.asked("update")) == (State.SUPERSEDED, 0), done.note


async def test_labels_that_the_api_does_not_show_are_not_replaced(database_url: str) -> None:
    """The documented API has none, which is not that the server has none."""
    async with provided(database_url, "seed") as stage:
        assert "does not show the labels" in await refusal(stage, "label", **RUNS["label"])
