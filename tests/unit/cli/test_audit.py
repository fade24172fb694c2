"""The trail in the database: whole under concurrent appends, and found broken after any tampering."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import DB, RECORDS, WEB, Cli, change_database, happen
from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.core.audit import chain, records
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD

BOUND = PATIENCE_SECONDS
TOGETHER = 50
CUT = ", and it is newer than the trail's head: the trail was cut"
Tamper = Callable[[Connection], object]


def set_where(seq: int, **values: object) -> Tamper:
    """Return work that alters a stored record."""
    return lambda connection: connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == seq).values(**values))


def remove(*seqs: int) -> Tamper:
    """Return work that removes stored records."""
    return lambda connection: connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq.in_(seqs)))


def swap(connection: Connection) -> None:
    """Let two records change numbers."""
    for old, new in ((2, 999), (3, 2), (999, 3)):
        connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == old).values(seq=new))


def rewrite(connection: Connection) -> None:
    """Replace a record together with the hash that fits it."""
    row = connection.execute(sa.select(AUDIT).where(AUDIT.c.seq == 3)).one()
    text = row.record.replace("fine", "never")
    digest = records.record_hash(row.previous, text)
    connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == 3).values(record=text, hash=digest))


def behead(connection: Connection) -> None:
    """Remove the record of the trail's end."""
    connection.execute(sa.delete(AUDIT_HEAD))


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "altered": (set_where(3, record='{"seq":3}'), "record 3 was altered"),
    "not even JSON": (set_where(3, record="{"), "record 3 was altered"),
    "another hash": (set_where(3, hash="0" * 64), "record 3 was altered"),
    "rewritten": (rewrite, "record 3 was rewritten: its neighbours were made with another one"),
    "removed in the middle": (remove(2, 3), "records 2 to 3 are missing"),
    "removed at the start": (remove(1), "record 1 is missing"),
    "removed at the end": (remove(5, 6), "records 5 to 6 are missing at the end: the head says 6"),
    "all removed": (remove(1, 2, 3, 4, 5, 6), "records 1 to 6 are missing at the end: the head says 6"),
    "reordered": (swap, "record 2 stands after record 3: out of order"),
    "another time": (set_where(4, at=1.0), "record 4: its columns differ from what was hashed"),
    "another event": (set_where(4, event="denied"), "record 4: its columns differ from what was hashed"),
    "another change": (set_where(4, change_id="chg_x"), "record 4: its columns differ from what was hashed"),
    "without its head": (behead, "records 1 to 6 are beyond the head, which says 0"),
}


class UndoneError(Exception):
    """Roll back the attempt."""


async def found(database: Database, tamper: Tamper) -> list[str]:
    """Return the verification output of a tampered table, and undo it."""
    messages: list[str] = []

    def work(connection: Connection) -> None:
        tamper(connection)
        messages.extend(fault.what for fault in chain.verify(chain.read(connection), chain.head(connection)))
        raise UndoneError

    with pytest.raises(UndoneError):
        await database.transact(work)
    return messages


@pytest.mark.requirement("audit-shows-tampering")
async def test_tampering_with_the_table_is_found(empty_database_url: str) -> None:
    """Whatever is done to the table, verification names the record and what happened to it."""
    async with open_database(empty_database_url, FakeClock()) as database:
        await database.transact(happen)
        for way, (tamper, finding) in TAMPERED.items():
            assert finding in await found(database, tamper), way
        records = await database.read(chain.read)
        assert list(chain.verify(records, await database.read(chain.head))) == []


def test_a_trail_that_is_not_whole_ends_with_one(stored: str, cli: Cli) -> None:
    """Each fault is a line of its own, and the last line is the verdict."""
    change_database(stored, set_where(3, record="{"), remove(2, 6))
    output = cli("audit", "verify")
    assert (output.code, output.err) == (1, "")
    assert output.lines == [
        "record 3 was altered",
        "record 6 is missing at the end: the head says 6",
        "record 2 is missing",
        f"{WEB.id}: record 3 of it is not as it was written, so its row could not be compared",
        f"{DB.id}: its row is held, and the trail does not hold its request{CUT}",
        "The trail is not whole: 3 faults up to record 5.",
    ]


def test_a_whole_trail_ends_with_nothing_and_its_head(stored: str, cli: Cli) -> None:
    """Exit code 0, and the head to note, which a later verification holds the trail to."""
    output = cli("audit", "verify")
    assert (output.code, len(output.lines)) == (0, 1)
    head = output.out.split()[-1]
    assert output.out.startswith(f"The trail is whole up to record {RECORDS}.")
    change_database(stored, lambda connection: chain.append(connection, 1.0, "later", None, {}))
    assert cli("audit", "verify", "--noted", head).code == 0
    other = cli("audit", "verify", "--noted", f"{RECORDS}:{'0' * 64}")
    assert (other.code, other.lines[0]) == (1, f"record {RECORDS} is not the one noted: the trail was rewritten")


def test_an_empty_trail_is_whole(empty_database_url: str, cli: Cli) -> None:
    """Where nothing happened yet, nothing is wrong."""
    change_database(empty_database_url)
    assert cli("audit", "verify").lines == [f"The trail is whole up to record 0. Its head to note: 0:{records.GENESIS}"]
    assert cli("audit", "tail").lines == []
    assert len(cli("audit", "export").lines) == 2


def test_many_faults_are_counted_and_not_all_told(
    empty_database_url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trail that was altered throughout fills a screen, not a thousand lines, over many pages."""
    monkeypatch.setattr("vpsops.core.audit.reader.PAGE", 7)
    monkeypatch.setattr("vpsops.cli.audit.MAX_FAULTS", 10)
    change_database(
        empty_database_url, append(40), lambda connection: connection.execute(sa.update(AUDIT).values(at=-1.0))
    )
    output = cli("audit", "verify")
    assert len(output.lines) == 12
    assert output.lines[-2:] == ["and 30 more", "The trail is not whole: 40 faults up to record 40."]


def append(count: int) -> Tamper:
    """Return work that appends so many records."""

    def work(connection: Connection) -> None:
        for number in range(count):
            chain.append(connection, float(number), "x", None, {"n": number})

    return work


async def test_transactions_at_once_make_one_chain(empty_database_url: str) -> None:
    """Fifty append in the same instant through two processes' doors, some of them twice: one chain, none lost."""

    async def add(database: Database, number: int) -> None:
        def work(connection: Connection) -> None:
            for part in range(1 + number % 2):
                chain.append(connection, float(number), "appended", f"chg_{number}", {"part": part})

        await database.transact(work)

    clock = VirtualClock()
    async with open_database(empty_database_url, clock) as first, open_database(empty_database_url, clock) as second:
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                for number in range(TOGETHER):
                    group.start_soon(add, (first, second)[number % 3 == 0], number)
        records = await first.read(chain.read)
        head = await first.read(chain.head)
    assert list(chain.verify(records, head)) == []
    assert {record.change_id for record in records} == {f"chg_{number}" for number in range(TOGETHER)}
    assert len(records) == TOGETHER * 3 // 2


async def test_a_record_of_a_failed_transaction_leaves_no_gap(empty_database_url: str) -> None:
    """What did not happen is not recorded, and the next record continues the last one that was."""
    async with open_database(empty_database_url, FakeClock()) as database:

        def fail(connection: Connection) -> None:
            chain.append(connection, 1.0, "half", None, {})
            raise ZeroDivisionError

        for _ in range(2):
            await database.transact(lambda connection: chain.append(connection, 1.0, "whole", None, {}))
            with pytest.raises(ZeroDivisionError):
                await database.transact(fail)
        records = await database.read(chain.read)
        assert [(record.seq, record.event) for record in records] == [(1, "whole"), (2, "whole")]
        assert list(chain.verify(records, await database.read(chain.head))) == []


async def test_records_come_in_pages(empty_database_url: str) -> None:
    """From the front and from the back, of all or of one change, in order."""
    async with open_database(empty_database_url, FakeClock()) as database:

        def append(connection: Connection) -> None:
            for number in range(1, 11):
                chain.append(connection, 1.0, "x", f"chg_{number % 2}", {})

        await database.transact(append)

        def seqs(connection: Connection) -> list[list[int]]:
            pages = [
                chain.read(connection, after=3, limit=2),
                chain.read(connection, after=3, limit=2, change_id="chg_0"),
                chain.newest(connection, 3),
                chain.newest(connection, 3, before=6),
                chain.newest(connection, 2, before=9, change_id="chg_1"),
            ]
            return [[record.seq for record in page] for page in pages]

        assert await database.read(seqs) == [[4, 5], [4, 6], [8, 9, 10], [3, 4, 5], [5, 7]]


@pytest.mark.requirement("audit-export-alone")
def test_an_export_is_verified_without_the_database(stored: str, cli: Cli, tmp_path: Path) -> None:
    """An exported trail is whole in a file, and not when a letter of it was changed."""
    assert stored
    exported = cli("audit", "export")
    path = tmp_path / "trail.jsonl"
    path.write_text(exported.out, encoding="utf-8")
    assert (exported.code, len(exported.lines)) == (0, RECORDS + 2)
    whole = cli("audit", "verify", str(path))
    assert (whole.code, whole.out) == (0, cli("audit", "verify").out)
    path.write_text(exported.out.replace("fine", "find"), encoding="utf-8")
    assert cli("audit", "verify", str(path)).lines[:2] == ["record 3 was altered", "record 4 was altered"]
    path.write_text(exported.out[:-200], encoding="utf-8")
    assert cli("audit", "verify", str(path)).code == 1
    path.write_bytes(b"\xff\x00\n" * 3)
    assert cli("audit", "verify", str(path)).code == 1


def test_an_export_may_begin_later(stored: str, cli: Cli, tmp_path: Path) -> None:
    """The newer records alone continue the older ones by their hash."""
    assert stored
    path = tmp_path / "trail.jsonl"
    path.write_text(cli("audit", "export", "--after", "4").out, encoding="utf-8")
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4
    assert cli("audit", "verify", str(path)).code == 0
    beyond = cli("audit", "export", "--after", "7")
    assert (beyond.code, beyond.out) == (2, "")
    assert "There is no record 7. The last one is 6." in beyond.err


@pytest.mark.parametrize("count", [6, 7, 8, 14])
def test_an_export_goes_over_pages(
    stored: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A long trail is written page by page and is one whole file, also where it ends with a page."""
    monkeypatch.setattr("vpsops.core.audit.reader.PAGE", 7)
    change_database(stored, append(count - RECORDS))
    path = tmp_path / "trail.jsonl"
    path.write_text(cli("audit", "export").out, encoding="utf-8")
    assert cli("audit", "verify", str(path)).lines[0].startswith(f"The trail is whole up to record {count}.")
    assert cli("audit", "verify").code == 0


def test_a_file_that_is_not_there_is_wrong_usage(cli: Cli, tmp_path: Path) -> None:
    """It is reported in words, without a traceback."""
    output = cli("audit", "verify", str(tmp_path / "absent"))
    assert (output.code, output.out) == (2, "")
    assert "cannot be read: No such file or directory" in output.err


def test_looking_needs_a_database_that_is_there(cli: Cli, empty_database_url: str) -> None:
    """Verifying a mistyped place does not find a whole and empty trail there."""
    for words in (("audit", "verify"), ("audit", "tail"), ("audit", "export"), ("changes",)):
        output = cli(*words)
        assert (output.code, output.out) == (2, "")
        assert ("no database" if empty_database_url.startswith("sqlite") else "empty") in output.err
