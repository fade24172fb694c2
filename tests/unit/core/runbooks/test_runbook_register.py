"""Registered runbooks: stored by name and on record, whole or not at all, unusable once altered."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.storage.databases import migrated
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.backup.backups import backed_up, connected
from tests.unit.core.backup.test_restoration import CLOCK, restore
from vpsops.cli.audit import _verify_in
from vpsops.core.audit import chain
from vpsops.core.changes.scope import OPERATOR, Scope, ServerFilter, Visibility
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.runbooks import register
from vpsops.core.runbooks.loader import load_runbook
from vpsops.core.runbooks.model import RunbookBrokenError
from vpsops.core.runbooks.queries import RunbookQueries
from vpsops.core.runbooks.register import (
    MOST_RUNBOOKS,
    RegisteredRunbook,
    RunbookApplication,
    RunbookText,
    UnknownRunbookError,
    unknown_runbook,
)
from vpsops.core.runbooks.trail import RunbookTrail
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import OUTBOX, RUNBOOKS

TEXT: Final = 'name = "NAME"\ndescription = "X."\n[[step]]\noperation = "stop"\nservers = "web01"\n'
BY: Final = {"kind": "person", "id": "local:ann"}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


def file(name: str = "halt", more: str = "") -> RunbookText:
    """Return a runbook's file."""
    return RunbookText(load_runbook(TEXT.replace("NAME", name) + more, "x.toml"), "x.toml")


def application(*files: RunbookText, over: Mapping[str, str] | None = None) -> RunbookApplication:
    """Return a request to store runbooks."""
    return RunbookApplication(files, over or {}, BY, 5.0)


async def apply(
    database: Database, *files: RunbookText, over: Mapping[str, str] | None = None
) -> list[RegisteredRunbook]:
    """Store runbooks."""
    return await database.transact(partial(register.apply, asked=application(*files, over=over)))


def queries(database: Database, *servers: str) -> RunbookQueries:
    """Return the reads of those who see some servers, or all."""
    shown = ServerFilter((ServerPatterns.of(servers),)) if servers else ServerFilter()
    visible: Callable[[Scope], Visibility] = lambda _: Visibility(servers=shown)  # noqa: E731 - one line of a test
    return RunbookQueries(database, visible)


async def news(database: Database) -> list[str]:
    """Return what is posted."""
    payloads = await database.read(lambda connection: connection.execute(sa.select(OUTBOX.c.payload)).scalars().all())
    return [payload["text"] for payload in payloads]


@pytest.mark.requirement("runbook-register")
async def test_a_runbook_is_kept_by_its_name_and_on_record(database: Database) -> None:
    """The record has who, what version and the version before; people hear of a replacement and of a removal."""
    (first,) = await apply(database, file())
    (second,) = await apply(database, file(more="# two\n"), over={"halt": first.version})
    assert await database.read(register.all_runbooks) == [second]
    assert (second.number, second.author, second.runbook.steps[0].operation) == (2, "local:ann", "stop")
    removed = await database.transact(lambda connection: register.remove(connection, "halt", BY, 6.0))
    assert removed == second
    assert await database.read(register.all_runbooks) == []
    records = await database.read(chain.read)
    assert [(each.event, each.body["version"], each.body["previous"], each.body["by"]) for each in records] == [
        ("runbook_applied", first.version, "", BY),
        ("runbook_applied", second.version, first.version, BY),
        ("runbook_removed", "", second.version, BY),
    ]
    replaced, gone = await news(database)
    assert replaced.startswith("The runbook halt is another one now: rbk_")
    assert gone.startswith("The runbook halt (rbk_")


async def test_the_same_text_again_is_nothing(database: Database) -> None:
    """No row is written, nothing is on record, no message is sent."""
    (first,) = await apply(database, file())
    assert await apply(database, file(), over={"halt": first.version}) == []
    assert [each.event for each in await database.read(chain.read)] == ["runbook_applied"]
    assert await news(database) == []


@pytest.mark.requirement("runbook-register")
async def test_what_changed_meanwhile_is_not_overwritten(database: Database) -> None:
    """Two people who saw the same list: the second one is refused, and none of their files is stored."""
    (first,) = await apply(database, file())
    for over in ({}, {"halt": "rbk_other"}):
        with pytest.raises(StaleChangeError, match="changed meanwhile"):
            await apply(database, file("other"), file(more="# two\n"), over=over)
    await database.transact(lambda connection: register.remove(connection, "halt", BY, 6.0))
    with pytest.raises(StaleChangeError, match="it is gone now"):
        await apply(database, file(more="# two\n"), over={"halt": first.version})
    assert await database.read(register.all_runbooks) == []


async def test_a_database_has_so_many_runbooks(database: Database) -> None:
    """One more is refused; another text of one that is there is not."""
    stored = await apply(database, *(file(f"halt-{number}") for number in range(MOST_RUNBOOKS)))
    with pytest.raises(InvalidInputError, match="at most 50"):
        await apply(database, file("more"))
    over = {each.name: each.version for each in stored}
    assert len(await apply(database, file("halt-7", "# two\n"), over=over)) == 1


@pytest.mark.requirement("runbook-register")
@pytest.mark.parametrize(
    "altered",
    [
        {"text": file(more="# two\n").runbook.text},
        {"text": file(more="# two\n").runbook.text, "version": file(more="# two\n").version},
        {"record": 2},
        {"record": 99},
        {"number": 7},
        {"name": "other"},
    ],
)
async def test_a_runbook_that_the_trail_does_not_carry_is_never_run(
    database: Database, altered: dict[str, object]
) -> None:
    """A write to the row alone makes no steps; it is listed with its problem, and applied again."""
    await apply(database, file())
    await database.transact(lambda connection: chain.append(connection, 6.0, "runbook_applied", None, {}))

    def alter(connection: Connection) -> None:
        connection.execute(sa.update(RUNBOOKS).values(**altered))

    await database.transact(alter)
    (broken,) = await database.read(register.all_runbooks)
    with pytest.raises(RunbookBrokenError, match="audit trail does not carry it"):
        await queries(database).get(broken.name, scope=OPERATOR)
    if broken.name == "halt":
        await apply(database, file(), over={"halt": broken.version})
        assert (await queries(database).get("halt", scope=OPERATOR)).name == "halt"


async def test_a_name_that_no_runbook_has_says_which_there_are(database: Database) -> None:
    """The nearest name, or how to store one."""
    for name, hint in (("halt", "vpsops runbook apply FILE"), ("hlat", "Did you mean halt?")):
        with pytest.raises(UnknownRunbookError, match="There is no runbook") as caught:
            await queries(database).get(name, scope=OPERATOR)
        assert hint in caught.value.hint
        await apply(database, *([file()] if name == "halt" else []))
    with pytest.raises(UnknownRunbookError):
        await database.transact(lambda connection: register.remove(connection, "no", BY, 6.0))


@pytest.mark.requirement("runbook-reads")
@pytest.mark.parametrize(
    ("servers", "seen"), [(("web01",), True), (("web*",), True), (("db01",), False), (("web01.example.com",), False)]
)
async def test_a_runbook_that_names_a_hidden_server_does_not_exist(
    database: Database, servers: tuple[str, ...], seen: bool
) -> None:
    """Neither in a list nor by its name; what is not certain is hidden."""
    await apply(database, file())
    reads = queries(database, *servers)
    assert bool(await reads.list_all(scope=OPERATOR)) is seen
    if not seen:
        with pytest.raises(UnknownRunbookError, match="There is no runbook called 'halt'") as caught:
            await reads.get("halt", scope=OPERATOR)
        assert "halt" not in caught.value.hint


@pytest.mark.requirement("runbook-reads")
@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ('"web01"', '"{which}"\n[arguments.which]\nkind = "servers"\n', True),
        ('"web01"', '"{which}"\n[arguments.which]\nkind = "servers"\ndefault = "web*, db01"\n', False),
        ('"web01"', '["web*", "region:oslo"]\n', True),
        (
            '"web01"\n',
            '"web02"\non_failure = "compensate"\n[[step.compensation]]\noperation = "start"\nservers = "db1"',
            False,
        ),
    ],
)
async def test_each_place_of_a_name_is_looked_at(database: Database, before: str, after: str, seen: bool) -> None:
    """Arguments and filters name no server; defaults and compensations do."""
    text = TEXT.replace("NAME", "halt").replace(before, after)
    await apply(database, RunbookText(load_runbook(text, "x.toml"), "x.toml"))
    assert bool(await queries(database, "web*").list_all(scope=OPERATOR)) is seen


async def test_a_restored_database_has_its_runbooks(tmp_path: Path) -> None:
    """They are of the trail that came back with them."""
    url, path = migrated(tmp_path / "source.sqlite3"), tmp_path / "db.backup"
    with connected(url) as connection:
        register.apply(connection, application(file()))
    backed_up(url, path)
    async with open_database(migrated(tmp_path / "other.sqlite3"), CLOCK) as database:
        await restore(database, path)
        restored: Any = await queries(database).get("halt", scope=OPERATOR)
    assert restored == file().runbook


NAMES = [f"patch-{number:02}" for number in range(12)]


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("cycel", ["cycle", "grow"], "Did you mean cycle?"),
        ("Grow", ["grow", "grow-db", "shrink"], "Did you mean grow or grow-db?"),
        ("patch", ["patch-web", "patch-db", "patch-all", "patch-mail"], 3),
        ("db", ["grow", "move-database"], "There are grow, move-database."),
        ("data", ["grow", "move-database"], "Did you mean move-database?"),
        ("", ["grow"], "There are grow."),
        ("xyz", NAMES[:10], f"There are {', '.join(NAMES[:10])}."),
        ("xyz", NAMES[:11], f"There are {', '.join(NAMES[:10])} and 1 more."),
        ("grow", [], "There are none; vpsops runbook apply FILE stores one."),
    ],
)
def test_an_unknown_name_gets_the_nearest_names(word: str, known: list[str], hint: str | int) -> None:
    """The nearest first, at most three; where none is near, those that there are, up to ten."""
    shown = unknown_runbook(word, known).hint
    if isinstance(hint, int):
        assert shown.startswith("Did you mean patch-")
        assert shown.count("patch-") == hint
    else:
        assert shown == hint


async def verify(database: Database, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code and the output of `vpsops audit verify`."""
    capsys.readouterr()
    code = await _verify_in(chain.ChainVerifier(), database)
    return code, capsys.readouterr().out


async def rows_of(database: Database) -> list[dict[str, Any]]:
    """Return the rows of all runbooks."""
    rows = await database.read(lambda connection: connection.execute(sa.select(RUNBOOKS)).mappings().all())
    return [dict(row) for row in rows]


async def put_back(database: Database, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of an earlier time into the database alone, in place of those that are there."""

    def work(connection: Connection) -> None:
        connection.execute(sa.delete(RUNBOOKS))
        for row in rows:
            connection.execute(sa.insert(RUNBOOKS).values(**row))

    await database.transact(work)


@pytest.mark.parametrize("later", ["applied", "removed"])
async def test_a_runbook_that_was_put_back_is_told(
    database: Database, capsys: pytest.CaptureFixture[str], later: str
) -> None:
    """A row as an earlier record has it looks whole by itself; the later record of its name tells."""
    await apply(database, file())
    before = await rows_of(database)
    if later == "applied":
        await apply(database, file(more="# two\n"), over={"halt": before[0]["version"]})
    else:
        await database.transact(lambda connection: register.remove(connection, "halt", BY, 6.0))
    assert (await verify(database, capsys))[0] == 0
    await put_back(database, before)
    code, output = await verify(database, capsys)
    assert code == 1
    words = {"applied": "record 2 applied it later", "removed": "record 2 removed it, and its row is there"}
    assert f"runbook halt: {'its row is as record 1 applied it, and ' * (later == 'applied')}{words[later]}" in output
    assert "does not carry one runbook as the database has it" in output
    assert "apply it or remove it before it is" in output


async def test_a_runbook_that_is_gone_or_altered_is_told(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its name and the record that applied it."""
    await apply(database, file(), file("other"))
    before = await rows_of(database)
    await put_back(database, [])
    code, output = await verify(database, capsys)
    assert code == 1
    assert "runbook halt: record 1 applied it, and its row is gone" in output
    assert "does not carry 2 runbooks" in output
    await put_back(database, [{**row, "text": "x"} for row in before[:1]] + before[1:])
    code, output = await verify(database, capsys)
    assert code == 1
    assert "runbook halt: is not as it was applied" in output
    assert "one runbook" in output


async def test_what_is_applied_while_a_trail_is_verified_is_no_difference(database: Database) -> None:
    """Records that came after the last one that was read are read with the rows."""
    await apply(database, file())
    trail = RunbookTrail()
    for record in await database.read(chain.read):
        trail.step(record)
    await apply(database, file(more="# two\n"), over={"halt": file().version})
    await apply(database, file("other"))
    assert await database.read(lambda connection: list(trail.differences(connection))) == []


async def test_a_record_that_was_altered_says_nothing_of_a_runbook(database: Database) -> None:
    """The chain tells of it; what it says is not held against the row."""
    await apply(database, file())
    records = await database.read(chain.read)
    trail = RunbookTrail()
    for record in (*records, replace(records[0], seq=2, text=records[0].text.replace("applied", "removed"))):
        trail.step(record)
    assert await database.read(lambda connection: list(trail.differences(connection))) == []
