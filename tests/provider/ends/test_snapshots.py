"""Snapshots from the request to the end, on the simulated provider."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.harness.patience import eventually
from tests.provider.ends.test_lifecycle import WEB, facts, provided, refusal
from tests.unit.core.harness import ALICE, Stage
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.text import moment
from vpsops.core.operations import OPERATIONS
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import SNAPSHOTS
from vpsops.playground.wayscloud.hardware.model import ServerState

NAME = "before-upgrade"


def put_snapshot(stage: Stage, name: str = NAME, *, days: int = 0) -> Item:
    """Let the server have a snapshot that was taken so many days ago."""
    world = stage.provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    snapshot = Item(name, {}, 0.0, world.time.now() - timedelta(days=days))
    world.items_of(server.id, SNAPSHOTS.key)[name] = snapshot
    return snapshot


def stop(stage: Stage) -> None:
    """Let the server be off."""
    world = stage.provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    world.override(server, ServerState.STOPPED, None, None)


@pytest.mark.parametrize("fault", ["", "drop_after"])
@pytest.mark.requirement("whole-life")
async def test_a_snapshot_is_taken_once(database_url: str, fault: str) -> None:
    """With an answer; where it is lost, the snapshot is found by its name."""
    async with provided(database_url) as stage:
        if fault:
            stage.fault(fault, "create_snapshot")
        done = await stage.done("snapshot_create", server=WEB, snapshot=NAME, description="for the upgrade")
        assert (done.state, stage.effects("create_snapshot")) == (State.SUCCEEDED, 1), done.note
        assert facts(done) == {"Snapshot": NAME, "Description": "for the upgrade", "Snapshots before": "0 of 10"}


async def test_a_name_that_cannot_be_is_refused_with_the_next_step(database_url: str) -> None:
    """No name, one that is taken, one that there is not, and an eleventh."""
    async with provided(database_url) as stage:
        for name in ("a b", "..", "x/y", "ä"):
            assert "name" in await refusal(stage, "snapshot_create", server=WEB, snapshot=name)
        put_snapshot(stage)
        assert "Choose another name" in await refusal(stage, "snapshot_create", server=WEB, snapshot=NAME)
        missing = await refusal(stage, "snapshot_delete", server=WEB, snapshot="before-upgrad")
        assert "no snapshot before-upgrad" in missing
        assert f"It has {NAME}" in missing
        for number in range(9):
            put_snapshot(stage, f"s{number}")
        assert "at most 10" in await refusal(stage, "snapshot_create", server=WEB, snapshot="another")


async def test_a_rollback_needs_a_stopped_server(database_url: str) -> None:
    """The stop is advised as a change of its own; the card says what is lost, and the names are typed."""
    async with provided(database_url) as stage:
        snapshot = put_snapshot(stage)
        assert "Stop it first" in await refusal(stage, "snapshot_rollback", server=WEB, snapshot=NAME)
        stop(stage)
        held = await stage.ask("snapshot_rollback", server=WEB, snapshot=NAME)
        assert facts(held)["Lost"] == f"all written since {moment(snapshot.created_at)}"
        assert facts(held)["Taken"].startswith(f"{snapshot.created_at:%Y-%m-%d %H:%M:%S}")
        assert OPERATIONS["snapshot_rollback"].typed_name(held.arguments, held.target) == f"{WEB} {NAME}"
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, done.unseen, stage.effects("rollback_snapshot")) == (State.SUCCEEDED, True, 1), done.note


async def test_another_snapshot_by_the_name_supersedes(database_url: str) -> None:
    """What was agreed to is what is rolled back to."""
    async with provided(database_url) as stage:
        put_snapshot(stage, days=1)
        stop(stage)
        held = await stage.ask("snapshot_rollback", server=WEB, snapshot=NAME)
        put_snapshot(stage)
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("rollback_snapshot")) == (State.SUPERSEDED, 0), done.note


async def test_a_snapshot_that_is_gone_was_deleted_already(database_url: str) -> None:
    """Nothing is sent."""
    async with provided(database_url) as stage:
        put_snapshot(stage)
        held = await stage.ask("snapshot_delete", server=WEB, snapshot=NAME)
        world = stage.provider.simulator.world
        server = world.find(WEB)
        assert server is not None
        world.items_of(server.id, SNAPSHOTS.key).clear()
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.asked("delete_snapshot")) == (State.SUCCEEDED, 0), done.note


def put_at(stage: Stage, seconds: int) -> None:
    """Let the server have a snapshot that was taken at a second of one minute."""
    snapshot = put_snapshot(stage)
    world = stage.provider.simulator.world
    server = world.find(WEB)
    assert server is not None
    at = snapshot.created_at.replace(second=seconds, microsecond=0) - timedelta(days=1)
    world.items_of(server.id, SNAPSHOTS.key)[NAME] = replace(snapshot, created_at=at)


@pytest.mark.parametrize("operation", ["snapshot_delete", "snapshot_rollback"])
async def test_another_snapshot_of_the_same_minute_supersedes(database_url: str, operation: str) -> None:
    """A second apart is another snapshot, although people read minutes."""
    async with provided(database_url) as stage:
        put_at(stage, 10)
        stop(stage)
        held = await stage.ask(operation, server=WEB, snapshot=NAME)
        put_at(stage, 11)
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        assert (done.state, stage.effects("rollback_snapshot") + stage.effects("delete_snapshot")) == (
            State.SUPERSEDED,
            0,
        ), done.note


@pytest.mark.parametrize(
    ("days", "description", "state"),
    [
        (1, "mine", State.FAILED),
        (1, None, State.FAILED),
        (0, "another's", State.NEEDS_PERSON),
        (0, None, State.NEEDS_PERSON),
    ],
)
@pytest.mark.requirement("refused-is-not-ours")
async def test_a_name_that_somebody_else_took_meanwhile_is_no_success(
    database_url: str, days: int, description: str | None, state: State
) -> None:
    """Refused as taken; an older snapshot is another one, one not described as ours is a person's to judge."""
    async with provided(database_url) as stage:
        held = await stage.ask("snapshot_create", server=WEB, snapshot=NAME, description="mine")
        stage.fault("status", "create_snapshot", status=409, detail="exists")
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        await eventually(lambda: bool(stage.asked("create_snapshot")))
        put_snapshot(stage, days=days).fields["description"] = description
        done = await stage.rest(held.id)
        assert (done.state, stage.effects("create_snapshot")) == (state, 0), done.note
