"""Find the rows that this version cannot read, in every table with decoded rows."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import State
from vpsops.core.common import stored_values
from vpsops.core.messaging import inbox, outbox, preferences, subscriptions
from vpsops.core.storage import rows
from vpsops.core.storage.rows import UnreadableRow
from vpsops.core.storage.tables import CHANGES, INBOX, OUTBOX, PREFERENCES, SUBSCRIPTIONS, SWITCHES

MOST: Final = 1000


def unreadable_rows(connection: Connection) -> list[UnreadableRow]:
    """Return what still matters and cannot be read: open changes, what waits in and out, what people chose."""
    return [row for find in TABLES for row in find(connection)]


def _changes(connection: Connection) -> list[UnreadableRow]:
    ended = [state.value for state in State if state.final]
    return repository.batch(connection, CHANGES.c.state.not_in(ended), limit=MOST).unreadable


def _messages(connection: Connection) -> list[UnreadableRow]:
    waiting = sa.select(OUTBOX).where(OUTBOX.c.state == "waiting").order_by(OUTBOX.c.id)
    return rows.read(connection, waiting, OUTBOX.c.id, outbox.message_of, MOST).unreadable


def _deliveries(connection: Connection) -> list[UnreadableRow]:
    unfinished = sa.select(INBOX).where(INBOX.c.done_at.is_(None)).order_by(INBOX.c.received_at)
    return rows.read(connection, unfinished, INBOX.c.key, inbox.delivery_of, MOST).unreadable


def _subscriptions(connection: Connection) -> list[UnreadableRow]:
    return rows.read(connection, sa.select(SUBSCRIPTIONS), SUBSCRIPTIONS.c.id, subscriptions.subscription_of).unreadable


def _preferences(connection: Connection) -> list[UnreadableRow]:
    return rows.read(connection, sa.select(PREFERENCES), PREFERENCES.c.person, preferences.stored_of).unreadable


def _switches(connection: Connection) -> list[UnreadableRow]:
    return rows.read(connection, sa.select(SWITCHES), SWITCHES.c.name, _object).unreadable


def _object(row: sa.RowMapping) -> None:
    if not isinstance(row["value"], dict):
        raise stored_values.UnreadableValueError("value is no object")


TABLES: Final[tuple[Callable[[Connection], list[UnreadableRow]], ...]] = (
    _changes,
    _messages,
    _deliveries,
    _subscriptions,
    _preferences,
    _switches,
)
