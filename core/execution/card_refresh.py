"""Which changes are under way, for those who keeps their cards fresh; one process at a time does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.messaging.outbox import Outbox, topic_of
from vpsops.core.storage.database import Connection, Database
from vpsops.core.storage.leases import acquire_lease

UNDER_WAY = (State.SENDING, State.WATCHING, State.UNKNOWN)
LEASE = "cards"


async def mine_to_refresh(database: Database, process: str) -> list[Change]:
    """Return what is under way, oldest first, if no other living process keeps those cards fresh; else nothing.

    Raises `StorageError`.
    """

    def read_changes(connection: Connection) -> list[Change]:
        return repository.select(connection, repository.in_states(*UNDER_WAY), limit=None, oldest_first=True)

    def lease(connection: Connection) -> bool:
        return acquire_lease(connection, LEASE, process, database.tick(connection))

    changes = await database.read_along(read_changes)
    mine = bool(changes) and await database.transact(lease, durable=False, wake=False)
    return changes if mine else []


@asynccontextmanager
async def in_hand(outbox: Outbox, change_id: str) -> AsyncIterator[Change]:
    """Read a change and what was posted of it at once; the latter is known while the block runs.

    Raises `UnknownChangeError`, `StorageError`.
    """
    topic = topic_of(change_id)
    change = await outbox.hold(topic, lambda connection: repository.load(connection, change_id))
    try:
        yield change
    finally:
        outbox.let_go(topic)


def next_ones(under_way: list[Change], refreshed: dict[str, float], most: int) -> list[Change]:
    """Return those whose turn it is: the ones that waited longest, so that of many none is left out."""
    return sorted(under_way, key=lambda change: refreshed.get(change.id, float("-inf")))[:most]
