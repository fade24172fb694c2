"""A database of an earlier version under this one: nothing that was stored is lost, and each change is sent once."""

import signal
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.e2e.upgrade.versions import POLICY, UpgradeWorld, before_this_schema, earlier, present, upgrade_world
from tests.harness.patience import eventually
from vpsops.core.storage.pools import open_pools

pytestmark = [pytest.mark.slow, pytest.mark.real_time]
HELD: Final = """
[[rule]]
id = "asked"
operation = "stop"
server = "held*"
decision = "confirm"
"""
KEPT: Final = ("audit", "changes", "votes")
CONFIRM: Final = """
import anyio, sys
from vpsops.core.app import open_core
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import load_settings
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.actors import Actor, ActorKind

async def nothing(*_):
    pass

async def main():
    Engine.start, Engine.run = nothing, lambda *_: None
    Engine.claim, Engine.run_claimed = lambda _, connection, change: change, lambda *_: None
    async with open_core(load_settings(), front="cli") as core:
        actor = Actor(ActorKind.PERSON, "U1", "ann", "U1")
        await core.gate.confirm(sys.argv[1], actor, sys.argv[2], scope=OPERATOR)

anyio.run(main)
"""

Rows = Mapping[str, list[dict[str, Any]]]


def rows_of(url: str) -> Rows:
    """Return the rows of what must stay, whatever columns the schema has."""
    pools = open_pools(url)
    try:
        with pools.reading.connect() as connection:
            return {
                name: [dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}")).mappings()]
                for name in KEPT
            }
    finally:
        pools.close()


def lost(before: Rows, after: Rows, altered: Sequence[object] = ()) -> list[str]:
    """Return what is gone or differs: rows of the trail and votes, and of changes those that nothing has moved."""
    wrong = []
    for name, rows in before.items():
        keys = {"audit": ("seq",), "changes": ("id",), "votes": ("change_id", "voter_id")}[name]
        kept = {tuple(row.get(key) for key in keys): row for row in after[name]}
        for row in rows:
            now = kept.get(tuple(row.get(key) for key in keys))
            shared = set(row) & set(now or ())
            if now is None or (row.get("id") not in altered and any(row[key] != now[key] for key in shared)):
                wrong.append(f"{name}: {row}")
    return wrong


@pytest.mark.requirement("upgrade-loses-nothing")
async def test_the_version_before_is_upgraded_with_changes_in_every_stage(world: UpgradeWorld, tmp_path: Path) -> None:
    """One that ended, one that is approved and not sent, and one that is held: by the steps of the page."""
    world.policy = POLICY + HELD
    old, new = earlier(tmp_path / "old", before_this_schema()), present(tmp_path / "new")
    first = await world.worker(old)
    ended = await world.ask(old, world.server("ended.example.com"))
    await world.done(ended)
    first.process.send_signal(signal.SIGTERM)
    assert await first.ended() == 0, first.log_text
    approved = await world.ask(old, world.server("approved.example.com"))
    held = await world.ask(old, world.server("held.example.com"))
    assert (world.states(approved), world.states(held), world.stops) == ({"approved"}, {"held"}, 1)
    before = rows_of(world.url)

    second = await world.worker(new)
    await world.done(approved)
    assert world.states(held) == {"held"}
    assert lost(before, rows_of(world.url), approved) == []
    (digest,) = (row["digest"] for row in before["changes"] if row["id"] in held)
    await world.run(new, "-c", CONFIRM, *held, digest)
    await world.done(held)
    second.process.send_signal(signal.SIGTERM)
    assert await second.ended() == 0, second.log_text
    assert "Traceback" not in second.log_text
    assert world.stops == 3
    assert "whole" in await world.run(new, "-m", "vpsops", "audit", "verify")


@pytest.mark.requirement("upgrade-loses-nothing")
async def test_a_database_of_the_first_schema_is_upgraded_and_what_was_open_long_ago_is_not_sent(
    tmp_path: Path,
) -> None:
    """From a stored database, where no history is there; what waited beyond its time ends, on record."""
    place = tmp_path / "vpsops.sqlite3"
    with closing(sqlite3.connect(place)) as database:
        database.executescript((Path(__file__).parent / "first_schema.sql").read_text(encoding="utf-8"))
    async with upgrade_world(tmp_path, f"sqlite:///{place}") as world:
        before, new = rows_of(world.url), present(tmp_path / "new")
        open_ones = [row["id"] for row in before["changes"] if row["state"] in {"approved", "held"}]
        assert (len(before["changes"]), len(before["audit"]), len(open_ones)) == (3, 6, 2)
        worker = await world.worker(new)
        await eventually(lambda: world.states(open_ones) == {"failed", "expired"})
        await world.done(await world.ask(new, world.server("new.example.com")))
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.ended() == 0, worker.log_text
        assert "Traceback" not in worker.log_text
        assert lost(before, rows_of(world.url), open_ones) == []
        assert world.stops == 1
        assert "whole" in await world.run(new, "-m", "vpsops", "audit", "verify")


def test_a_row_that_is_gone_or_differs_is_noticed() -> None:
    """Added columns and rows are no loss."""
    record, change, sent = {"seq": 1, "hash": "a"}, {"id": "c", "state": "held"}, {"id": "c", "state": "sent"}
    before: Rows = {"audit": [record], "changes": [change], "votes": []}
    after: Rows = {"audit": [record, {"seq": 2, "hash": "c"}], "changes": [{**change, "new": 1}], "votes": []}
    assert lost(before, after) == []
    assert len(lost(before, {**after, "audit": []})) == 1
    assert len(lost(before, {**after, "audit": [{"seq": 1, "hash": "b"}]})) == 1
    assert len(lost(before, {**after, "changes": [sent]})) == 1
    assert lost(before, {**after, "changes": [sent]}, ["c"]) == []
    assert len(lost(before, {**after, "changes": []}, ["c"])) == 1
