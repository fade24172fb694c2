"""A backup that is put back: nothing that may have happened since happens again, and a failure changes nothing."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.storage.databases import migrated
from tests.fakes.storage.postgres import PostgresServer
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.backup.backups import backed_up, connected, contents, made, migrate
from tests.unit.core.conftest import provider
from tests.unit.core.harness import Stage, said_yes, staged
from tests.unit.core.storage import samples
from vpsops.core.audit import chain
from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import Pause, PauseSwitch
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.backup import restoration, table_rows
from vpsops.core.backup.backup_file import BackupFileError, VerifiedBackup, opened_current
from vpsops.core.backup.in_flight import HELD_NOTE, SENT_NOTE
from vpsops.core.backup.restoration import (
    LEFT_OUT,
    DatabaseContents,
    InUseError,
    Restoration,
    RestoreReport,
    check_unused,
    contents_of,
)
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor, findings_of
from vpsops.core.continuity.heads import HeadFile
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.messaging import outbox
from vpsops.core.messaging.posted_messages import PostedMessage, insert_copy
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES, COPIES, INBOX, METADATA, OUTBOX, PROCESSES, SWITCHES
from vpsops.playground.wayscloud.serve import SimulatorHandle

__all__ = ["provider"]
CLOCK = VirtualClock()
EMPTY = DatabaseContents()
BY: Mapping[str, Json] = {"kind": "person", "id": "local:ann"}
ANN = Actor(ActorKind.PERSON, "U1", "ann", "U1")


@asynccontextmanager
async def restored(
    url: str, path: Path, replaces: DatabaseContents = EMPTY
) -> AsyncIterator[tuple[Database, RestoreReport]]:
    """Put a backup into a database, which stays open."""
    async with open_database(url, CLOCK) as database:
        yield database, await restore(database, path, replaces)


async def restore(database: Database, path: Path, replaces: DatabaseContents = EMPTY) -> RestoreReport:
    backup = VerifiedBackup.read(path)
    with opened_current(path, backup) as source:
        return await Restoration(source, backup.manifest, CLOCK, BY).run(database, replaces)


def other_url(tmp_path: Path) -> str:
    """Return an empty SQLite database, beside the one of the fixture."""
    return migrated(tmp_path / "other.sqlite3")


async def in_state(stage: Stage, hostname: str, *states: State) -> str:
    """Return the id of a change that took these steps, and that no process runs."""
    stage.server(f"{hostname}.example.com")
    held = await stage.ask("reboot", server=hostname)
    stage.engine._runs.add(held.id)

    def work(connection: Connection, change: Change) -> None:
        for state in states:
            if state is State.APPROVED:
                said_yes(connection, change)
            else:
                at: dict[str, Any] = {"sent_at": CLOCK.now().timestamp()} if state is State.SENDING else {}
                repository.step(connection, change, state, CLOCK.now(), event=EVENTS[state], **at)
            change = repository.load(connection, change.id)

    await stage.change(held.id, work)
    return held.id


EVENTS = {
    State.SENDING: "sending",
    State.WATCHING: "accepted",
    State.UNKNOWN: "outcome_unknown",
    State.NEEDS_PERSON: "needs_person",
}
WAYS = {
    "held": (),
    "approved": (State.APPROVED,),
    "sending": (State.APPROVED, State.SENDING),
    "watching": (State.APPROVED, State.SENDING, State.WATCHING),
    "unknown": (State.APPROVED, State.SENDING, State.UNKNOWN),
    "needy": (State.APPROVED, State.SENDING, State.UNKNOWN, State.NEEDS_PERSON),
}


@pytest.mark.requirement("restore-sends-nothing")
async def test_no_change_that_was_open_in_a_backup_is_sent_again(
    database_url: str, provider: SimulatorHandle, tmp_path: Path
) -> None:
    """Held ones are superseded, the others need a person: on record, as the trail and the rows agree, for good."""
    path = tmp_path / "db.backup"
    async with staged(database_url, provider) as stage:
        ids = {name: await in_state(stage, name, *states) for name, states in WAYS.items()}
    backed_up(database_url, path)
    url = other_url(tmp_path)
    async with staged(url, provider) as stage:
        report = await restore(stage.database, path)
        await stage.engine.start()
        await stage.clock.sleep(60.0)
        changes = {name: await stage.changes.get(ident, scope=OPERATOR) for name, ident in ids.items()}
        states = {name: change.state for name, change in changes.items()}
        assert states.pop("held") is State.SUPERSEDED
        assert set(states.values()) == {State.NEEDS_PERSON}
        assert (changes["held"].note, changes["approved"].note) == (HELD_NOTE, SENT_NOTE)
        assert report.closed.superseded == (ids["held"],)
        assert set(report.closed.need_person) == {ids[name] for name in ids.keys() - {"held", "needy"}}
        assert stage.asked("reboot") == 0
        await check_trail(stage.database)
        await stage.ask("reboot", server="held")  # its server is free


async def check_trail(database: Database) -> None:
    """Hold rows and trail against each other; the restore is on it."""
    assert [str(each) async for each in discrepancies(database)] == []
    records = await database.read(chain.read)
    assert list(chain.verify(records, await database.read(chain.head))) == []
    (record,) = [record for record in records if record.event == restoration.EVENT]
    assert record.body["by"] == BY


@pytest.mark.requirement("restore-posts-nothing-twice")
async def test_what_waited_for_slack_is_left_out_and_what_came_from_it_is_not_carried_out(
    empty_database_url: str, tmp_path: Path
) -> None:
    """One message says that it was restored; a card is drawn again where it is known to be, and never posted twice."""
    made(empty_database_url)
    path = tmp_path / "db.backup"
    held = samples.CHANGE.id
    with connected(empty_database_url) as connection:
        connection.execute(sa.update(CHANGES).values(state="approved"))
        backed_up(empty_database_url, tmp_path / "without.backup")
    with connected(empty_database_url) as connection:
        connection.execute(sa.delete(COPIES))
        backed_up_without = tmp_path / "no_copy.backup"
    backed_up(empty_database_url, backed_up_without)
    with connected(empty_database_url) as connection:
        insert_copy(connection, PostedMessage(f"change:{held}", "card", "C1", "1.2"), 1.0)
    backed_up(empty_database_url, path)
    for name, kinds in ((path, ["card", "event"]), (backed_up_without, ["event"])):
        async with restored(migrated(tmp_path / "target.sqlite3"), name) as (database, report):
            messages = await database.read(lambda connection: connection.execute(sa.select(OUTBOX)).mappings().all())
            assert sorted(row["kind"] for row in messages) == kinds
            (delivery,) = await database.read(lambda connection: connection.execute(sa.select(INBOX)).mappings().all())
            assert (delivery["key"], delivery["payload"], delivery["done_at"] is None) == ("env-1", {}, False)
            assert (report.messages, report.deliveries) == (1, 1)
            (text,) = [row["payload"]["text"] for row in messages if row["kind"] == "event"]
            assert held in text
            assert "need a person now" in text


@pytest.mark.requirement("restore-is-whole")
async def test_every_row_that_is_not_left_out_comes_back(empty_database_url: str, tmp_path: Path) -> None:
    """Except for what the restore itself has to say of the change, the trail and the switches."""
    url = other_url(tmp_path)
    made(url)
    path = tmp_path / "db.backup"
    backed_up(url, path)
    before = contents(url)
    async with restored(empty_database_url, path):
        pass
    after = contents(empty_database_url)
    apart = {table.name for table in LEFT_OUT} | {"changes", "audit", "audit_head", "switches", "inbox"}
    assert {name: rows for name, rows in after.items() if name not in apart} == {
        name: rows for name, rows in before.items() if name not in apart
    }
    assert [after[name] for name in ("processes", "leases", "accounts", "slack_oauth_states")] == [[]] * 4
    assert before["audit"][0] == after["audit"][0]
    assert before["switches"][0] in after["switches"]
    kept = {"id", "arguments", "actor", "digest", "ruling", "votes", "facts", "created_at", "expires_at"}
    (old,), (new,) = before["changes"], after["changes"]
    assert {name: old[name] for name in kept & old.keys()} == {name: new[name] for name in kept & new.keys()}


async def test_postgres_takes_what_sqlite_held_and_gives_it_back(postgres: PostgresServer, tmp_path: Path) -> None:
    """And numbers rows of its own after those that came with their numbers."""
    url = other_url(tmp_path)
    made(url)
    there = postgres.database()
    first = backed_up(url, tmp_path / "1.backup")
    async with restored(there, tmp_path / "1.backup"):
        pass
    second = backed_up(there, tmp_path / "2.backup")
    assert second.manifest.source == "postgresql"
    same = (
        set(METADATA.tables)
        - {table.name for table in LEFT_OUT}
        - {"changes", "audit", "audit_head", "switches", "inbox"}
    )
    assert {name: first.manifest.tables[name] for name in same} == {name: second.manifest.tables[name] for name in same}
    with connected(there) as connection:
        row = {key: value for key, value in contents(url)["slack_bots"][0].items() if key != "id"}
        connection.execute(sa.insert(METADATA.tables["slack_bots"]).values(**row))
    assert len(contents(there)["slack_bots"]) == 2


async def test_the_number_of_a_message_is_not_used_again(database_url: str, tmp_path: Path) -> None:
    """A deliverer that was frozen may still report about one of before, and would settle another."""
    source = other_url(tmp_path)
    made(source)
    backed_up(source, tmp_path / "db.backup")
    numbers = sa.select(sa.func.max(OUTBOX.c.id))
    async with open_database(database_url, CLOCK) as database:
        for _ in range(3):
            await database.transact(lambda connection: outbox.put(connection, "topic", "event", {}, CLOCK.now()))
        before = await database.read(lambda connection: connection.scalar(numbers))
        await restore(database, tmp_path / "db.backup", await database.read(contents_of))
        after = await database.read(lambda connection: connection.scalar(numbers))
    assert (before, after) == (3, after)
    assert after is not None
    assert after > 3


@pytest.mark.requirement("restore-is-whole")
@pytest.mark.parametrize("place", ["close_open_changes", "note_restore", "digest_of"])
async def test_a_restore_that_fails_half_way_leaves_the_database_as_it_was(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    source = migrated(tmp_path / "source.sqlite3")
    made(source)
    backed_up(source, tmp_path / "db.backup")
    migrate(database_url, "head")
    with connected(database_url) as connection:
        samples.fill(connection)
        connection.execute(sa.update(CHANGES).values(note="the database's own"))
        connection.execute(sa.delete(PROCESSES))
    before = contents(database_url)
    async with open_database(database_url, CLOCK) as database:
        seen = await database.read(contents_of)

        def fail(*_: Any) -> None:
            raise RuntimeError(place)

        with monkeypatch.context() as patch:
            patch.setattr(restoration, place, fail)
            with pytest.raises(RuntimeError, match=place):
                await restore(database, tmp_path / "db.backup", seen)
    assert contents(database_url) == before


async def test_a_table_that_arrives_otherwise_than_it_left_is_noticed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = migrated(tmp_path / "source.sqlite3")
    made(source)
    backed_up(source, tmp_path / "db.backup")
    copy = table_rows.copy_rows

    def lossy(read: Connection, written: Connection, *tables: sa.Table) -> Any:
        digest = copy(read, written, *tables)
        if tables[1] is CHANGES:
            written.execute(sa.update(CHANGES).values(reason="another"))
        return digest

    monkeypatch.setattr(restoration, "copy_rows", lossy)
    with pytest.raises(BackupFileError, match="table changes differs"):
        async with restored(database_url, tmp_path / "db.backup"):
            pass
    assert contents(database_url)["changes"] == []


@pytest.mark.requirement("restore-refuses-a-database-in-use")
async def test_a_database_on_which_a_process_lives_is_left_alone(database_url: str, tmp_path: Path) -> None:
    """Also one that began between the check and the transaction; one that signed off is none."""
    source = migrated(tmp_path / "source.sqlite3")
    made(source)
    backed_up(source, tmp_path / "db.backup")
    backup = VerifiedBackup.read(tmp_path / "db.backup")
    async with open_database(database_url, CLOCK) as database, open_database(database_url, CLOCK) as other:
        process = Process(other, CLOCK, "slack")
        with opened_current(tmp_path / "db.backup", backup) as source_rows:
            restoring = Restoration(source_rows, backup.manifest, CLOCK, BY)
            async with anyio.create_task_group() as group:
                group.start_soon(process.beat_on)
                await eventually(lambda: process.certain)
                with pytest.raises(InUseError, match=process.id):
                    await check_unused(database)
                with pytest.raises(InUseError, match=process.id):
                    await database.transact(lambda connection: restoring._restore(database, EMPTY, connection))
                group.cancel_scope.cancel()
        assert contents(database_url)["changes"] == []
        await process.leave()
        assert (await restore(database, tmp_path / "db.backup")).seq > 1


async def test_what_came_since_a_person_was_asked_is_not_replaced(database_url: str, tmp_path: Path) -> None:
    source = migrated(tmp_path / "source.sqlite3")
    made(source)
    backed_up(source, tmp_path / "db.backup")
    async with open_database(database_url, CLOCK) as database:
        await database.transact(lambda connection: chain.append(connection, 1.0, "noted", None, {}))
        with pytest.raises(StaleChangeError):
            await restore(database, tmp_path / "db.backup")
        seen = await database.read(contents_of)
        assert (seen.is_empty, seen.seq) == (False, 1)
        await restore(database, tmp_path / "db.backup", seen)


@pytest.mark.requirement("restore-keeps-a-pause")
@pytest.mark.parametrize("paused", [False, True])
async def test_agents_that_are_paused_stay_so(database_url: str, tmp_path: Path, paused: bool) -> None:
    """A backup is put back in incidents, and was taken before them."""
    source = migrated(tmp_path / "source.sqlite3")
    backed_up(source, tmp_path / "db.backup")
    async with open_database(database_url, CLOCK) as database:
        pause = Pause(paused, ANN, datetime(2027, 1, 1, tzinfo=UTC), "an incident")
        await database.transact(
            lambda connection: agent_pause.switch_pause(connection, PauseSwitch(pause), Approvers())
        )
        report = await restore(database, tmp_path / "db.backup", await database.read(contents_of))
        kept = await database.read(agent_pause.read)
    assert (kept, report.kept_pause) == ((pause, True) if paused else (Pause(), False))


@pytest.mark.requirement("restore-is-no-rollback")
async def test_a_machine_that_saw_more_takes_the_restored_database_for_what_it_is(
    database_url: str, tmp_path: Path
) -> None:
    """What is approved after the restore is held back by no process; a copy that is put in place later still is."""
    source = migrated(tmp_path / "source.sqlite3")
    made(source)
    backed_up(source, tmp_path / "db.backup")
    kept = HeadFile(tmp_path / "state", database_url)
    async with open_database(database_url, CLOCK) as database:
        for _ in range(9):
            await database.transact(lambda connection: chain.append(connection, 1.0, "noted", None, {}))
        monitor = ContinuityMonitor(database, CLOCK, "earlier", kept)
        await monitor.open()
        await restore(database, tmp_path / "db.backup", await database.read(contents_of))
        later = ContinuityMonitor(database, CLOCK, "later", kept)
        await later.open()
        for known in (monitor, later):
            await known.check()
        (finding,) = await database.read(findings_of)
        assert (finding.accepted, "restored from a backup of" in finding.what) == (True, True)
        later.mark = replace(later.mark, seq=10_000) if later.mark else None
        await later.check()
        assert [each.accepted for each in await database.read(findings_of)] == [True, False]


@pytest.mark.requirement("restore-upgrades")
@pytest.mark.parametrize("revision", ["0005", "0011", "0014"])
async def test_a_backup_of_an_older_version_is_brought_up_to_date(
    database_url: str, tmp_path: Path, revision: str
) -> None:
    """The file stays as it is."""
    source = f"sqlite:///{tmp_path / 'source.sqlite3'}"
    made(source, revision)
    path = tmp_path / "db.backup"
    backed_up(source, path)
    before = path.read_bytes()
    async with restored(database_url, path) as (database, _):
        change = await database.read(lambda connection: repository.load(connection, samples.CHANGE.id))
    assert (change.state, change.target) == (State.SUPERSEDED, samples.CHANGE.target)
    assert path.read_bytes() == before


def test_the_switches_of_a_store_are_a_table_that_is_restored() -> None:
    """What is left out is named; a new table comes back unless it is put on the list."""
    assert {table.name for table in LEFT_OUT} == {"processes", "leases", "accounts", "slack_oauth_states", "outbox"}
    assert SWITCHES.name in METADATA.tables
