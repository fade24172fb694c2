"""Changes in progress, for the process that refreshes their cards; one process at a time does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

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


async def mine_to_refresh(database: Database, process: str) -> list[Change]:
    """Return changes in progress, oldest first, if no other living process refreshes their cards; else nothing.

    Raises `StorageError`.
    """

    def read_changes(connection: Connection) -> list[Change]:
        own = CHANGES.c.plan.is_(None)  # a plan's members have no cards
        return repository.select(connection, repository.in_states(*UNDER_WAY), own, limit=None, oldest_first=True)

    def lease(connection: Connection) -> bool:
        return acquire_lease(connection, LEASE, process, database.tick(connection))

    changes = await database.read_along(read_changes)
    mine = bool(changes) and await database.transact(lease, durable=False, wake=False)
    return changes if mine else []


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

    def next(self, under_way: Sequence[Change], now: float, most: int) -> list[Change]:
        """Return the changes with a card to refresh now, `most` at most."""
        self._begun = {change.id: self._begun.get(change.id, now) for change in under_way}
        self._last = {ident: at for ident, at in self._last.items() if ident in self._begun}
        due = [change for change in under_way if self._is_due(change.id, now)]
        chosen = sorted(due, key=lambda change: self._last.get(change.id, float("-inf")))[:most]
        self._last |= {change.id: now for change in chosen}
        return chosen

    def _is_due(self, change_id: str, now: float) -> bool:
        return now - self._last.get(change_id, float("-inf")) >= (now - self._begun[change_id]) / REFRESHES
