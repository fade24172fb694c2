"""Firewall rules from the request to the end, on the simulated provider."""

from contextlib import suppress

import pytest

from tests.provider.ends.test_lifecycle import WEB, facts, provided, refusal
from tests.unit.core.harness import ALICE, Stage
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import FIREWALL

RULE = "7d6c5b4a-3f2e"


def rules(stage: Stage) -> dict[str, Item]:
    """Return the rules of the server, by id."""
    world = stage.provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    return world.items_of(server.id, FIREWALL.key)


def put_rule(stage: Stage, source: str, ident: str = RULE) -> None:
    """Let the server have a rule that lets SSH in."""
    now = stage.provider.simulator.world.time.now()
    rules(stage)[ident] = Item(ident, {"port": 22, "protocol": "tcp", "source": source}, 0.0, now)


@pytest.mark.parametrize("fault", ["", "drop_after"])
@pytest.mark.requirement("whole-life")
async def test_a_rule_is_added_and_removed_once(database_url: str, fault: str) -> None:
    """With an answer; where it is lost, the list settles it."""
    async with provided(database_url) as stage:
        for operation, call, arguments in (
            ("firewall_allow", "add_firewall_rule", {"port": "443", "source": "10.0.0.0/8"}),
            ("firewall_remove", "remove_firewall_rule", {"rule": "443/tcp from 10.0.0.0/8"}),
        ):
            if fault:
                stage.fault(fault, call, times=1)
            done = await stage.done(operation, server=WEB, **arguments)
            assert (done.state, stage.effects(call)) == (State.SUCCEEDED, 1), done.note
        assert rules(stage) == {}


async def test_a_rule_that_there_is_is_nothing_to_do(database_url: str) -> None:
    """Also in another way of writing it."""
    async with provided(database_url) as stage:
        put_rule(stage, "192.0.2.7/32")
        asked = await refusal(stage, "firewall_allow", server=WEB, port="22", source="192.0.2.7")
        assert "nothing to do" in asked


async def test_a_rule_that_is_gone_was_removed_already(database_url: str) -> None:
    """Nothing is sent."""
    async with provided(database_url) as stage:
        put_rule(stage, "0.0.0.0/0")
        held = await stage.ask("firewall_remove", server=WEB, rule="22/tcp")
        assert "locked out" in facts(held)["Lock-out"]
        rules(stage).clear()
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("remove_firewall_rule")) == (State.SUCCEEDED, 0), done.note


@pytest.mark.requirement("firewall-known")
async def test_a_way_in_that_went_meanwhile_supersedes(database_url: str) -> None:
    """The card said that another rule lets SSH in: it is the last now, and that is another question."""
    async with provided(database_url) as stage:
        put_rule(stage, "192.0.2.0/24")
        put_rule(stage, "0.0.0.0/0", "another")
        held = await stage.ask("firewall_remove", server=WEB, rule=RULE)
        del rules(stage)["another"]
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("remove_firewall_rule")) == (State.SUPERSEDED, 0), done.note
