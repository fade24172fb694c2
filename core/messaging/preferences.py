"""Each person's own settings: which direct messages they want. Without any the defaults hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common.clock import Clock
from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.storage import rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import PREFERENCES


@dataclass(frozen=True, slots=True)
class Preferences:
    """One person's settings; the defaults hold for those who never set any."""

    dm_settled: bool = True  # a direct message when a change of theirs has ended
    dm_reminders: bool = True  # a direct message when a change still waits for their vote

    @classmethod
    def of(cls, value: Json) -> Self:
        """Read stored settings; unreadable or unknown ones count as never set."""
        stored: Mapping[str, Json] = value if isinstance(value, dict) else {}
        return cls(**{name: stored[name] for name in NAMES if isinstance(stored.get(name), bool)})


NAMES = tuple(field.name for field in fields(Preferences))


class PreferenceStore:
    """Reads and sets people's settings."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, team: str, person: str) -> Preferences:
        """Return a person's settings, or the defaults; raises `StorageError`."""
        return await preferences_of(self._database, team, person)

    async def set(self, person: tuple[str, str], **changed: bool) -> Preferences:
        """Set some settings of a `person` = (team, user); return all of them. Raises `StorageError`."""
        return await set_preferences(self._database, self._clock, person, **changed)


async def preferences_of(database: Database, team: str, person: str) -> Preferences:
    """Return a person's settings, or the defaults; raises `StorageError`."""
    return await database.read(lambda connection: read(connection, team, person))


def read(connection: Connection, team: str, person: str, *, lock: bool = False) -> Preferences:
    """Return a person's settings, in the caller's transaction; with `lock` they stay so until that ends."""
    return Preferences.of(_stored(connection, team, person, lock=lock))


def stored_of(row: sa.RowMapping) -> dict[str, Json]:
    """Return the settings of a row; raises `UnreadableValueError`."""
    value = row["value"]
    if not isinstance(value, dict):
        raise UnreadableValueError("value is no object")
    return value


def _stored(connection: Connection, team: str, person: str, *, lock: bool) -> dict[str, Json]:
    """Return a person's row; one that cannot be read counts as never set."""
    query = sa.select(PREFERENCES).where(_of(team, person))
    if lock:
        query = query.with_for_update()
    stored_rows = rows.read(connection, query, PREFERENCES.c.person, stored_of).rows
    return stored_rows[0] if stored_rows else {}


async def set_preferences(database: Database, clock: Clock, owner: tuple[str, str], **changed: bool) -> Preferences:
    """Set some of a person's settings, named by `owner` = (team, person); return all of them.

    Two at once both hold. Raises `TypeError` for an unknown setting, `StorageError`.
    """
    now = clock.now().timestamp()
    insert = sqlite.insert if database.sqlite else postgresql.insert

    def work(connection: Connection) -> Preferences:
        team, person = owner
        first = insert(PREFERENCES).values(team=team, person=person, value={}, at=now)
        connection.execute(first.on_conflict_do_nothing())
        stored = _stored(connection, team, person, lock=True)
        updated = replace(Preferences.of(stored), **changed)
        value = {**stored, **asdict(updated)}  # keep the settings of newer versions
        connection.execute(sa.update(PREFERENCES).where(_of(team, person)).values(value=value, at=now))
        return updated

    return await database.transact(work)


def _of(team: str, person: str) -> sa.ColumnElement[bool]:
    return sa.and_(PREFERENCES.c.team == team, PREFERENCES.c.person == person)
