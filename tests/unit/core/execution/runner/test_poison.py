"""A run that breaks before its sending ends, after three tries; what this version does not know is left to others."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.unit.core.harness import Stage, staged
from tests.unit.core.sample import change, put
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.database import check_claims
from vpsops.core.execution import claims, settlement
from vpsops.core.execution import engine as engine_module
from vpsops.core.execution.poller import watched
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.execution.runner import Runner
from vpsops.core.outcomes import outcome
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.capability import Capability
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES, PROCESSES

NEWER = Capability(claims.own_capability().format, claims.own_capability().operations | {"teleport"})


@pytest.fixture
async def stage(database_url: str, provider: Any) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


async def ended(stage: Stage, change_id: str) -> Change:
    """Return a change once it is at its end."""
    return await stage.changes.wait(change_id, seconds=60, until=lambda current: current.state.final, scope=OPERATOR)


@pytest.mark.requirement("poison-ends")
async def test_a_run_that_breaks_before_its_sending_ends_after_three_tries(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed, nothing sent; notified and audited with an id that is in the log; the server is free again."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Runner, "_check", broken)
    monkeypatch.setattr(engine_module, "logger", structlog.get_logger())
    stage.server("poison.example.com")
    with structlog.testing.capture_logs() as logged:
        done = await ended(stage, (await stage.confirmed("stop", server="poison")).id)
    ids = [item["error_id"] for item in logged if item["event"] == "run_failed"]
    assert (done.state, len(ids), stage.effects("stop")) == (State.FAILED, DEFAULT_TIMING.breaks, 0)
    assert done.note.startswith("Nothing was sent")
    assert ids[-1] in done.note
    assert await stage.events(done.id) == "requested confirmed run_broke run_broke run_broke not_sent"
    assert {"change": done.id, "event": "failed"} in await stage.notices()
    monkeypatch.undo()
    assert (await stage.done("stop", server="poison")).state is State.SUCCEEDED


@pytest.mark.requirement("poison-ends")
async def test_arguments_that_cannot_be_read_end_it_too(stage: Stage) -> None:
    stage.server("poison.example.com")
    held = await stage.ask("stop", server="poison")

    def alter(connection: Connection, current: Change) -> None:
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id == current.id).values(arguments={"sever": 1}))

    await stage.change(held.id, alter)
    await stage.gate.confirm(held.id, held.actor, held.digest, scope=OPERATOR)
    done = await ended(stage, held.id)
    assert (done.state, stage.effects("stop")) == (State.FAILED, 0)
    assert "Nothing was sent" in done.note


async def test_two_breaks_are_forgiven(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing fault costs two rounds."""
    sound, breaks = Runner._check, 0

    async def twice(runner: Runner, current: Change) -> Any:
        nonlocal breaks
        breaks += 1
        if breaks <= 2:
            raise ZeroDivisionError
        return await sound(runner, current)

    monkeypatch.setattr(Runner, "_check", twice)
    stage.server("poison.example.com")
    done = await ended(stage, (await stage.confirmed("stop", server="poison")).id)
    assert (done.state, breaks, stage.effects("stop")) == (State.SUCCEEDED, 3, 1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, FakeClock()) as opened:
        yield opened


def foreign(state: State, **more: Any) -> Change:
    return change("teleport", state, id="chg_new", **more)


async def has(database: Database, *changes: Change, format_: int = 1) -> None:
    """Store changes; the newer one with the format that it needs."""

    def work(connection: Connection) -> None:
        for item in changes:
            put(connection, item)
        newer = sa.update(CHANGES).where(CHANGES.c.id == "chg_new")
        connection.execute(newer.values(format=format_, updated_at=0.0))

    await database.transact(work)


async def is_outranked_by(database: Database, name: str) -> bool:
    return await database.read(lambda connection: claims.is_outranked(connection, {name}, (State.WATCHING,)))


async def beats(database: Database, name: str, can: Capability) -> None:
    """Let another process be alive."""

    def work(connection: Connection) -> None:
        values = {"id": name, "front": "slack", "started_at": 0.0, "beat": database.tick(connection)}
        connection.execute(sa.insert(PROCESSES).values(**values, **can.columns))

    await database.transact(work)


@pytest.mark.requirement("unknown-left-to-others")
@pytest.mark.parametrize("newer", ["operation", "format"])
async def test_what_this_version_does_not_know_is_left_alone(database: Database, newer: str) -> None:
    """It is not claimed, not counted as broken, and reported by doctor while no living process knows it."""
    unknown = foreign(State.APPROVED, sent_at=None)
    if newer == "format":
        unknown = replace(unknown, operation="stop")
    await has(database, unknown, format_=1 if newer == "operation" else 99)
    ran: list[str] = []
    process = Process(database, database.clock, "cli", can=claims.own_capability())
    await process.beat()
    keeper = Reconciler(database, database.clock, process, DEFAULT_TIMING, ran.append, frozenset, lambda _: None)
    for _ in range(3):
        await keeper.round()
    query = sa.select(CHANGES.c.version, CHANGES.c.owner, CHANGES.c.breaks, CHANGES.c.state)
    assert (await database.read(lambda connection: connection.execute(query).one())) == (1, None, 0, "approved")
    assert ran == []
    (result,) = await check_claims(database, Settings())
    assert (result.level, "chg_new" in result.what) == (Level.WARN, True)
    await beats(database, "slack-9-newer", Capability(99, NEWER.operations))
    assert await check_claims(database, Settings()) == []


async def test_what_a_newer_version_sent_is_watched_by_it(database: Database) -> None:
    """An older process does not check it, and releases the watch where the newer one can do all of it."""
    await has(database, foreign(State.WATCHING), change(id="chg_old", target=replace(change().target, id="s2")))
    assert [item.id for item in await database.read(watched)] == ["chg_old"]
    assert not await is_outranked_by(database, "slack-9-newer")
    await beats(database, "slack-9-newer", NEWER)
    assert await is_outranked_by(database, "slack-9-newer")
    await beats(database, "slack-9-other", Capability(1, frozenset({"teleport"})))
    assert not await is_outranked_by(database, "slack-9-other")


async def test_nobody_lets_go_of_a_watch_for_what_it_knows(database: Database) -> None:
    await has(database, change(id="chg_old"))
    await beats(database, "slack-9-newer", NEWER)
    assert not await is_outranked_by(database, "slack-9-newer")


async def test_a_run_of_an_unknown_operation_is_not_begun(stage: Stage) -> None:
    """It may be approved through this process; the run waits for one that knows it."""
    await stage.database.transact(lambda connection: put(connection, foreign(State.APPROVED, sent_at=None)))
    await stage.engine._runner.run("chg_new")
    result = await stage.database.read(lambda connection: repository.load(connection, "chg_new"))
    assert (result.state, result.version) == (State.APPROVED, 1)


async def test_a_change_whose_look_breaks_holds_up_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while checking one change affects that change only."""
    sound = outcome.determine_outcome

    def judge(current: Change, *rest: Any) -> Any:
        if current.target.hostname == "poison.example.com":
            raise ZeroDivisionError
        return sound(current, *rest)

    monkeypatch.setattr(settlement, "determine_outcome", judge)
    names = [stage.server(name).hostname for name in ("poison.example.com", "sound.example.com")]
    bad, good = [await stage.confirmed("stop", server=name) for name in names]
    assert (await ended(stage, good.id)).state is State.SUCCEEDED
    assert (await stage.changes.get(bad.id, scope=OPERATOR)).state is State.WATCHING
