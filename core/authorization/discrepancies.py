"""Differences between the rows of changes and ends and the audit trail, for `vpsops audit verify` and doctor.

The chain shows what happened to records; this shows what happened to rows: one that was altered behind the trail, a
send without its approval in the trail, and a trail that was cut under its rows.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord, is_whole
from vpsops.core.authorization.authorization import (
    MEMBER_OF,
    MOST_RECORDS,
    Trail,
    missing_approval,
    row_differences,
    unapproved_source,
    unended,
)
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.ends.lifecycle import OPENED as END_OPENED
from vpsops.core.ends.lifecycle import STOPS
from vpsops.core.ends.model import ServerEnd
from vpsops.core.ends.repository import end_of
from vpsops.core.ends.trail import end_differences
from vpsops.core.grants.trail import OPENED, missing_grant, unasked_grant
from vpsops.core.storage import rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import AUDIT, CHANGES, SERVER_ENDS

PAGE: Final = 100
MOST_LOST: Final = 100
SENDING: Final = "sending"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A change with different row and trail, and a description of the difference."""

    change_id: str
    what: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.change_id}: {self.what}"


@dataclass(frozen=True, slots=True)
class DiscrepancyPage:
    """Some changes in the order of their ids, those that stayed unchanged during the read, and where to continue."""

    discrepancies: Sequence[Discrepancy]
    after: str


async def discrepancies(database: Database) -> AsyncIterator[Discrepancy]:
    """Yield every discrepancy, page by page, so that a large database needs no more memory than a small database."""
    async for discrepancy in _all_pages(database, _page):
        yield discrepancy
    for discrepancy in await database.read(_without_row):
        yield discrepancy
    async for discrepancy in _all_pages(database, _end_page):
        yield discrepancy
    for change_id in await database.read(_without_end):
        yield Discrepancy(change_id, "the trail holds that its server has an end, and the row of that is gone")


async def _all_pages(
    database: Database, read_page: Callable[[str, Connection], DiscrepancyPage]
) -> AsyncIterator[Discrepancy]:
    after = ""
    while True:
        page = await database.read(partial(read_page, after))
        for discrepancy in page.discrepancies:
            yield discrepancy
        if not page.after:
            return
        after = page.after


def _end_page(after: str, connection: Connection) -> DiscrepancyPage:
    """Compare some ends in the order of their servers' ids; one that was stepped during the read is left out."""
    own = SERVER_ENDS.c.server_id
    ids = list(connection.scalars(sa.select(own).where(own > after).order_by(own).limit(PAGE)))
    batch = rows.read(connection, sa.select(SERVER_ENDS).where(own.in_(ids)).order_by(own), own, end_of)
    trails = _trails(connection, list({end.change_id for end in batch.rows}))
    versions = dict(connection.execute(sa.select(own, SERVER_ENDS.c.version).where(own.in_(ids))).all())
    result = [
        Discrepancy(end.change_id, what)
        for end in batch.rows
        if versions.get(end.server_id) == end.version
        for what in _compared_end(end, trails[end.change_id])
    ]
    result += [Discrepancy(f"the end of {row.id}", f"its row cannot be read: {row.why}") for row in batch.unreadable]
    return DiscrepancyPage(result, ids[-1] if len(ids) == PAGE else "")


def _compared_end(end: ServerEnd, records: Sequence[TrailRecord] | None) -> Iterator[str]:
    source = _whole_trail(records)
    if source is None:
        yield f"its records could not be compared with the end of {end.hostname}"
    else:
        yield from end_differences(end, source.bodies)


def _without_end(connection: Connection) -> Sequence[str]:
    """Return the changes of which the trail holds an end without a row, up to a limit."""
    known = sa.exists().where(SERVER_ENDS.c.change_id == AUDIT.c.change_id)
    query = sa.select(AUDIT.c.change_id).where(AUDIT.c.event == END_OPENED, AUDIT.c.change_id.is_not(None), ~known)
    return [str(ident) for ident in connection.scalars(query.distinct().limit(MOST_LOST))]


def _page(after: str, connection: Connection) -> DiscrepancyPage:
    ids = list(
        connection.scalars(sa.select(CHANGES.c.id).where(CHANGES.c.id > after).order_by(CHANGES.c.id).limit(PAGE))
    )
    changes = repository.batch(connection, CHANGES.c.id.in_(ids), limit=None).rows
    sources = {change.id: change.ruling.grant.source for change in changes if change.ruling.grant is not None}
    ends = {change.ruling.end for change in changes if change.ruling.end}
    plans = {change.plan for change in changes if change.plan}
    trails = _trails(connection, [*ids, *sources.values(), *plans, *ends])
    newest = connection.scalar(sa.select(AUDIT.c.at).order_by(AUDIT.c.seq.desc()).limit(1)) or 0.0
    versions = dict(connection.execute(sa.select(CHANGES.c.id, CHANGES.c.version).where(CHANGES.c.id.in_(ids))).all())
    settled = [change for change in changes if versions.get(change.id) == change.version]  # not stepped during the read
    result = [
        Discrepancy(change.id, what)
        for change in sorted(settled, key=lambda change: change.id)
        for what in (
            *compared(change, trails.get(change.id, ()), newest, trails.get(change.plan)),
            *_ungranted(change, trails.get(sources.get(change.id, ""))),
            *_unended(change, trails.get(change.ruling.end)),
        )
    ]
    return DiscrepancyPage(result, ids[-1] if len(ids) == PAGE else "")


def _trails(connection: Connection, ids: Sequence[str]) -> Mapping[str, Sequence[TrailRecord] | None]:
    """Return the records of changes; None for one that has more than any change may have."""
    own = AUDIT.c.change_id
    counts = sa.select(own, sa.func.count()).where(own.in_(ids)).group_by(own)
    sizes = {str(ident): int(count) for ident, count in connection.execute(counts)}
    trails: dict[str, list[TrailRecord] | None] = {}
    for ident in ids:
        trails[ident] = [] if sizes.get(ident, 0) <= MOST_RECORDS else None
    usual = [ident for ident, records in trails.items() if records is not None]
    query = sa.select(AUDIT).where(own.in_(usual)).order_by(AUDIT.c.seq)
    for record in map(chain.record_from_row, connection.execute(query)):
        records = trails.get(record.change_id or "")
        if records is not None:
            records.append(record)
    return trails


def compared(
    change: Change,
    records: Sequence[TrailRecord] | None,
    newest: float,
    plan: Sequence[TrailRecord] | None = None,
) -> Iterator[str]:
    """Yield descriptions of how row and records of a change differ; `newest` is the time of the trail's head.

    `plan` are the records of the plan that it is a member of.
    """
    if records is None:
        yield f"the trail holds more than {MOST_RECORDS:,} records of it"
        return
    broken = next((record for record in records if not is_whole(record)), None)
    if broken is not None:
        yield f"record {broken.seq} of it is not as it was written, so its row could not be compared"
        return
    trail = Trail([record.body for record in records])
    if trail.request is None:
        later = ", and it is newer than the trail's head: the trail was cut" if _is_later(change, newest) else ""
        yield f"its row is {_words(change.state.value)}, and the trail does not hold its request{later}"
        return
    yield from row_differences(change, trail)
    yield from _unapproved(trail, change, _whole_trail(plan))
    if trail.state == change.state.value and _is_cut(change, trail):
        yield "it was sent, and the trail does not hold that it was: records of it were removed"


def _ungranted(change: Change, records: Sequence[TrailRecord] | None) -> Iterator[str]:
    """Yield the part of the grant of a change that the trail does not hold."""
    if change.ruling.grant is None:
        return
    if records is None or not all(is_whole(record) for record in records):
        yield f"the records of {change.ruling.grant.source}, which opened its grant, could not be compared"
        return
    source = Trail([record.body for record in records])
    why = unapproved_source(source) or missing_grant(change.ruling.grant, change, source.bodies)
    if why:
        yield why


def _unended(change: Change, records: Sequence[TrailRecord] | None) -> Iterator[str]:
    """Yield the part of the approval of a stop at an end that the trail of its create lacks."""
    if not change.ruling.end:
        return
    source = _whole_trail(records)
    if source is None:
        yield f"the records of {change.ruling.end}, which made its server, could not be compared"
        return
    begun = next((index for index, body in enumerate(source.bodies) if body.get(STOPS) == change.id), -1)
    why = unended(change, Trail(source.bodies[: begun + 1]))
    if why:
        yield why


def _is_later(change: Change, newest: float) -> bool:
    return change.created_at.timestamp() > newest


def _is_cut(change: Change, trail: Trail) -> bool:
    """Return whether a row holds a sending that the trail does not.

    Only a change that surely did not leave returns from `sending`.
    """
    return change.sent_at is not None and not any(body["event"] == SENDING for body in trail.bodies)


def _whole_trail(records: Sequence[TrailRecord] | None) -> Trail | None:
    whole = records is not None and all(is_whole(record) for record in records)
    return Trail([record.body for record in records or ()]) if whole else None


def _unapproved(trail: Trail, change: Change | None = None, plan: Trail | None = None) -> Iterator[str]:
    """Yield each sending of a change without its approval, or that of its plan, before it in the trail."""
    for index, body in enumerate(trail.bodies):
        if body["event"] == OPENED:
            why = unapproved_source(trail) or unasked_grant(body, trail.bodies[:index])
            if why:
                yield f"record {body['seq']} opens a grant without its votes: {why}"
        if body["event"] != SENDING:
            continue
        before = Trail(trail.bodies[:index])
        earlier = Trail([record for record in plan.bodies if record["seq"] < body["seq"]]) if plan else None
        why = missing_approval(before, change.ruling if change is not None else None, earlier)
        if not why and before.state != State.APPROVED.value:
            why = f"it was {_words(before.state)}"
        if why:
            yield f"record {body['seq']} is a send without its approval: {why}"


def _without_row(connection: Connection) -> list[Discrepancy]:
    """Return changes that the trail holds without a row, up to a limit."""
    known = sa.exists().where(CHANGES.c.id == AUDIT.c.change_id)
    query = sa.select(AUDIT.c.change_id).where(AUDIT.c.change_id.is_not(None), ~known).distinct().limit(MOST_LOST)
    result: list[Discrepancy] = []
    for ident in connection.scalars(query):
        result.append(Discrepancy(ident, "the trail holds it, and its row is gone"))
        records = chain.read(connection, change_id=ident, limit=MOST_RECORDS)
        if all(is_whole(record) for record in records):
            trail = Trail([record.body for record in records])
            plan = str((trail.request or {}).get(MEMBER_OF) or "")
            its_plan = _whole_trail(_trails(connection, [plan]).get(plan)) if plan else None
            result += [Discrepancy(ident, what) for what in _unapproved(trail, plan=its_plan)]
    return result


def _words(state: str) -> str:
    return state.replace("_", " ") or "not known"
