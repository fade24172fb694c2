"""The provider's requests to wait (429 with Retry-After), each for what it concerns; every process keeps to them.

A 429 does not show whether a server, a kind of call or the whole account is limited. So it holds back the server that
it was about, or all creates; one that comes from elsewhere while another is in force, or soon after, widens to all
writes, for no longer than both asked for. Times are UTC: a wish may outlast a boot, and a date that is set costs at
most one more 429.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.changes.model import Change
from vpsops.core.common.timings import HOLD_OFF_LONGEST_SECONDS, HOLD_OFF_RELATED_SECONDS
from vpsops.core.operations.traits import makes_server
from vpsops.core.storage.tables import HOLD_OFFS

ALL_WRITES: Final = "all"
CREATES: Final = "create"


@dataclass(frozen=True, slots=True)
class HoldOff:
    """A wish to wait: its scope, its time, and its end; both in UTC seconds."""

    scope: str
    asked_at: float
    until: float

    def is_in_force(self, now: float) -> bool:
        """Return whether it holds writes back.

        One that was requested long after `now` is from before a date was set.
        """
        return self.asked_at - HOLD_OFF_LONGEST_SECONDS <= now < self.until

    @property
    def what(self) -> str:
        """The scope that is held back, for people."""
        return {ALL_WRITES: "all changes", CREATES: "new servers"}.get(self.scope, "this server")


class HeldOffError(Exception):
    """The provider asked to wait with a write; nothing was sent."""

    def __init__(self, wish: HoldOff) -> None:
        super().__init__(wish.scope)
        self.wish = wish


def scope_of(change: Change) -> str:
    """Return the scope that a 429 to this change's write concerns at first."""
    return CREATES if makes_server(change.operation) else change.target.key


def widened(known: Sequence[HoldOff], newest: HoldOff) -> HoldOff | None:
    """Return the wish of the whole account that follows from a new one, or None where it stays that of its target."""
    oldest = newest.asked_at - HOLD_OFF_RELATED_SECONDS
    others = (wish for wish in known if wish.scope != newest.scope)
    related = [wish for wish in others if wish.asked_at <= newest.asked_at and wish.until > oldest]
    if not related:
        return None
    longest = max(wish.until - wish.asked_at for wish in related)
    return HoldOff(ALL_WRITES, newest.asked_at, min(newest.until, newest.asked_at + longest))


def hold_off(connection: Connection, change: Change, now: float, seconds: float) -> HoldOff:
    """Store a wish to wait, and return its meaning for the change that met it."""
    newest = HoldOff(scope_of(change), now, now + min(seconds, HOLD_OFF_LONGEST_SECONDS))
    _lock(connection)
    unrelated = HOLD_OFFS.c.until < now - HOLD_OFF_RELATED_SECONDS
    connection.execute(sa.delete(HOLD_OFFS).where(HOLD_OFFS.c.scope != ALL_WRITES, unrelated))
    wider = widened(_read(connection), newest)
    for wish in (newest, wider):
        if wish is not None:
            _put(connection, wish)
    return wider if wider is not None and wider.until > newest.until else newest


def check_wishes(connection: Connection, change: Change, now: datetime) -> None:
    """Raise `HeldOffError` with the longest of the wishes that hold a change back."""
    wishes = [wish for wish in _read(connection, ALL_WRITES, scope_of(change)) if wish.is_in_force(now.timestamp())]
    if wishes:
        raise HeldOffError(max(wishes, key=lambda wish: wish.until))


def all_in_force(connection: Connection, now: float) -> list[HoldOff]:
    """Return every wish that holds writes back, the longest last."""
    return sorted((wish for wish in _read(connection) if wish.is_in_force(now)), key=lambda wish: wish.until)


def _read(connection: Connection, *scopes: str) -> list[HoldOff]:
    query = sa.select(HOLD_OFFS).where(HOLD_OFFS.c.scope.in_(scopes)) if scopes else sa.select(HOLD_OFFS)
    return [HoldOff(row.scope, row.asked_at, row.until) for row in connection.execute(query)]


def _lock(connection: Connection) -> None:
    """Serialise two answers that arrive at once: both lock the wish that may become theirs."""
    free = _insert(connection, HoldOff(ALL_WRITES, 0.0, 0.0)).on_conflict_do_nothing()
    connection.execute(free)
    connection.execute(sa.select(HOLD_OFFS.c.scope).where(HOLD_OFFS.c.scope == ALL_WRITES).with_for_update())


def _insert(connection: Connection, wish: HoldOff) -> sqlite.Insert | postgresql.Insert:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(HOLD_OFFS).values(scope=wish.scope, asked_at=wish.asked_at, until=wish.until)


def _put(connection: Connection, wish: HoldOff) -> None:
    """Store a wish; a shorter one that comes later does not end the wait earlier, unless the date was set back."""
    insert = _insert(connection, wish)
    shorter = (HOLD_OFFS.c.until < wish.until) | (HOLD_OFFS.c.until > wish.asked_at + HOLD_OFF_LONGEST_SECONDS)
    update = {"asked_at": insert.excluded.asked_at, "until": insert.excluded.until}
    connection.execute(insert.on_conflict_do_update(index_elements=["scope"], set_=update, where=shorter))
