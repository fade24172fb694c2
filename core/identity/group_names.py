"""What Slack calls its user groups, as a bot read it last, for front ends that have no access to Slack.

Nothing is decided by these: a rule names a group by its id.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common.clock import Clock
from vpsops.core.common.redaction import Redactor
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import SWITCHES

NAME: Final = "group_names"
"""The row of the table of switches that holds them: handles by the groups' ids."""
MOST: Final = 500
LONGEST: Final = 80


class GroupNames:
    """Keeps the handles of groups; one process writes each of them once."""

    def __init__(self, database: Database, clock: Clock, redactor: Redactor) -> None:
        self._database = database
        self._clock = clock
        self._redactor = redactor
        self._known: dict[str, str] = {}

    async def learn(self, handles: Mapping[str, str]) -> None:
        """Store what Slack calls groups; raises `StorageError`."""
        named = {group: self._redactor.line(handle, LONGEST) for group, handle in handles.items() if handle}
        new = {group: handle for group, handle in named.items() if handle and self._known.get(group) != handle}
        if new:
            now = self._clock.now()
            await self._database.transact(lambda connection: write(connection, new, now), durable=False, wake=False)
            self._known |= new


def read(connection: Connection, groups: Collection[str]) -> Mapping[str, str]:
    """Return the handles of these groups, as far as they are known."""
    stored = connection.execute(sa.select(SWITCHES.c.value).where(SWITCHES.c.name == NAME)).scalar()
    known = stored if isinstance(stored, dict) else {}
    return {group: known[group] for group in groups if isinstance(known.get(group), str) and known[group]}


def write(connection: Connection, handles: Mapping[str, str], now: datetime) -> None:
    """Store handles beside those of before; of too many the oldest are forgotten."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    empty = insert(SWITCHES).values(name=NAME, value={}, by={}, at=0.0)
    connection.execute(empty.on_conflict_do_nothing())
    row = sa.select(SWITCHES.c.value).where(SWITCHES.c.name == NAME).with_for_update()
    stored = connection.execute(row).scalar()
    before = stored if isinstance(stored, dict) else {}
    kept = {group: handle for group, handle in before.items() if group not in handles}
    value = dict([*kept.items(), *handles.items()][-MOST:])
    values = {"value": value, "by": {}, "at": now.timestamp()}
    connection.execute(sa.update(SWITCHES).where(SWITCHES.c.name == NAME).values(**values))
