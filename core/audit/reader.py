"""The whole trail in pages, oldest first."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord
from vpsops.core.storage import Database

PAGE: Final = 500


Page = tuple[list[TrailRecord], tuple[int, str]]


async def pages(database: Database, after: int) -> AsyncIterator[Page]:
    """Yield the trail in pages, each with the head as it was in the same moment."""
    while True:
        records, head = await database.read(partial(_page, after))
        yield records, head
        if len(records) < PAGE:
            return
        after = records[-1].seq


def _page(after: int, connection: Connection) -> Page:
    return chain.read(connection, after=after, limit=PAGE), chain.head(connection)
