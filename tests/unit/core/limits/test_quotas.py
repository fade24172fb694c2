"""What counts against the limits: creates that left, are unclear or just ended, and requests within the hour."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.fakes.clock import START, FakeClock
from tests.unit.core.sample import change, put
from vpsops.core.changes.model import Change, State
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.model import AccountSnapshot, Limits
from vpsops.core.limits.quotas import LimitReachedError, check_sending, check_stored
from vpsops.core.operations.target import Target
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import CHANGES

ONE = Limits(max_servers=1)
NONE_THERE = AccountSnapshot(())
NEW = change("create", State.APPROVED, id="chg_new", target=Target("", "new.example.com", plan="S"))
UNCLEAR = {"sending", "watching", "unknown", "needs_person"}
"""Written out: a sent create that is not known to have failed may be a server that costs money."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, FakeClock()) as opened:
        yield opened


async def refused(database: Database, work: Callable[[sa.Connection], None]) -> bool:
    """Return whether a limit was reached."""
    try:
        await database.transact(work)
    except LimitReachedError:
        return True
    return False


def create(state: State, hostname: str = "old.example.com", **more: object) -> Change:
    """Return a create that is stored already."""
    return replace(change("create", state), target=Target("", hostname, plan="S"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [state for state in State if state is not State.REQUESTED])
async def test_a_create_that_left_counts_when_another_is_about_to(database: Database, state: State) -> None:
    """Sending, watched, unclear and waiting for a person; what ended badly or only waits does not."""
    await database.transact(lambda connection: put(connection, create(state, updated_at=START - timedelta(days=1))))

    def work(connection: sa.Connection) -> None:
        put(connection, replace(NEW, state=State.SENDING))
        check_sending(connection, ONE, NEW, NONE_THERE, START)

    assert await refused(database, work) is (state.value in UNCLEAR)


@pytest.mark.parametrize("state", [State.HELD, State.APPROVED, *(State(item) for item in sorted(UNCLEAR))])
async def test_all_that_is_open_counts_when_another_is_stored(database: Database, state: State) -> None:
    """What waits for people may still come; also what holds its hostname no more."""
    await database.transact(lambda connection: put(connection, create(state)))

    def work(connection: sa.Connection) -> None:
        put(connection, NEW)
        check_stored(connection, ONE, NEW, NONE_THERE, START)

    assert await refused(database, work)
    free = sa.update(CHANGES).values(lock=None)
    await database.transact(lambda connection: connection.execute(free))
    assert await refused(database, work) is (state.value in UNCLEAR)


@pytest.mark.parametrize(("ago", "counts"), [(0, True), (599, True), (600, False), (601, False)])
async def test_a_server_that_was_just_made_counts_until_the_list_shows_it(
    database: Database, ago: int, *, counts: bool
) -> None:
    """Ten minutes; then a list without it is believed."""
    made = create(State.SUCCEEDED, updated_at=START - timedelta(seconds=ago), result={"id": "s9"})
    await database.transact(lambda connection: put(connection, made))

    def work(connection: sa.Connection) -> None:
        put(connection, replace(NEW, state=State.SENDING))
        check_sending(connection, ONE, NEW, NONE_THERE, START)

    assert await refused(database, work) is counts


async def test_only_what_makes_servers_counts_as_a_server(database: Database) -> None:
    """A stop under way is none."""
    await database.transact(lambda connection: put(connection, change("stop", State.SENDING)))

    def work(connection: sa.Connection) -> None:
        put(connection, replace(NEW, state=State.SENDING))
        check_sending(connection, ONE, NEW, NONE_THERE, START)

    assert not await refused(database, work)


async def test_what_makes_no_server_is_not_held_up_by_their_number(database: Database) -> None:
    """There are too many, and still one of them may be stopped."""
    await database.transact(lambda connection: put(connection, create(State.SENDING)))
    await database.transact(lambda connection: put(connection, create(State.SENDING, "b.example.com", id="chg_b")))
    stop = change("stop", id="chg_stop")

    def work(connection: sa.Connection) -> None:
        check_stored(connection, ONE, stop, NONE_THERE, START)
        check_sending(connection, ONE, stop, NONE_THERE, START)

    assert not await refused(database, work)


@pytest.mark.parametrize(("ago", "fits"), [(0, False), (3599, False), (3600, True), (3601, True)])
async def test_changes_are_counted_for_an_hour(database: Database, ago: int, *, fits: bool) -> None:
    """To the second, for one principal; another's do not count."""
    ben = Actor(ActorKind.PERSON, "U9", "ben", "U9")
    earlier = change(id="chg_0", created_at=START - timedelta(seconds=ago))
    other = replace(earlier, id="chg_9", actor=ben, created_at=START, target=Target("s9", "z"))
    now = change(id="chg_2", target=Target("s2", "b"))

    def work(connection: sa.Connection) -> None:
        for item in (earlier, other, now):
            put(connection, item)
        check_stored(connection, Limits(max_changes_per_hour=1), now, None, START)

    assert await refused(database, work) is not fits
