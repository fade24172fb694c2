"""Changes in progress, for the process that refreshes their cards; one process at a time does."""

from collections.abc import Sequence

from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.messaging.outbox import Outbox, topic_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import acquire_lease

UNDER_WAY = (State.SENDING, State.WATCHING, State.UNKNOWN)
LEASE = "cards"


async def mine_to_refresh(database: Database, process: str) -> list[Change]:
    """Return changes in progress, oldest first, if no other living process refreshes their cards; else nothing.

    Raises `StorageError`.
    """

    def read_changes(connection: Connection) -> list[Change]:
        return repository.select(connection, repository.in_states(*UNDER_WAY), limit=None, oldest_first=True)

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


def next_ones(under_way: Sequence[Change], refreshed: dict[str, float], most: int) -> list[Change]:
    """Return the cards to refresh next: those that waited longest, so that none of many is left out."""
    return sorted(under_way, key=lambda change: refreshed.get(change.id, float("-inf")))[:most]
