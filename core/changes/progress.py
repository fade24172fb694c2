"""Which changes are under way, for whoever keeps their cards fresh; one process at a time does."""

from core.changes import store
from core.changes.model import Change, State
from core.storage.database import Connection, Database
from core.storage.leases import take

UNDER_WAY = (State.SENDING, State.WATCHING, State.UNKNOWN)
LEASE = "cards"


async def mine_to_refresh(database: Database, process: str) -> list[Change]:
    """Return what is under way, oldest first, if no other living process keeps those cards fresh; else nothing.

    Raises `StorageError`.
    """

    def look(connection: Connection) -> list[Change]:
        return store.select(connection, store.in_states(*UNDER_WAY), limit=None, oldest_first=True)

    def lease(connection: Connection) -> bool:
        return take(connection, LEASE, process, database.tick(connection))

    found = await database.read(look)
    mine = bool(found) and await database.transact(lease, durable=False, wake=False)
    return found if mine else []


def next_ones(under_way: list[Change], refreshed: dict[str, float], most: int) -> list[Change]:
    """Return those whose turn it is: the ones that waited longest, so that of many none is left out; pure."""
    return sorted(under_way, key=lambda one: refreshed.get(one.id, float("-inf")))[:most]
