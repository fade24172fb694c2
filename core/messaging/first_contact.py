"""The first start of a bot: what was stored before there was a Slack workspace is history, not news."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.storage.tables import CHANGES, COPIES, INBOX, OPEN_STATES, OUTBOX, SWITCHES

NAME: Final = "first_contact"
"""The switch that is set by the first start of a bot, and never removed."""
RECENT_SECONDS: Final = timings.FIRST_CONTACT_SECONDS


def delete_history(connection: Connection, started: datetime) -> int:
    """Delete the messages that were stored before a bot's first start, and return how many.

    Kept are those of changes that are still open, for an hour: their cards show the present state and until when.
    The first start is stored with the deletion, so a later start deletes nothing, however little was posted between.
    Where anything was ever posted or received, Slack was there before, and nothing is deleted either.
    """
    if not _record(connection, started) or any(_has_rows(connection, table) for table in (COPIES, INBOX)):
        return 0
    still_open = sa.select(sa.literal("change:") + CHANGES.c.id).where(CHANGES.c.state.in_(OPEN_STATES))
    before = started.timestamp()
    kept = OUTBOX.c.topic.in_(still_open) & (OUTBOX.c.created_at >= before - RECENT_SECONDS)
    old = (OUTBOX.c.created_at < before) & (OUTBOX.c.state == "waiting") & OUTBOX.c.owner.is_(None) & ~kept
    return connection.execute(sa.delete(OUTBOX).where(old)).rowcount


def is_recorded(connection: Connection) -> bool:
    """Return whether a bot was ever started on this database."""
    query = sa.select(SWITCHES.c.name).where(SWITCHES.c.name == NAME)
    return connection.execute(query).first() is not None


def _record(connection: Connection, started: datetime) -> int:
    """Store the first start; return 1, or 0 where this or another process had stored one before."""
    if is_recorded(connection):
        return 0
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = insert(SWITCHES).values(name=NAME, value={}, by={}, at=started.timestamp())
    return connection.execute(row.on_conflict_do_nothing()).rowcount


def _has_rows(connection: Connection, table: sa.Table) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None
