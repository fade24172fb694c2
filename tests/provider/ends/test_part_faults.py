"""A server that goes with its parts, a list that is cut, a read that hangs: nothing is claimed that nothing shows."""

from dataclasses import replace

import pytest

from tests.fakes.odd_provider.front import odd_provider
from tests.fakes.odd_provider.habits import Capped
from tests.harness.virtual_time import VirtualClock
from tests.provider.ends.test_lifecycle import CONFIRM, SOON, WEB, facts, provided, refusal
from tests.unit.core.harness import ALICE, Setup, Stage, staged, until
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import BACKUPS, SNAPSHOTS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

DB = "db01.example.com"
PART = "0f8e7d6c-5b4a"
PARTS = {"backup_delete": ("backup", BACKUPS.key), "snapshot_delete": ("snapshot", SNAPSHOTS.key)}


@pytest.mark.parametrize("operation", PARTS)
async def test_a_part_of_a_server_that_is_gone_is_not_called_deleted(database_url: str, operation: str) -> None:
    """That the server is gone says nothing of what it had: nothing is sent, and nothing is called done."""
    name, family = PARTS[operation]
    async with provided(database_url) as stage:
        world = stage.provider.simulator.world
        server = world.find(WEB)
        assert server is not None
        world.items_of(server.id, family)[PART] = Item(PART, {}, 0.0, world.time.now())
        held = await stage.ask(operation, ALICE, server=WEB, **{name: PART})
        world.remove(server)
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.effects("delete_backup") + stage.effects("delete_snapshot")) == (State.FAILED, 0)
        assert done.note.startswith("Nothing was sent")
        assert "gone already" not in done.note


async def test_a_name_is_not_taken_for_free_by_a_list_that_is_cut(database_url: str) -> None:
    """A server that is not listed may have it."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=clock) as behind,
        odd_provider(behind, Capped(1)) as url,
        staged(database_url, behind, Setup(policy=CONFIRM, timing=SOON), url=url) as stage,
    ):
        server = stage.provider.simulator.world.find(WEB)
        assert server is not None
        reason = await refusal(stage, "rename", server=server.id, name="Shop")
        assert "Whether another server has this name is not known" in reason


async def test_the_trail_holds_the_facts_that_were_shown(database_url: str) -> None:
    """The record of the request has them, in their order."""
    async with provided(database_url) as stage:
        held = await stage.ask("rename", server=WEB, name="Web, main")
        records = await stage.database.read(lambda connection: chain.read(connection, change_id=held.id))
        assert records[0].body["facts"] == [[label, value] for label, value in facts(held).items()]
        rebooted = await stage.ask("reboot", server=DB)
        records = await stage.database.read(lambda connection: chain.read(connection, change_id=rebooted.id))
        assert "facts" not in records[0].body


def unready(stage: Stage, hostname: str, ready: float) -> None:
    """Let the snapshot of a server be complete at a time of the world."""
    world = stage.provider.simulator.world
    server = world.find(hostname)
    assert server is not None
    items = world.items_of(server.id, SNAPSHOTS.key)
    items["before"] = replace(items["before"], ready=ready)


async def test_one_inspection_that_hangs_holds_up_no_other(database_url: str) -> None:
    """The other change settles in between, and the first once its read answers again."""
    async with provided(database_url) as stage:
        changes: dict[str, Change] = {}
        for hostname in (WEB, DB):
            change = await stage.confirmed("snapshot_create", server=hostname, snapshot="before")
            await until(lambda: stage.effects("create_snapshot") == len(changes) + 1)
            unready(stage, hostname, 1e12)
            changes[hostname] = await stage.reach(change.id, State.WATCHING)
        stage.fault("slow", "snapshots", WEB, seconds=3600.0)
        for hostname in changes:
            unready(stage, hostname, 0.0)
        assert (await stage.rest(changes[DB].id)).state is State.SUCCEEDED
        assert (await stage.changes.get(changes[WEB].id, scope=OPERATOR)).state is State.WATCHING
        stage.provider.simulator.faults.clear()
        assert (await stage.rest(changes[WEB].id)).state is State.SUCCEEDED
