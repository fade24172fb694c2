"""A database that forgot something: a standby that lagged took over, a backup was put in place, a copy swapped in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import Stage, staged
from vpsops.cli import store
from vpsops.core.app.services import head_file_of
from vpsops.core.audit import chain
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.continuity import continuity_monitor
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor, StoreWentBackError
from vpsops.core.continuity.heads import HeadFile, Mark
from vpsops.core.diagnostics.database import check_continuity
from vpsops.core.execution.runner import Runner
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD, CHANGES, OUTBOX, SWITCHES
from vpsops.playground.wayscloud.serve import SimulatorHandle

CLOCK = VirtualClock()


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """A database as it was at one time, row by row."""

    rows: Mapping[str, list[dict[str, Any]]]

    @classmethod
    async def of(cls, database: Database) -> "DatabaseCopy":
        """Take one."""

        def work(connection: Connection) -> dict[str, list[dict[str, Any]]]:
            return {
                table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
                for table in (CHANGES, AUDIT, AUDIT_HEAD, SWITCHES, OUTBOX)
            }

        return cls(await database.read(work))

    async def put_back(self, database: Database) -> None:
        """Put it in place of the present database, beneath the connected processes."""

        def work(connection: Connection) -> None:
            for table in (CHANGES, AUDIT, AUDIT_HEAD, SWITCHES, OUTBOX):
                connection.execute(sa.delete(table))
                if self.rows[table.name]:
                    connection.execute(sa.insert(table), self.rows[table.name])

        await database.transact(work)


async def append(database: Database, count: int = 1, text: str = "x") -> None:
    """Add records to the trail."""
    for _ in range(count):
        await database.transact(lambda connection: chain.append(connection, 1.0, "noted", None, {"why": text}))


async def approved(stage: Stage, hostname: str = "cont01") -> str:
    """A change that is approved, and that no process runs; return its id."""
    held = await stage.ask("reboot", server=hostname)
    stage.engine._runs.add(held.id)  # its reconciler leaves it to the test
    values = {"state": State.APPROVED.value, "owner": None}
    await stage.change(
        held.id,
        lambda connection, _: connection.execute(sa.update(CHANGES).where(CHANGES.c.id == held.id).values(values)),
    )
    return held.id


async def findings(database: Database) -> list[str]:
    return [finding.what for finding in await database.read(continuity_monitor.findings_of)]


async def watching(database: Database, name: str = "p1", kept: HeadFile | None = None) -> ContinuityMonitor:
    """The memory of one process that has checked once."""
    made = ContinuityMonitor(database, CLOCK, name, kept)
    await made.open()
    return made


@pytest.mark.requirement("store-went-back")
async def test_what_was_approved_before_the_database_went_back_needs_a_person(
    database_url: str, provider: SimulatorHandle
) -> None:
    """No process sends it, people are notified, and the trail stays whole."""
    async with staged(database_url, provider) as stage:
        stage.server("cont01.example.com")
        change_id = await approved(stage)
        copy = await DatabaseCopy.of(stage.database)
        memory = await watching(stage.database)
        await append(stage.database, 3)
        await memory.check()
        await copy.put_back(stage.database)
        await memory.check()
        change = await stage.changes.get(change_id, scope=OPERATOR)
        assert (change.state, change.note) == (State.NEEDS_PERSON, continuity_monitor.NOTE)
        await stage.engine.start()
        runner: Runner = stage.engine._runner
        await runner.run(change_id)  # as another process would that did not know about it
        assert (await stage.changes.get(change_id, scope=OPERATOR)).state is State.NEEDS_PERSON
        assert stage.asked("reboot") == 0
        (what,) = await findings(stage.database)
        assert "this machine has seen record" in what
        messages = [row["text"] for row in await stage.notices() if "text" in row]
        assert len(messages) == 1
        assert change_id in messages[0]
        assert "vpsops store accept" in messages[0]
        assert {"change": change_id, "event": "needs_person"} in await stage.notices()
        records = await stage.database.read(chain.read)
        assert [record.event for record in records[-2:]] == ["needs_person", "store_went_back"]
        assert not list(chain.verify(records, await stage.database.read(chain.head)))


@pytest.mark.requirement("store-went-back")
async def test_the_transaction_that_stores_an_intention_looks_itself(
    database_url: str, provider: SimulatorHandle
) -> None:
    """Between two checks of the reconciler a write could leave."""
    async with staged(database_url, provider) as stage:
        stage.server("cont01.example.com")
        await stage.engine.start()
        change_id = await approved(stage)
        memory = await watching(stage.database)
        memory.mark = Mark(10_000, "f" * 64)
        await replace(stage.engine._runner, continuity=memory).run(change_id)
        assert (await stage.changes.get(change_id, scope=OPERATOR)).state is State.NEEDS_PERSON
        assert stage.asked("reboot") == 0
        assert len(await findings(stage.database)) == 1


async def test_another_history_of_the_same_length_is_noticed(database_url: str) -> None:
    """A copy that diverged has as many records, or more: its history is another."""
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        await append(database, 1, "here")
        first, two = await watching(database, "one"), await watching(database, "two")
        for more in (1, 3):
            await copy.put_back(database)
            await append(database, more, "elsewhere")
            memory = first if more == 1 else two
            with pytest.raises(StoreWentBackError, match="is another one than"):
                await database.transact(memory.verify)
            await memory.check()
            assert len(await findings(database)) == 1


async def test_one_event_is_one_finding_whoever_notices(database_url: str) -> None:
    """The second process finds the first one's finding, and holds nothing back that was approved after it."""
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        memories = [await watching(database, f"p{number}") for number in range(4)]
        await append(database, 5)
        for memory in memories[:3]:
            await memory.check()
        await copy.put_back(database)
        async with anyio.create_task_group() as group:
            for memory in memories:
                group.start_soon(memory.check)
        for memory in memories:
            await memory.check()
            assert memory.mark == memories[0].mark
        assert len(await findings(database)) == 1


async def test_a_database_that_goes_back_behind_a_finding_is_noticed_again(database_url: str) -> None:
    """The same old copy once more: that it was dealt with is forgotten with the rest."""
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        memory = await watching(database)
        await append(database, 5)
        await memory.check()
        for _ in range(3):
            await copy.put_back(database)
            await memory.check()
            assert len(await findings(database)) == 1
        await append(database, 9)
        await memory.check()
        assert len(await findings(database)) == 1


async def test_it_shows_after_a_restart_too(database_url: str, tmp_path: Path) -> None:
    """A backup is put in place while nothing runs: the next start on this machine remembers."""
    kept = HeadFile(tmp_path / "state", database_url)
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        await append(database, 2)
        await watching(database, kept=kept)
        await copy.put_back(database)
    async with open_database(database_url, CLOCK) as database:
        await watching(database, kept=HeadFile(tmp_path / "elsewhere", database_url))
        assert await findings(database) == []  # another machine cannot know
        await watching(database, kept=kept)
        assert len(await findings(database)) == 1
        await watching(database, kept=kept)
        assert len(await findings(database)) == 1


async def test_an_empty_database_at_the_same_address_is_noticed_and_at_another_is_not(
    tmp_path: Path, database_url: str
) -> None:
    """Deliberately starting with an empty database requires acceptance; another address is a different database."""
    kept = HeadFile(tmp_path / "state", database_url)
    async with open_database(database_url, CLOCK) as database:
        empty = await DatabaseCopy.of(database)
        await append(database, 2)
        await watching(database, kept=kept)
        await empty.put_back(database)
        await watching(database, kept=HeadFile(tmp_path / "state", f"{database_url}-other"))
        assert await findings(database) == []
        await watching(database, kept=kept)
        assert "ends at record 0" in (await findings(database))[0]


async def test_another_server_is_noticed_by_a_process_that_remembers_nothing(database_url: str) -> None:
    """The server's own identity is kept in the database: a standby or a restored dump has another."""
    async with open_database(database_url, CLOCK) as database:
        await watching(database)
        stored = sa.update(SWITCHES).where(SWITCHES.c.name == continuity_monitor.NAME)
        known = await database.read(lambda connection: connection.scalar(continuity_monitor.STORED))
        lineage = (known or {}).get("lineage", {})
        assert set(lineage) == (set() if database.sqlite else {"system", "timeline", "database", "table"})
        for name in lineage:
            other = {"lineage": lineage | {name: "7"}, "findings": []}
            await database.transact(lambda connection, other=other: connection.execute(stored.values(value=other)))  # type: ignore[misc]
            memory = ContinuityMonitor(database, CLOCK, "new")
            await memory.open()
            assert name in (await findings(database))[0]
            await memory.check()
            await database.transact(memory.verify)
            assert len(await findings(database)) == 1


async def test_ordinary_concurrency_is_no_finding(database_url: str) -> None:
    """Readers of an older moment, and answers that come in another order than their questions."""
    async with open_database(database_url, CLOCK) as database:
        memories = [await watching(database, f"p{number}") for number in range(3)]

        async def write() -> None:
            for _ in range(15):
                await append(database)

        async def check(memory: ContinuityMonitor) -> None:
            for _ in range(15):
                await memory.check()
                await database.transact(memory.verify)

        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                for memory in memories * 2:
                    group.start_soon(check, memory)
                group.start_soon(write)
                group.start_soon(write)
        assert await findings(database) == []


async def test_a_late_answer_from_before_does_not_count(database_url: str) -> None:
    """A check that began before the database went back ends after the rollback was handled."""
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        await append(database, 5)
        memory = await watching(database)
        late = await database.read(lambda connection: memory.view(connection, memory.mark))
        await copy.put_back(database)
        await memory.check()
        await memory.judge(late)
        await memory.check()
        assert len(await findings(database)) == 1


async def test_a_row_that_this_version_cannot_read_is_held_back_too(
    database_url: str, provider: SimulatorHandle
) -> None:
    """A process of another version could send it."""
    async with staged(database_url, provider) as stage:
        stage.server("cont01.example.com")
        change_id = await approved(stage)
        query = sa.update(CHANGES).where(CHANGES.c.id == change_id).values(ruling={"future": True})
        await stage.database.transact(lambda connection: connection.execute(query))
        memory = ContinuityMonitor(stage.database, CLOCK, "p")
        memory.mark = Mark(10_000, "f" * 64)
        await memory.check()
        state = await stage.database.read(
            lambda connection: connection.scalar(sa.select(CHANGES.c.state).where(CHANGES.c.id == change_id))
        )
        assert state == "needs_person"


@pytest.mark.requirement("store-accepted-by-a-person")
async def test_a_person_accepts_it_and_doctor_is_content(
    database_url: str, capsys: pytest.CaptureFixture[str], state_home: Path
) -> None:
    """Doctor names it before and after the first check; the typed number accepts it, on record."""
    del state_home
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url, "VPSOPS_ACTOR": "ann@example.com"})
    kept = head_file_of(settings)
    async with open_database(database_url, CLOCK) as database:
        await append(database, 2)
        copy = await DatabaseCopy.of(database)
        await append(database, 2)
        await watching(database, kept=kept)
        assert [result.level for result in await check_continuity(database, settings)] == [Level.OK]
        await copy.put_back(database)
        before = await check_continuity(database, settings)
        assert await findings(database) == []  # doctor changes nothing
    assert await store.accept(settings, CLOCK, lambda _: "") == 1
    async with open_database(database_url, CLOCK) as database:
        noticed = await check_continuity(database, settings)
    assert [(result.level, result.code) for result in (*before, *noticed)] == [(Level.FAIL, 1)] * 2
    assert "vpsops store accept" in noticed[0].todo
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return "3"

    assert await store.accept(settings, CLOCK, ask) == 0
    assert "its last record, 3" in asked[0]
    async with open_database(database_url, CLOCK) as database:
        assert [result.level for result in await check_continuity(database, settings)] == [Level.OK]
        last = (await database.read(chain.read))[-1]
    assert (last.event, last.body["by"]["id"]) == ("store_accepted", "ann@example.com")
    assert await store.accept(settings, CLOCK, lambda _: pytest.fail("asked")) == 0
    assert "nothing to accept" in capsys.readouterr().out


async def test_a_clock_that_stands_still_changes_nothing(database_url: str) -> None:
    """Records are compared, not times."""
    async with open_database(database_url, FakeClock()) as database:
        memory = ContinuityMonitor(database, FakeClock(), "p")
        await memory.open()
        await append(database)
        await memory.check()
        assert memory.mark is not None
        assert memory.mark.seq == 1
