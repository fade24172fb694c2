"""Changes and the trail, page by page: every record once, in order, for any reader and any filter."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.unit.core.sample import change, put
from vpsops.core.audit import chain, pages
from vpsops.core.audit.queries import RecordFilter
from vpsops.core.changes import queries
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import UNRESTRICTED, ChangePosition, ChangeQuery, ServerFilter, Visibility, position_from
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.storage import Database

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
HERS = Actor(ActorKind.AGENT, "mcp:x", "x", "u0alice")
BOB = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB")


def one(number: int, hostname: str = "web01.example.com", actor: Actor = BOB, state: State = State.HELD) -> Change:
    at = START + timedelta(seconds=number // 2)  # two of each second: ids decide
    target = Target(f"srv-{number}", hostname)
    return change(id=f"chg_{number:03}", created_at=at, updated_at=at, target=target, actor=actor, state=state)


@pytest.fixture
async def stored(database: Database) -> Database:
    changes = [
        one(1, "web1.example.com", ALICE),
        one(2, "web10.example.com", HERS),
        one(3, "web11.example.com", BOB, State.FAILED),
        one(4, "db01.example.com", BOB),
        one(5, "DB%.example.com", BOB),
    ]

    def work(connection: Connection) -> None:
        for each in changes:
            put(connection, each)

    await database.transact(work)
    return database


async def ids(database: Database, expected: ChangeQuery, limit: int = 10) -> list[str]:
    query = replace(expected, limit=limit)
    page = await database.read(lambda connection: queries.select_page(connection, query, UNRESTRICTED))
    return [each.id.removeprefix("chg_00") for each in page.changes]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ChangeQuery(), "4 5 2 3 1"),
        (ChangeQuery(open_only=True), "4 5 2 1"),
        (ChangeQuery(person="U0ALICE"), "2 1"),
        (ChangeQuery(server="WEB1"), "1"),
        (ChangeQuery(server="web1.example.com"), "1"),
        (ChangeQuery(server="web"), "2 3 1"),
        (ChangeQuery(server="srv-4"), "4"),
        (ChangeQuery(server="db%"), "5"),
        (ChangeQuery(server="%"), ""),
        (ChangeQuery(since=START + timedelta(seconds=2)), "4 5"),
        (ChangeQuery(after=ChangePosition((START + timedelta(seconds=2)).timestamp(), "chg_005")), "2 3 1"),
        (ChangeQuery(states=(State.FAILED,)), "3"),
        (ChangeQuery(operation="stop"), "4 5 2 3 1"),
        (ChangeQuery(operation="start"), ""),
        (ChangeQuery(server="web1", person="U0ALICE"), "1"),
        (ChangeQuery(server="web", person="U0BOB"), "3"),
    ],
)
async def test_what_is_asked_for_is_listed_newest_first(stored: Database, query: ChangeQuery, expected: str) -> None:
    """Filters: open, by person with their agents, by server (exact name before prefix), recent."""
    assert await ids(stored, query) == expected.split()


async def test_pages_of_one_make_the_whole_list(stored: Database) -> None:
    """Turning the page leaves none out, also among changes of the same second."""
    seen: list[str] = []
    query = ChangeQuery(limit=1)
    while True:
        page = await stored.read(partial(queries.select_page, query=query, visibility=UNRESTRICTED))
        seen += [change.id.removeprefix("chg_00") for change in page.changes]
        if page.next is None:
            break
        query = replace(query, after=position_from(page.next.cursor))
    assert seen == ["4", "5", "2", "3", "1"]


async def test_filters_by_person_and_server_combine_in_the_database(stored: Database) -> None:
    """A change is found although many newer ones of its person are about other servers."""

    def work(connection: Connection) -> None:
        for number in range(10, 40):
            put(connection, one(number, f"db{number}.example.com", ALICE))

    await stored.transact(work)
    assert await ids(stored, ChangeQuery(server="web1", person="U0ALICE"), limit=5) == ["1"]


async def test_what_is_out_of_sight_neither_is_listed_nor_decides_what_a_name_means(stored: Database) -> None:
    """A hidden server of exactly this name leaves the word the beginning of the names that are visible."""
    visible = Visibility(servers=ServerFilter((ServerPatterns.of(["web10", "web11"]),)))
    page = await stored.read(partial(queries.select_page, query=ChangeQuery(server="web1"), visibility=visible))
    assert [change.target.hostname for change in page.changes] == ["web10.example.com", "web11.example.com"]


async def test_changes_are_counted_by_their_state(stored: Database) -> None:
    """Only those that moved since."""
    since = ChangeQuery(since=START + timedelta(seconds=1))
    counted = await stored.read(lambda connection: queries.count_by_state(connection, since, UNRESTRICTED))
    assert counted == {State.HELD: 3, State.FAILED: 1}


async def write_trail(database: Database, count: int) -> None:
    def work(connection: Connection) -> None:
        for number in range(1, count + 1):
            name = "db01.example.com" if number % 7 == 0 else "web01.example.com"
            body = {"by": {"id": "U0BOB"}, "target": {"id": f"s{number}", "hostname": name}}
            chain.append(connection, float(number), "drift", None, body)

    await database.transact(work)


async def test_the_trail_is_turned_over_without_a_gap(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, across batches, with and without a filter, each record once."""
    monkeypatch.setattr(pages, "BATCH", 10)
    monkeypatch.setattr(pages, "LOOKED_THROUGH", 30)
    await write_trail(database, 100)
    for query, expected in (
        (RecordFilter(), list(range(100, 0, -1))),
        (RecordFilter(server="db01"), list(range(98, 0, -7))),
        (RecordFilter(person="unknown"), []),
    ):
        seen: list[int] = []
        before: int | None = None
        for _ in range(60):
            page = await database.read(partial(pages.page, record_filter=query, before=before, limit=3))
            seen += [record.seq for record in page.records]
            before = page.before
            if before is None:
                break
        assert (seen, before) == (expected, None)


async def test_one_look_at_the_trail_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that matches nothing ends after a bounded number of records and returns where to continue."""
    monkeypatch.setattr(pages, "BATCH", 10)
    monkeypatch.setattr(pages, "LOOKED_THROUGH", 30)
    await write_trail(database, 100)
    page = await database.read(lambda connection: pages.page(connection, RecordFilter(person="unknown"), None, 3))
    assert (page.records, page.before) == ((), 71)
