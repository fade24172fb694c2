"""Deliveries from Slack: stored once before they are acknowledged, so that none is lost or done twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from core.changes.model import Json
from core.clock import Clock
from core.storage.database import Database
from core.storage.tables import INBOX


@dataclass(frozen=True, slots=True)
class Delivery:
    """One command, click, submission or event, by the key that is the same on every redelivery."""

    key: str
    kind: str
    payload: Mapping[str, Json]
    received_at: datetime


class Inbox:
    """The memory of what arrived, and of what of it is not finished."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def accept(self, key: str, kind: str, payload: Mapping[str, Json]) -> bool:
        """Store a delivery; say False when it was here before."""
        values = {"key": key, "kind": kind, "payload": dict(payload), "received_at": self._clock.now().timestamp()}
        try:
            await self._database.transact(
                lambda connection: connection.execute(sa.insert(INBOX).values(**values)), durable=False, wake=False
            )
        except IntegrityError:
            return False
        return True

    async def done(self, key: str) -> None:
        """Mark a delivery as processed; its key is remembered for a week, its payload is not."""
        now = self._clock.now().timestamp()

        def work(connection: Connection) -> None:
            connection.execute(sa.update(INBOX).where(INBOX.c.key == key).values(done_at=now, payload={}))

        await self._database.transact(work, durable=False, wake=False)

    async def unfinished(self, *, older_than: float) -> list[Delivery]:
        """Return deliveries accepted over `older_than` seconds ago and never finished, oldest first."""
        before = self._clock.now().timestamp() - older_than
        query = (
            sa.select(INBOX)
            .where(INBOX.c.done_at.is_(None), INBOX.c.received_at <= before)
            .order_by(INBOX.c.received_at)
            .limit(1000)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Delivery(r.key, r.kind, r.payload, datetime.fromtimestamp(r.received_at, UTC)) for r in rows]
