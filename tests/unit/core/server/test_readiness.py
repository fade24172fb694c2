"""Health is red, with the cause, while this process cannot do its work, and turns green again without a restart."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import anyio
import httpx
import psycopg
import pytest
from sqlalchemy.engine import Connection
from starlette.applications import Starlette

from tests.conftest import POSTGRES
from tests.fakes.clock import FakeClock
from tests.fakes.storage.postgres import PostgresServer
from tests.harness.heartbeats import beat_for
from tests.harness.internals import database_of
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.cli import health
from vpsops.core.app import Core, open_core
from vpsops.core.audit import chain
from vpsops.core.common.errors import InvalidInputError, StorageError
from vpsops.core.config.settings import Settings
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.server.health_routes import health_routes
from vpsops.core.server.readiness import ReadinessFault, answer_of

NOWHERE = "http://127.0.0.1:9"
LOCKS = [  # on SQLite there is one, of the file
    (table, mode)
    for table in ("audit_head", "changes", "processes")
    for mode in ("ACCESS EXCLUSIVE", "EXCLUSIVE")
    if POSTGRES or (table, mode) == ("changes", "EXCLUSIVE")
]


@asynccontextmanager
async def worker(url: str, front: str = "worker") -> AsyncIterator[tuple[Core, FakeClock]]:
    """A process that runs changes, in a time that the test lets pass."""
    clock = FakeClock()
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": url, "WAYSCLOUD_API_URL": NOWHERE})
    async with open_core(settings, front=front, clock=clock) as core:
        yield core, clock


async def red(core: Core) -> dict[str, str]:
    """Return the checks that are red now."""
    return {fault.part: fault.what for fault in await core.readiness.faults()}


async def turns_red(core: Core, *parts: str) -> dict[str, str]:
    """Ask until one of some parts is red, or any; that may take as long as a database waits for a lock."""

    async def found() -> dict[str, str]:
        answer = await red(core)
        return answer if not parts or set(parts) & set(answer) else {}

    return await eventually(found)


async def turns_green(core: Core, clock: FakeClock) -> None:
    """Let time pass until nothing is red any more."""

    async def is_green() -> bool:
        clock.advance(1)
        return not await red(core)

    green: bool = await eventually(is_green)
    assert green


async def ask(core: Core, path: str) -> httpx.Response:
    app = Starlette(routes=health_routes(core.readiness))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://health.test") as client:
        return await client.get(path)


def connected(postgres: PostgresServer) -> psycopg.Connection | None:
    """Take a slot of the server, if a slot is free."""
    try:
        return psycopg.connect(postgres.url("postgres"))
    except psycopg.OperationalError:
        return None


def _delete(folder: Path) -> None:
    for file in folder.glob("vpsops.sqlite3*"):
        file.unlink()


@contextmanager
def locked(url: str, table: str, mode: str) -> Iterator[None]:
    """Let another program hold a lock that keeps changes from being stored."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
    else:
        with psycopg.connect(url) as other:
            other.execute(f"LOCK TABLE {table} IN {mode} MODE")
            yield
            other.rollback()


@pytest.mark.parametrize("front", ["worker", "mcp"])
async def test_a_process_that_works_is_ready_from_its_start_on(database_url: str, front: str) -> None:
    """One that only reads so far has no heart yet, and is ready too."""
    async with worker(database_url, front) as (core, clock):
        assert await red(core) == {}
        if front == "worker":
            await beat_for(core, clock, 40)
        assert await red(core) == {}
        for path in ("/livez", "/readyz", "/healthz"):
            answer = await ask(core, path)
            assert (answer.status_code, answer.json()) == (200, {"ok": True})


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.requirement("health-names-what-is-red")
@pytest.mark.parametrize(("table", "mode"), LOCKS)
@pytest.mark.parametrize("front", ["worker", "mcp"])
async def test_locked_tables_are_red_and_free_ones_green_again(
    database_url: str, table: str, mode: str, front: str
) -> None:
    """Nothing can be stored while another program holds a table, or the whole file."""
    if front == "mcp" and table == "processes":  # it has no heartbeat to store yet
        return
    async with worker(database_url, front) as (core, clock):
        with locked(database_url, table, mode):
            clock.advance(4)
            await turns_red(core, "heartbeat", "database")
            answer = await ask(core, "/readyz")
            assert answer.status_code == 503
            assert answer.json()["red"][0].keys() == {"part", "what"}
            assert (await ask(core, "/livez")).status_code == 200
        await turns_green(core, clock)


@pytest.mark.slow
@pytest.mark.real_time
async def test_no_heartbeat_is_told_with_for_how_long(database_url: str) -> None:
    """Others may have taken this process for dead: it would send nothing."""
    async with worker(database_url) as (core, clock):
        with locked(database_url, "processes", "ACCESS EXCLUSIVE"):
            clock.advance(3.4)
            assert "heartbeat" not in await red(core)
            clock.advance(0.2)
            assert (await red(core))["heartbeat"] == "no heartbeat was stored for 4 s"


@pytest.mark.slow
@pytest.mark.real_time
async def test_an_answer_comes_soon_however_the_database_is(database_url: str) -> None:
    """Ten probes that wait for a lock are one transaction, and each has its answer in about a second."""
    async with worker(database_url, "mcp") as (core, clock):
        with locked(database_url, "audit_head", "ACCESS EXCLUSIVE"):
            answers: list[dict[str, str]] = []

            async def probe() -> None:
                answers.append(await red(core))

            begun = VirtualClock().monotonic()
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(probe)
            assert VirtualClock().monotonic() - begun < 4.5  # a lock is waited for 5 s
            assert all("does not answer, or is locked" in answer["database"] for answer in answers)
            clock.advance(7)
            assert "for 7 s" in (await red(core))["database"]


@pytest.mark.requirement("health-names-what-is-red")
async def test_a_deleted_file_is_red_for_good(tmp_path: Path, database_url: str) -> None:
    """A restart alone mends it, so the process is not alive either."""
    if not database_url.startswith("sqlite"):
        return
    async with worker(database_url) as (core, _):
        _delete(tmp_path)
        for path in ("/livez", "/readyz", "/healthz"):
            answer = await ask(core, path)
            assert answer.status_code == 503
            assert [fault["part"] for fault in answer.json()["red"]] == ["database"]
        assert "until a restart" in answer.text


@pytest.mark.requirement("health-names-what-is-red")
async def test_damaged_pages_are_red(database_url: str) -> None:
    """A heartbeat may still be stored: it is the changes that cannot be read."""
    if not database_url.startswith("sqlite"):
        return
    path = database_url.removeprefix("sqlite:///")
    async with worker(database_url) as (core, clock):
        await beat_for(core, clock, 1)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(path, "r+b") as file:  # noqa: ASYNC230, PTH123 - a test's own
            size = os.fstat(file.fileno()).st_size
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        clock.advance(2)
        result = await turns_red(core)
        assert "damaged" in result["database"]


@pytest.mark.requirement("health-names-what-is-red")
async def test_a_full_disk_is_red(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detected by refused writes and by the free space: a heartbeat needs no space."""
    if not database_url.startswith("sqlite"):
        return

    def bound(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    async with worker(database_url) as (core, clock):
        await database_of(core).transact(bound)
        with pytest.raises(StorageError, match="disk full"):  # noqa: PT012 - one of many
            for number in range(10_000):
                text = "x" * 4000
                await database_of(core).transact(
                    lambda connection, text=text: chain.append(connection, 1.0, "noted", None, {"why": text})  # type: ignore[misc]
                )
                assert number < 9_000
        assert "disk full" in (await red(core))["database"]
        await beat_for(core, clock, 4)
        assert "database" not in await red(core)
        disk = os.statvfs("/")
        nothing = os.statvfs_result((disk.f_bsize, disk.f_frsize, disk.f_blocks, 0, 0, *tuple(disk)[5:]))
        monkeypatch.setattr(os, "statvfs", lambda _: nothing)
        assert await red(core) == {"disk": "the disk of the database is full: 0 KiB are left"}


@pytest.mark.requirement("health-names-what-is-red")
@pytest.mark.parametrize("how", ["hangs", "breaks"])
async def test_a_reconciler_that_makes_no_rounds_is_red(
    database_url: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Holds would not expire, and what a dead process left would not be taken up."""

    async def stuck(_: Reconciler) -> None:
        if how == "breaks":
            raise RuntimeError("boom")
        await anyio.sleep_forever()

    async with worker(database_url) as (core, clock):
        await beat_for(core, clock, 3)
        monkeypatch.setattr(Reconciler, "round", stuck)
        await beat_for(core, clock, 16)
        result = await red(core)
        assert set(result) == {"reconciler"}
        assert "it made no round for" in result["reconciler"]
        assert ("err_" in result["reconciler"]) is (how == "breaks")
        monkeypatch.undo()
        if how == "breaks":
            await beat_for(core, clock, 35)
            assert await red(core) == {}


async def test_a_task_that_is_needed_and_not_there_is_red(database_url: str) -> None:
    """What a front end needs beside the core, and what it reports itself."""
    async with worker(database_url) as (core, _):
        core.readiness.need("outbox")
        words = [""]
        core.readiness.add("slack_token", lambda: words[0])
        assert await red(core) == {"outbox": "it does not run"}
        words[0] = "Slack refuses the token (token_revoked)"
        assert await red(core) == {"outbox": "it does not run", "slack_token": words[0]}


async def test_other_tasks_that_break_are_named_and_not_red(database_url: str) -> None:
    """A list of cards that is not refreshed prevents no approval."""

    async def breaks() -> None:
        raise RuntimeError("boom")

    async with worker(database_url) as (core, clock), anyio.create_task_group() as group:
        core.supervisor.start("cards", breaks, group=group)

        def named() -> list[ReadinessFault]:
            clock.advance(0.5)
            return core.readiness.restarting()

        await eventually(named)
        await beat_for(core, clock, 1)
        answer = (await ask(core, "/readyz")).json()
        assert answer["ok"]
        assert answer["warnings"][0]["part"] == "cards"
        group.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.requirement("health-names-what-is-red")
async def test_without_a_connection_slot_it_is_red(postgres: PostgresServer) -> None:
    """Others took all slots while this process's connections were cut."""
    url = postgres.database()
    async with worker(url) as (core, clock):
        with ExitStack() as stack:
            control = stack.enter_context(psycopg.connect(url, autocommit=True))
            others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            for _ in range(3):  # it reconnects as long as there is a slot
                control.execute(f"SELECT pg_terminate_backend(pid) {others}")
                while (taken := connected(postgres)) is not None:
                    stack.enter_context(taken)
            clock.advance(4)
            assert "heartbeat" in await turns_red(core, "database")
        await turns_green(core, clock)


def test_what_is_served_is_a_list_of_parts() -> None:
    """For people who read it, and for programs."""
    assert answer_of([]) == {"ok": True}
    body = answer_of([ReadinessFault("disk", "full")], [ReadinessFault("cards", "broke")])
    assert body == {
        "ok": False,
        "red": [{"part": "disk", "what": "full"}],
        "warnings": [{"part": "cards", "what": "broke"}],
    }


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/readyz"),
        ("[::1]:9000", "http://[::1]:9000/readyz"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/readyz"),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000/readyz"),
        ("https://ops.example.com/livez", "https://ops.example.com/livez"),
    ],
)
def test_an_address_is_written_short_or_in_full(text: str, url: str) -> None:
    """Without a path it is readiness that is asked for."""
    assert health.address_from(text) == url


@pytest.mark.parametrize(
    "text", ["", "http://", "file:///etc/passwd", "ftp://host/x", "http://host:99999", "http://[x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """The error is a sentence with an example."""
    with pytest.raises(InvalidInputError, match="no address"):
        health.address_from(text)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"ok": true}', ""),
        (b'{"ok": false, "red": [{"part": "disk", "what": "full"}, {"part": "x", "what": "y"}]}', "disk: full\nx: y"),
        (b"", None),
        (b"<html>", None),
        (b"[]", None),
        (b'{"status": "UP"}', None),
        (b'{"ok": 1}', None),
        (b'{"ok": false, "red": 7}', None),
    ],
)
def test_an_answer_is_read_or_is_somebody_elses(body: bytes, words: str | None) -> None:
    """Another server at the address is not a ready vpsops."""
    assert health.words_of(body) == words
