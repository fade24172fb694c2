"""Deliveries from Slack: stored once before they are acknowledged, so that none is lost or done twice.

Deliveries that arrive, or are finished, while a transaction runs go into the next one together: a transaction
costs several times what a row in it does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError

from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.single_flight import Batcher
from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.storage import rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import INBOX

UNFINISHED: Final = 1000
MOST: Final = 128
"""Rows of one transaction: other writers wait for it no longer than a few milliseconds."""


@dataclass(frozen=True, slots=True)
class InboxDelivery:
    """One command, click, submission or event, by the key that is the same on every redelivery."""

    key: str
    kind: str
    payload: Mapping[str, Json]
    received_at: datetime
    """Its arrival, however long it has been processed since."""


@dataclass(frozen=True, slots=True)
class _FinishedDelivery:
    key: str
    at: float


class Inbox:
    """The stored deliveries, and which of them are not finished."""

    def __init__(self, database: Database, clock: Clock, redactor: Redactor | None = None) -> None:
        self._redactor = redactor or Redactor()
        self._database = database
        self._clock = clock
        self._writes: Batcher[InboxDelivery | _FinishedDelivery, bool] = Batcher(self._write, MOST)
        self._insert = _unless_there(database.sqlite)

    async def accept(self, key: str, kind: str, payload: Mapping[str, Json]) -> InboxDelivery | None:
        """Store a delivery and return it as it is stored; None when it was here before. Raises `StorageError`."""
        delivery = InboxDelivery(key, kind, self._redactor.payload(payload), self._clock.now())
        return delivery if await self._writes.ask(delivery) else None

    async def done(self, key: str) -> None:
        """Mark a delivery as processed; its key is remembered for a week, its payload is not."""
        await self._writes.ask(_FinishedDelivery(key, self._clock.now().timestamp()))

    async def keep(self, keys: Collection[str], seconds: float) -> None:
        """Let deliveries count as that much younger: they are in progress, not left behind by a process that ended."""
        kept = [{"kept_key": key, "more": seconds} for key in keys]
        if kept:
            await self._database.transact(lambda connection: connection.execute(KEEP, kept), durable=False, wake=False)

    async def _write(self, items: Sequence[InboxDelivery | _FinishedDelivery]) -> list[bool | Exception]:
        """Write all in one transaction; where a row cannot be written, each alone, so that it fails alone."""
        try:
            return list(await self._transact(items))
        except Exception as error:
            if len(items) == 1 or not _a_rows(error):
                raise
        return [await self._alone(item) for item in items]

    async def _alone(self, item: InboxDelivery | _FinishedDelivery) -> bool | Exception:
        try:
            return (await self._transact([item]))[0]
        except Exception as error:  # noqa: BLE001 - handed to the caller
            return error

    async def _transact(self, items: Sequence[InboxDelivery | _FinishedDelivery]) -> Sequence[bool]:
        """Commit so that a power cut takes back no delivery, which is acknowledged next; an end may be done again."""
        durable = any(isinstance(item, InboxDelivery) for item in items)
        return await self._database.transact(
            lambda connection: self._store(connection, items), durable=durable, wake=False
        )

    def _store(self, connection: Connection, items: Sequence[InboxDelivery | _FinishedDelivery]) -> list[bool]:
        new: dict[str, InboxDelivery] = {}
        for item in items:
            if isinstance(item, InboxDelivery):
                new.setdefault(item.key, item)
        stored = self._insert_all(connection, list(new.values()))
        ends = [{"done_key": item.key, "at": item.at} for item in items if isinstance(item, _FinishedDelivery)]
        if ends:
            connection.execute(FINISH, ends)
        return [isinstance(item, InboxDelivery) and item.key in stored and new[item.key] is item for item in items]

    def _insert_all(self, connection: Connection, deliveries: Sequence[InboxDelivery]) -> set[str]:
        """Insert those with a new key, and return their keys."""
        if not deliveries:
            return set()
        new = [_row(delivery) for delivery in deliveries]
        return set(connection.scalars(self._insert, new if len(new) > 1 else new[0]))

    async def unfinished(
        self, *, older_than: float, kinds: Collection[str] = (), along: bool = False
    ) -> list[InboxDelivery]:
        """Return deliveries accepted over `older_than` seconds ago and never finished, oldest first.

        With `kinds` only those; what cannot be read is left to a process that can. With `along` a heartbeat reads them.
        """
        before = self._clock.now().timestamp() - older_than
        where = [INBOX.c.done_at.is_(None), INBOX.c.received_at <= before]
        where += [INBOX.c.kind.in_(kinds)] if kinds else []
        query = sa.select(INBOX).where(*where).order_by(INBOX.c.received_at)
        read = self._database.read_along if along else self._database.read
        deliveries = await read(lambda connection: rows.read(connection, query, INBOX.c.key, delivery_of, UNFINISHED))
        return deliveries.rows


def delivery_of(row: sa.RowMapping) -> InboxDelivery:
    """Return the delivery a row holds; raises `UnreadableValueError`.

    `received_at` moves while a process has it in hand, and what an older version stored has no other time.
    """
    if not isinstance(row["payload"], dict):
        raise UnreadableValueError("payload is no object")
    at = row["received_at"] if row["arrived_at"] is None else row["arrived_at"]
    return InboxDelivery(row["key"], row["kind"], row["payload"], datetime.fromtimestamp(at, UTC))


FINISH: Final = (
    sa.update(INBOX)
    .where(INBOX.c.key == sa.bindparam("done_key"))
    .values(done_at=sa.bindparam("at"), payload=sa.literal({}, sa.JSON))
)


KEEP: Final = (
    sa.update(INBOX)
    .where(INBOX.c.key == sa.bindparam("kept_key"))
    .values(received_at=INBOX.c.received_at + sa.bindparam("more"))
)


def _unless_there(on_sqlite: bool) -> sa.Executable:
    """Insert the rows with new keys, and return these keys."""
    if on_sqlite:
        return sqlite.insert(INBOX).on_conflict_do_nothing().returning(INBOX.c.key)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 2 MiB that a process on SQLite does without

    return postgresql.insert(INBOX).on_conflict_do_nothing().returning(INBOX.c.key)


def _row(delivery: InboxDelivery) -> dict[str, object]:
    return {
        "key": delivery.key,
        "kind": delivery.kind,
        "payload": dict(delivery.payload),
        "received_at": delivery.received_at.timestamp(),
        "arrived_at": delivery.received_at.timestamp(),
    }


def _a_rows(error: Exception) -> bool:
    """Return whether a row is at fault, rather than the database, which would fail each alone as well."""
    if isinstance(error, StorageError):
        return isinstance(error.__cause__, DataError)
    return True
