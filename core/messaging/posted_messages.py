"""Where messages were posted: copies of a topic in channels and direct messages."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.storage.tables import COPIES


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """A message as it was posted, so that it can be edited."""

    topic: str
    purpose: str
    channel: str
    ts: str


def insert_copy(connection: Connection, copy: PostedMessage, at: float) -> bool:
    """Store a copy, and return whether it is new."""
    known = (COPIES.c.topic == copy.topic) & (COPIES.c.channel == copy.channel) & (COPIES.c.ts == copy.ts)
    if connection.execute(sa.select(COPIES.c.ts).where(known)).first() is not None:
        return False
    values = {"topic": copy.topic, "purpose": copy.purpose, "channel": copy.channel, "ts": copy.ts, "at": at}
    connection.execute(sa.insert(COPIES).values(**values))
    return True


def has_copies(connection: Connection) -> bool:
    """Return whether anything was ever posted from this database, as far as it remembers (90 days)."""
    return connection.execute(sa.select(COPIES.c.ts).limit(1)).first() is not None


def copies_in(connection: Connection, topic: str) -> list[PostedMessage]:
    """Return the posted messages of a topic, oldest first, in the caller's transaction."""
    query = sa.select(COPIES).where(COPIES.c.topic == topic).order_by(COPIES.c.at)
    return [PostedMessage(row.topic, row.purpose, row.channel, row.ts) for row in connection.execute(query)]
