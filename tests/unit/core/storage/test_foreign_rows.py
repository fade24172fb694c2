"""Rows of another version, edited or damaged ones: each hurts only itself, in every batch, and is named."""

import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tests.fakes.clock import START, FakeClock
from tests.unit.core.harness import AGENT, ALICE, VOTERS
from tests.unit.core.sample import change, damage, put
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.lists import with_unreadable
from vpsops.cli import changes as cli
from vpsops.core.audit import queries as audit_view
from vpsops.core.changes import queries, repository, serialization
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.changes.scope import UNRESTRICTED, ChangeQuery, Visibility
from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics.database import check_rows
from vpsops.core.diagnostics.unreadable_rows import unreadable_rows
from vpsops.core.execution import reconciler as keeper_module
from vpsops.core.execution.card_refresh import mine_to_refresh
from vpsops.core.execution.poller import watched
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.limits import quotas
from vpsops.core.limits.model import Limits
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.messaging import outbox, subscriptions
from vpsops.core.messaging.inbox import Inbox
from vpsops.core.messaging.outbox import Outbox
from vpsops.core.messaging.subscriptions import Subscription, SubscriptionEvent, Subscriptions
from vpsops.core.monitoring import change_feed
from vpsops.core.operations.target import Target
from vpsops.core.service.dashboard import Onlooker, overview_of
from vpsops.core.storage import Database, open_database, rows
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES, INBOX, OUTBOX, SUBSCRIPTIONS, VOTES
from vpsops.mcp_server.tools.change_tools import changes_page

BAD: Final = "chg_bad"
GOOD: Final = "chg_good"
JSON_COLUMNS: Final = ("arguments", "target", "actor", "origin", "ruling", "result")
FOREIGN: Final = [
    *((column, value) for column in JSON_COLUMNS for value in ("[]", "7", '"x"', "null")),
    ("target", '{"id": 7, "hostname": "web01"}'),
    ("target", '{"id": "s1"}'),
    ("actor", '{"kind": "committee", "id": "x", "name": "", "human": "", "aliases": [], "groups": []}'),
    ("actor", '{"kind": "agent", "id": "x", "name": "", "human": "", "aliases": [7], "groups": []}'),
    ("origin", "{}"),
    ("ruling", '{"decision": "quorum"}'),
]
NO_JSON: Final = [(column, "{") for column in JSON_COLUMNS]
"""What PostgreSQL would not store."""


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(database_url: str, clock: FakeClock) -> Any:
    async with open_database(database_url, clock) as opened:
        yield opened


def pair(state: State, **more: Any) -> Sequence[Change]:
    """Return two changes of which one will be made unreadable; the bad one is both the oldest and the newest."""
    bad = change(id=BAD, state=state, target=Target("s1", "web01.example.com"), created_at=START, **more)
    older = replace(
        bad, id=f"{BAD}_old", created_at=START - timedelta(days=1), target=Target("s3", "web03.example.com")
    )
    good = replace(bad, id=GOOD, created_at=START - timedelta(hours=1), target=Target("s2", "web02.example.com"))
    return (bad, older, good)


async def stored(database: Database, changes: Sequence[Change], column: str = "target", value: str = "[]") -> None:
    """Store changes, and make the bad ones unreadable."""

    def work(connection: Connection) -> None:
        for item in changes:
            put(connection, item)
            if item.id.startswith(BAD):
                damage(connection, "changes", "id", item.id, column, value)

    await database.transact(work)


def everything(connection: Connection) -> list[str]:
    return [item.id for item in repository.select(connection)]


@pytest.mark.requirement("unreadable-row-alone")
@pytest.mark.parametrize(("column", "value"), [*FOREIGN, *NO_JSON])
async def test_a_row_that_cannot_be_read_hides_no_other(database: Database, column: str, value: str) -> None:
    if (column, value) in NO_JSON and not database.sqlite:
        column, value = "target", "[]"
    await stored(database, pair(State.WATCHING), column, value)
    assert await database.read(everything) == [GOOD]
    with pytest.raises(UnreadableRowError) as caught:
        await database.read(lambda connection: repository.load(connection, BAD))
    assert BAD in caught.value.message
    named = await database.read(unreadable_rows)
    assert sorted(row.id for row in named if row.table == "changes") == [BAD, f"{BAD}_old"]


async def test_it_is_logged_once_with_its_id(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "logger", structlog.get_logger())  # one that no other test has used
    monkeypatch.setattr(rows, "_noted", set())
    await stored(database, pair(State.WATCHING))
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            await database.read(everything)
    events = [(item["event"], item["table"], item["id"], item["why"]) for item in logged]
    assert sorted(events) == [
        ("row_unreadable", "changes", name, "target is no object") for name in (BAD, f"{BAD}_old")
    ]


async def test_no_value_of_a_row_is_in_its_error(database: Database) -> None:
    await stored(database, pair(State.WATCHING), "actor", '{"kind": "s3cret-word"}')
    with pytest.raises(UnreadableRowError) as caught:
        await database.read(lambda connection: repository.load(connection, BAD))
    assert "s3cret-word" not in str(caught.value)


@given(
    extra=st.dictionaries(st.text(min_size=1, max_size=8), st.none() | st.integers() | st.text(max_size=5), max_size=4)
)
def test_keys_of_a_newer_version_are_tolerated(extra: dict[str, Any]) -> None:
    """All unknown keys but a kind of approvers: to leave one out would alter who may vote."""
    current = change()
    values = json.loads(json.dumps(serialization.change_values(current)))
    for column in ("target", "actor", "origin", "ruling"):
        values[column] = {**extra, **values[column]}
    assert serialization.change_of(values, ()) == current


async def test_an_unknown_kind_of_approvers_is_not_left_out(database: Database) -> None:
    ruling = json.dumps(
        {**serialization.change_values(change())["ruling"], "approvers": {"groups": ["S1"], "robots": ["R1"]}}
    )
    await stored(database, pair(State.HELD), "ruling", ruling)
    assert await database.read(everything) == [GOOD]


async def test_a_vote_that_cannot_be_read_makes_its_change_unreadable(database: Database) -> None:
    """An unreadable vote must not count as none."""

    def work(connection: Connection) -> None:
        for item in pair(State.HELD):
            put(connection, item)
            repository.add_vote(connection, item.id, Vote(VOTERS[0], Verdict.APPROVE, "", "", START))
        repository.add_vote(connection, BAD, Vote(VOTERS[1], Verdict.APPROVE, "", "", START))
        damage(connection, "votes", "change_id", f"{BAD}_old", "voter", "[]")
        connection.execute(sa.update(VOTES).where(VOTES.c.voter_id == VOTERS[1].id).values(verdict="maybe"))

    await database.transact(work)
    assert await database.read(everything) == [GOOD]
    assert len((await database.read(lambda connection: repository.load(connection, GOOD))).votes) == 1


@pytest.mark.parametrize("state", ["approved", "sending", "held"])
async def test_the_keeper_does_what_is_due_for_the_others(database: Database, clock: FakeClock, state: str) -> None:
    ran: list[str] = []
    process = Process(database, clock, "cli")
    await process.beat()
    keeper = Reconciler(database, clock, process, DEFAULT_TIMING, ran.append, frozenset, lambda _: None)
    await stored(database, pair(State(state), expires_at=START + timedelta(seconds=9)))
    clock.advance(10)
    await keeper.round()
    good = await database.read(lambda connection: repository.load(connection, GOOD))
    after = {"approved": ([GOOD], State.APPROVED), "sending": ([], State.UNKNOWN), "held": ([], State.EXPIRED)}
    assert (ran, good.state) == after[state]


async def test_a_step_that_breaks_keeps_no_other_from_its_own(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logged once, with an id, however often it breaks."""
    whole = repository.step

    def step(connection: Connection, current: Change, *args: Any, **more: Any) -> Change:
        if current.id == BAD:
            raise ZeroDivisionError
        return whole(connection, current, *args, **more)

    monkeypatch.setattr(repository, "step", step)
    monkeypatch.setattr(keeper_module, "logger", structlog.get_logger())
    keeper = Reconciler(
        database, clock, Process(database, clock, "cli"), DEFAULT_TIMING, lambda _: None, frozenset, lambda _: None
    )
    await stored(database, pair(State.SENDING)[2:])
    await database.transact(lambda connection: put(connection, pair(State.SENDING)[0]))
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            await keeper.round()
    assert [(item["change"], item["error_id"][:4]) for item in logged if item["event"] == "reconciler_step_failed"] == [
        (BAD, "err_")
    ]
    assert (await database.read(lambda connection: repository.load(connection, GOOD))).state is State.UNKNOWN


LISTS: Final[Sequence[Callable[[Connection], list[str]]]] = (
    lambda connection: [item.id for item in watched(connection)],
    lambda connection: [
        item.id for item in queries.select_page(connection, ChangeQuery(limit=9), UNRESTRICTED).changes
    ],
    lambda connection: [
        item.id for item in queries.select_page(connection, ChangeQuery(open_only=True, limit=1), UNRESTRICTED).changes
    ],
    lambda connection: [item.id for item in queries.select_by_ids(connection, [BAD, GOOD], UNRESTRICTED)],
    lambda connection: [
        item.id for item in queries.select_page(connection, ChangeQuery(limit=1), UNRESTRICTED).changes
    ],
    lambda connection: [subject for subject in audit_view.subjects(connection, {BAD, GOOD}) if subject == GOOD],
    lambda connection: [item.change for item in change_feed.after(connection, 0) if item.target],
)


@pytest.mark.requirement("unreadable-row-alone")
@pytest.mark.parametrize("value", ["[]", "{"])
@pytest.mark.parametrize("batch", LISTS)
async def test_every_list_has_the_others(
    database: Database, batch: Callable[[Connection], list[str]], value: str
) -> None:
    await stored(database, pair(State.WATCHING), value=value if database.sqlite else "[]")
    assert await database.read(batch) == [GOOD]


async def test_lists_name_what_they_leave_out(database: Database) -> None:
    await stored(database, pair(State.WATCHING))
    page = await database.read(lambda connection: queries.select_page(connection, ChangeQuery(), UNRESTRICTED))
    assert {row.id for row in page.unreadable} == {BAD, f"{BAD}_old"}


async def test_home_and_the_cards_have_the_others(database: Database, clock: FakeClock) -> None:
    await stored(database, pair(State.WATCHING, actor=ALICE))
    overview = await overview_of(database, Onlooker("", ALICE), clock.now())
    assert [item.id for item in overview.own] == [GOOD]
    due = CHANGES.c.id.in_(await mine_to_refresh(database, "me"))
    assert [item.id for item in await database.read(lambda connection: repository.select(connection, due))] == [GOOD]


@pytest.mark.parametrize("column", ["origin", "actor", "ruling"])
async def test_what_is_no_json_fails_no_query(database: Database, clock: FakeClock, column: str) -> None:
    """A condition on a text in it is not met; the others are evaluated as if it were absent."""
    own = Origin("slack", "T1", "C1")
    await stored(database, pair(State.HELD, actor=ALICE, origin=own, expires_at=START + timedelta(hours=1)))
    if database.sqlite:
        for ident in (BAD, f"{BAD}_old"):
            await database.transact(
                lambda connection: damage(connection, "changes", "id", ident, column, "{")  # noqa: B023 - run at once
            )
    overview = await overview_of(database, Onlooker("T1", ALICE, frozenset({"T1"})), clock.now())
    assert ([item.id for item in overview.own], [hold.id for hold in overview.holds]) == ([GOOD], [GOOD])
    query, of_team = ChangeQuery(open_only=True), Visibility(frozenset({"T1"}))
    page = await database.read(lambda connection: queries.select_page(connection, query, of_team))
    assert ([item.id for item in page.changes], page.unreadable) == ([GOOD], ())


async def test_a_server_is_ours_although_its_change_cannot_be_read(database: Database) -> None:
    """Its lock identifies the server: what happens to it is no drift."""
    await stored(database, pair(State.WATCHING))
    names = await database.read(lambda connection: repository.touched(connection, START, 60.0))
    assert {"s1", "s2", "s3", "web02.example.com"} <= names


async def test_limits_count_what_cannot_be_read_against_the_asker(database: Database) -> None:
    """Fail closed: it may be theirs."""
    await stored(database, pair(State.HELD, actor=Actor(ActorKind.PERSON, "U9")), "actor", "[]")
    asked, limits = change(actor=AGENT, id="chg_new", created_at=START), Limits(max_changes_per_hour=1)
    await database.transact(lambda connection: put(connection, replace(asked, target=Target("s9", "web09"))))
    with pytest.raises(LimitReachedError):
        await database.read(lambda connection: quotas.check_stored(connection, limits, asked, None, START))


async def test_a_server_with_an_unreadable_change_is_told_as_busy(database: Database) -> None:
    await stored(database, pair(State.HELD))
    with pytest.raises(UnreadableRowError):
        await database.read(lambda connection: repository.by_lock(connection, "server:s1"))


@pytest.mark.parametrize(("column", "value"), [("kind", "telegram"), ("payload", "[]"), ("payload", "{")])
async def test_a_message_that_cannot_be_read_holds_up_no_other(
    database: Database, clock: FakeClock, column: str, value: str
) -> None:
    box = Outbox(database, "me", clock)

    def work(connection: Connection) -> None:
        for topic in ("change:bad", "change:good"):
            outbox.put(connection, topic, "card", {"change": topic}, clock.now())
        ident = connection.scalar(sa.select(sa.func.min(OUTBOX.c.id)))
        if column == "kind":
            connection.execute(sa.update(OUTBOX).where(OUTBOX.c.id == ident).values(kind=value))
        else:
            text = value if database.sqlite else "[]"
            damage(connection, "outbox", "id", str(ident) if database.sqlite else ident, column, text)

    await database.transact(work)
    assert [item.topic for item in await box.claim()] == ["change:good"]
    assert [item.topic for item in await box.claim()] == []
    query = sa.select(OUTBOX.c.state, OUTBOX.c.owner).where(OUTBOX.c.topic == "change:bad")
    assert (await database.read(lambda connection: connection.execute(query).one())) == ("waiting", None)
    assert [row.table for row in await database.read(unreadable_rows)] == ["outbox"]


async def test_what_this_process_leaves_another_may_take(database: Database, clock: FakeClock) -> None:
    mine, other = Outbox(database, "me", clock), Outbox(database, "you", clock)
    await database.transact(lambda connection: outbox.put_card(connection, "chg_1", clock.now()))
    (message,) = await mine.claim()
    await mine.leave(message.topic, [message.id])
    assert await mine.claim() == []
    assert [item.id for item in await other.claim()] == [message.id]
    await other.retry([message.id], after=0.0, error="x")
    clock.advance(outbox.LEFT_SECONDS)
    assert [item.id for item in await mine.claim()] == [message.id]


@pytest.mark.parametrize(("kind", "payload"), [("telepathy", "{}"), ("command", "[]"), ("command", "{")])
async def test_a_delivery_that_cannot_be_read_holds_up_no_other(
    database: Database, clock: FakeClock, kind: str, payload: str
) -> None:
    inbox = Inbox(database, clock)
    await inbox.accept("bad", kind, {"text": "x"})
    clock.advance(1)
    await inbox.accept("good", "command", {"text": "x"})
    if payload != "{}":
        text = payload if database.sqlite else "[]"
        await database.transact(lambda connection: damage(connection, "inbox", "key", "bad", "payload", text))
    deliveries = await inbox.unfinished(older_than=0.0, kinds=("command", "click"))
    assert [item.key for item in deliveries] == ["good"]
    query = sa.select(INBOX.c.key).where(INBOX.c.done_at.is_(None))
    assert len(await database.read(lambda connection: connection.scalars(query).all())) == 2


async def test_a_subscription_that_cannot_be_read_silences_no_other(database: Database, clock: FakeClock) -> None:
    kept = Subscriptions(database, clock)
    for name in ("sub_bad", "sub_good"):
        await kept.add(Subscription(name, "T1", "C1", frozenset({SubscriptionEvent.DRIFT})), ALICE)
    text = "{" if database.sqlite else "[]"
    await database.transact(lambda connection: damage(connection, "subscriptions", "id", "sub_bad", "options", text))
    assert [item.id for item in await kept.all()] == ["sub_good"]
    assert await database.transact(lambda connection: subscriptions.forget_ended(connection, START.timestamp())) == 0
    query = sa.select(sa.func.count()).select_from(SUBSCRIPTIONS)
    assert await database.read(lambda connection: connection.scalar(query)) == 2
    assert [row.id for row in await database.read(unreadable_rows)] == ["sub_bad"]


async def test_each_front_end_shows_that_they_are_there(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    await stored(database, pair(State.WATCHING))
    await cli.list_changes(Namespace(open=False, limit=9, state="", server="", person="", operation=""), database)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [GOOD, BAD, f"{BAD}_old"]
    assert "cannot be read by this version (target is no object)" in lines[2]
    page = await database.read(lambda connection: queries.select_page(connection, ChangeQuery(), UNRESTRICTED))
    text, _ = changes_page(page, "")
    assert f"Cannot be read by this version of vpsops: {BAD}, {BAD}_old." in text
    post = with_unreadable(note("Changes"), [row.id for row in page.unreadable])
    assert BAD in post.text
    assert BAD in json.dumps(post.blocks[-1])
    (result,) = await check_rows(database, Settings())
    assert (result.level, BAD in result.what) == (Level.WARN, True)


async def test_unreadable_rows_take_nobodys_place(database: Database) -> None:
    """A page of readable ones is full although more than a page of others comes before them."""

    def work(connection: Connection) -> None:
        for number in range(30):
            ident = f"{BAD}_{number}" if number < 25 else f"{GOOD}_{number}"
            put(connection, change(id=ident, target=Target(f"s{number}", "web01.example.com")))
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id.startswith(BAD)).values(ruling={"decision": "quorum"}))

    await database.transact(work)
    results = await database.read(lambda connection: repository.select(connection, limit=4))
    assert [item.id for item in results] == [f"{GOOD}_{number}" for number in range(25, 29)]
