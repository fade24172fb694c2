"""What a 429 concerns: its own server at first, all writes once a second one comes from elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from tests.harness.profiles import examples
from tests.unit.core.sample import change as made
from vpsops.core.authorization.hold_offs import (
    ALL_WRITES,
    HeldOffError,
    HoldOff,
    all_in_force,
    check_wishes,
    hold_off,
    scope_of,
    widened,
)
from vpsops.core.changes.model import Change
from vpsops.core.common.timings import HOLD_OFF_LONGEST_SECONDS, HOLD_OFF_RELATED_SECONDS
from vpsops.core.execution.deferral import clock_time
from vpsops.core.storage.tables import HOLD_OFFS, METADATA

NOW = 1_800_000_000.0
WEB = made("stop")
DB = replace(WEB, target=replace(WEB.target, id="s-db", hostname="db.example.com"))
NEW = made("create")


@contextmanager
def table() -> Iterator[Connection]:
    """Give a database in memory, for the arithmetic alone."""
    engine = sa.create_engine("sqlite://")
    METADATA.create_all(engine)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def held_for(connection: Connection, change: Change, now: float) -> float:
    """Return the seconds for which a change is held back."""
    try:
        check_wishes(connection, change, datetime.fromtimestamp(now, UTC))
    except HeldOffError as error:
        return round(error.wish.until - now, 3)
    return 0.0


def test_a_429_holds_back_its_own_server_alone() -> None:
    """One server's wish applies to no other, however long it is; a create's applies to all creates."""
    with table() as connection:
        hold_off(connection, WEB, NOW, 900.0)
        assert [held_for(connection, entry, NOW + 1) for entry in (WEB, DB, NEW)] == [899.0, 0.0, 0.0]
        assert held_for(connection, WEB, NOW + 900) == 0.0
    with table() as connection:
        hold_off(connection, NEW, NOW, 30.0)
        other = replace(NEW, target=replace(NEW.target, hostname="another.example.com"))
        assert [held_for(connection, entry, NOW) for entry in (NEW, other, WEB)] == [30.0, 30.0, 0.0]


@pytest.mark.parametrize(
    ("after", "first", "second", "all_held"),
    [
        (0.0, 120.0, 120.0, 120.0),  # two answers at once
        (30.0, 120.0, 90.0, 90.0),  # the same end, stated twice
        (30.0, 3600.0, 5.0, 5.0),  # no longer than both asked for
        (90.0, 5.0, 200.0, 0.0),  # the first is over for more than a minute: they have nothing to do with each other
        (64.0, 5.0, 200.0, 5.0),  # over for less
    ],
)
def test_a_second_429_from_elsewhere_widens(after: float, first: float, second: float, all_held: float) -> None:
    """To all writes, for what both asked for; each one's own server keeps its own wish."""
    third = replace(WEB, target=replace(WEB.target, id="s-mail"))
    with table() as connection:
        hold_off(connection, WEB, NOW, first)
        newest = hold_off(connection, DB, NOW + after, second)
        assert newest.until == NOW + after + second
        assert held_for(connection, third, NOW + after) == all_held
        assert held_for(connection, DB, NOW + after) == second
        assert held_for(connection, WEB, NOW + after) == max(first - after, all_held)


def test_the_same_server_again_widens_nothing() -> None:
    """Three 429 of one server are that server's limit."""
    with table() as connection:
        for at in (0.0, 12.0, 24.0):
            hold_off(connection, WEB, NOW + at, 10.0)
        assert held_for(connection, DB, NOW + 24) == 0.0


def test_after_a_wish_about_all_writes_one_answer_is_enough() -> None:
    """The limit is known to be the account's: the next round takes one answer."""
    with table() as connection:
        hold_off(connection, WEB, NOW, 60.0)
        hold_off(connection, DB, NOW, 60.0)
        third = replace(WEB, target=replace(WEB.target, id="s-mail"))
        hold_off(connection, third, NOW + 61, 60.0)
        assert held_for(connection, NEW, NOW + 61) == 60.0


def test_the_longest_of_several_wishes_counts() -> None:
    """A later, shorter wish does not end the hold earlier."""
    with table() as connection:
        hold_off(connection, WEB, NOW, 30.0)
        hold_off(connection, WEB, NOW + 1, 5.0)
        assert held_for(connection, WEB, NOW + 1) == 29.0


def test_an_absurd_wish_is_capped_and_a_date_that_is_set_back_ends_it() -> None:
    """After an hour one write is sent to see; a wish from a future that is gone holds nothing back."""
    with table() as connection:
        hold_off(connection, WEB, NOW, 366 * 86400.0)
        assert held_for(connection, WEB, NOW) == HOLD_OFF_LONGEST_SECONDS
        earlier = NOW - 2 * HOLD_OFF_LONGEST_SECONDS
        assert held_for(connection, WEB, earlier) == 0.0
        hold_off(connection, WEB, earlier, 30.0)
        assert held_for(connection, WEB, earlier) == 30.0


def test_what_is_long_over_is_deleted() -> None:
    """The table holds current and very recent wishes, and no row for each server that ever was."""
    with table() as connection:
        hold_off(connection, WEB, NOW, 30.0)
        assert all_in_force(connection, NOW + 1) == [HoldOff(scope_of(WEB), NOW, NOW + 30.0)]
        hold_off(connection, DB, NOW + 30 + HOLD_OFF_RELATED_SECONDS + 1, 30.0)
        assert set(connection.scalars(sa.select(HOLD_OFFS.c.scope))) == {ALL_WRITES, scope_of(DB)}


WISHES = st.lists(
    st.builds(
        lambda scope, asked, seconds: HoldOff(scope, NOW + asked, NOW + asked + seconds),
        st.sampled_from(["server:a", "server:b", "create", ALL_WRITES]),
        st.floats(-4000, 0),
        st.floats(0.1, HOLD_OFF_LONGEST_SECONDS),
    ),
    max_size=6,
)


@settings(max_examples=examples(40))
@given(WISHES, st.floats(0.1, HOLD_OFF_LONGEST_SECONDS))
def test_a_wish_about_all_writes_is_never_longer_than_asked(known: list[HoldOff], seconds: float) -> None:
    """It is no longer than the answer that widens it, nor than the longest wish it is combined with."""
    newest = HoldOff("server:a", NOW, NOW + seconds)
    wider = widened(known, newest)
    others = [wish.until - wish.asked_at for wish in known if wish.scope != newest.scope]
    assert wider is None or (others and newest.until >= wider.until > NOW and wider.until - NOW <= max(others) + 1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "12:00:11 UTC"), (100, "12:01:50 UTC"), (300, "12:06 UTC"), (3600, "13:01 UTC")]
)
def test_a_moment_is_shown_no_earlier_than_it_is(seconds: float, text: str) -> None:
    now = datetime(2026, 11, 28, 12, 0, 10, tzinfo=UTC)
    assert clock_time((now + timedelta(seconds=seconds)).timestamp(), now) == text
