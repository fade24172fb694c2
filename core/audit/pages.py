"""Pages of the audit trail, newest first, with a bound on the records that one page reads."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.queries import RecordFilter
from vpsops.core.audit.records import TrailRecord

BATCH = 500
LOOKED_THROUGH = 5000
"""The most records that one page reads; the next page continues where it ended."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some records, newest first; `before` is where the next page continues, and None where the trail begins."""

    records: tuple[TrailRecord, ...]
    before: int | None


def page(connection: Connection, record_filter: RecordFilter, before: int | None, limit: int) -> AuditPage:
    """Return the newest records that fit, of those before the one numbered `before`."""
    matches: list[TrailRecord] = []
    at = before
    for _ in range(LOOKED_THROUGH // BATCH):
        batch = chain.newest(connection, BATCH, before=at, change_id=record_filter.change or None)
        matches += reversed(record_filter.sieve(connection, batch))
        if len(matches) > limit:
            return AuditPage(tuple(matches[:limit]), matches[limit - 1].seq)
        if len(batch) < BATCH:
            return AuditPage(tuple(matches), None)
        at = batch[0].seq
    return AuditPage(tuple(matches), at)
