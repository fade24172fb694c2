"""Changes in progress, for the process that refreshes their cards; one process at a time does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.messaging.outbox import Outbox, topic_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import acquire_lease
from vpsops.core.storage.tables import CHANGES

UNDER_WAY = (State.SENDING, State.WATCHING, State.UNKNOWN)
LEASE = "cards"
REFRESHES: Final = 20
"""A card is refreshed again after this part of the time that its change has been under way."""


async def mine_to_refresh(database: Database, process: str) -> list[str]:
    """Return the ids of changes in progress, oldest first, if no other living process refreshes their cards.

    There may be thousands: they are read in full as their turn comes. Raises `StorageError`.
    """

    def read_ids(connection: Connection) -> list[str]:
        own = CHANGES.c.plan.is_(None)  # a plan's members have no cards
        query = sa.select(CHANGES.c.id).where(repository.in_states(*UNDER_WAY), own)
        return list(connection.scalars(query.order_by(CHANGES.c.created_at, CHANGES.c.id)))

    def lease(connection: Connection) -> bool:
        return acquire_lease(connection, LEASE, process, database.tick(connection))

    ids = await database.read_along(read_ids)
    mine = bool(ids) and await database.transact(lease, durable=False, wake=False)
    return ids if mine else []


async def load_with_copies(outbox: Outbox, change_id: str) -> tuple[Change, list[PostedMessage]]:
    """Load a change and where its messages are posted, oldest first, as of one moment.

    Raises `UnknownChangeError`, `UnreadableRowError`, `StorageError`.
    """
    return await outbox.with_copies(topic_of(change_id), lambda connection: repository.load(connection, change_id))


@dataclass(slots=True)
class RefreshTurns:
    """Which cards are refreshed next: those that waited longest, so that none of many is left out.

    A change that has been under way for long is refreshed less often, so that one of a day costs a bounded number.
    Times are of one process's monotonic clock.
    """

    _begun: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)

    def next(self, under_way: Sequence[str], now: float, most: int) -> list[str]:
        """Return the ids of the changes with a card to refresh now, `most` at most."""
        self._begun = {ident: self._begun.get(ident, now) for ident in under_way}
        self._last = {ident: at for ident, at in self._last.items() if ident in self._begun}
        due = [ident for ident in under_way if self._is_due(ident, now)]
        chosen = sorted(due, key=lambda ident: self._last.get(ident, float("-inf")))[:most]
        self._last |= dict.fromkeys(chosen, now)
        return chosen

    def _is_due(self, change_id: str, now: float) -> bool:
        return now - self._last.get(change_id, float("-inf")) >= (now - self._begun[change_id]) / REFRESHES
