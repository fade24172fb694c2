"""The rows of changes and votes. Every function works inside the caller's transaction.

A step is compare-and-set on the version and brings its audit record and its card with it, so that
what happened, its record and the messages about it cannot come apart.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes import serialization
from vpsops.core.changes.model import Change, ChangeStep, State, Vote, check_move
from vpsops.core.common.errors import StaleChangeError, UnknownChangeError
from vpsops.core.common.json_types import Json
from vpsops.core.messaging import outbox
from vpsops.core.storage import rows
from vpsops.core.storage.commit_notifier import facts_of, touch
from vpsops.core.storage.rows import Batch, JsonText, UnreadableRow
from vpsops.core.storage.tables import CHANGES, VOTES


def insert(connection: Connection, change: Change, *, key: str, body: Mapping[str, Json]) -> None:
    """Store a new change with its audit record and its card; raises IntegrityError on a taken key or lock."""
    values = serialization.change_values(change)
    lock = change.target.key if change.state.open and change.schedule is None else ""
    connection.execute(sa.insert(CHANGES).values(**values, key=key or None, lock=lock or None))
    _touch(connection, change)
    chain.append(connection, change.created_at.timestamp(), "requested", change.id, body)
    _draw(connection, change, change.created_at)
    facts_of(connection).append(ChangeStep(None, change, "requested"))


def remind_at(connection: Connection, change_id: str, at: datetime | None) -> None:
    """Have more people asked about a new change at a moment, if no one has voted by then; never without one."""
    if at is not None:
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id == change_id).values(remind_at=at.timestamp()))


def step(  # noqa: PLR0913 - the one place where a change moves; each argument is a column of the step
    connection: Connection,
    change: Change,
    after: State,
    now: datetime,
    *,
    event: str,
    body: Mapping[str, Json] | None = None,
    **values: Any,
) -> Change:
    """Move a change to `after`, which ends its waiting; raise `StaleChangeError` when another caller moved it first.

    A scheduled change takes its server as it is approved: raises IntegrityError where another one has it.
    """
    check_move(change, after)
    values.setdefault("not_before", None)
    if change.state is State.SCHEDULED and after is State.APPROVED:
        values["lock"] = change.target.key or None
    if after.final:
        values |= {"lock": None, "owner": None}
    moved = _set(connection, change, now, {**values, "state": after.value})
    chain.append(connection, now.timestamp(), event, change.id, {"state": after.value, **(body or {})})
    _draw(connection, change, now)
    if change.plan and State.NEEDS_PERSON in {change.state, after}:  # people settle it on a card of its own
        outbox.put_card(connection, change.id, now)
    facts_of(connection).append(ChangeStep(change, moved, event))
    return moved


def _draw(connection: Connection, change: Change, now: datetime) -> None:
    """Queue the card of a change; a plan's member has none, and is on its plan's by the words of that."""
    if not change.plan:
        outbox.put_card(connection, change.id, now)


def _touch(connection: Connection, change: Change) -> None:
    """Wake those who wait for a change, or for the plan that it is a member of."""
    for change_id in filter(None, (change.id, change.plan)):
        touch(connection, outbox.topic_of(change_id))


def amend(
    connection: Connection,
    change: Change,
    now: datetime,
    *,
    event: str = "",
    body: Mapping[str, Json] | None = None,
    **values: Any,
) -> Change:
    """Alter a change within its state; with an `event` it is audited and its card redrawn."""
    moved = _set(connection, change, now, values)
    if event:
        chain.append(connection, now.timestamp(), event, change.id, body or {})
        _draw(connection, change, now)
        facts_of(connection).append(ChangeStep(change, moved, event))
    return moved


def claim(connection: Connection, change: Change, now: datetime, owner: str) -> Change:
    """Let a process run a change, without a message."""
    return _set(connection, change, now, {"owner": owner})


def _set(connection: Connection, change: Change, now: datetime, values: Mapping[str, Any]) -> Change:
    """Alter a change's row, and return it as it is then; its votes are those of its version."""
    row = (
        connection.execute(
            sa.update(CHANGES)
            .where(CHANGES.c.id == change.id, CHANGES.c.version == change.version)
            .values(version=change.version + 1, updated_at=now.timestamp(), **values)
            .returning(*CHANGES.c)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise StaleChangeError(f"{change.id} has moved on.", hint="Look at its present state.")
    _touch(connection, change)
    moved = rows.decoded(row, CHANGES.c.id, lambda result: serialization.change_of(result, change.votes))
    if isinstance(moved, UnreadableRow):
        raise moved.error
    return moved


def add_vote(connection: Connection, change_id: str, vote: Vote) -> None:
    """Store a vote; raises IntegrityError when this voter has voted."""
    connection.execute(sa.insert(VOTES).values(**serialization.vote_values(change_id, vote)))


def load(connection: Connection, change_id: str, *, lock: bool = False) -> Change:
    """Return a change; raises `UnknownChangeError`. With `lock`, no other transaction moves it until the commit."""
    query = sa.select(CHANGES).where(CHANGES.c.id == change_id)
    result = next(iter(rows.fetch(connection, query.with_for_update() if lock else query, CHANGES.c.id)), None)
    if result is None:
        raise unknown(change_id)
    change: Change | UnreadableRow = (
        result
        if isinstance(result, UnreadableRow)
        else rows.decoded(result, CHANGES.c.id, _decoder(connection)([result]))
    )
    if isinstance(change, UnreadableRow):
        rows.note(change)
        raise change.error
    return change


def unknown(change_id: str) -> UnknownChangeError:
    """Return the error for a change that is not there, or not to be seen."""
    return UnknownChangeError(f"There is no change {change_id[:40]}.", hint="List the changes to see their ids.")


def by_key(connection: Connection, key: str) -> Change | None:
    """Return the change a deduplication key made, if any; raises `UnreadableRowError`."""
    return _single(connection, CHANGES.c.key == key)


def by_lock(connection: Connection, lock: str) -> Change | None:
    """Return the change that holds a server, if any; raises `UnreadableRowError`."""
    return _single(connection, CHANGES.c.lock == lock)


def _single(connection: Connection, where: sa.ColumnElement[bool]) -> Change | None:
    result = batch(connection, where, limit=1)
    if not result.rows and result.unreadable:
        raise result.unreadable[0].error
    return result.rows[0] if result.rows else None


def select(
    connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = 100, oldest_first: bool = False
) -> list[Change]:
    """Return changes with their votes, newest first by default; those that cannot be read here are left out."""
    return batch(connection, *where, limit=limit, oldest_first=oldest_first).rows


def select_by_time(connection: Connection, *where: sa.ColumnElement[bool], limit: int) -> list[Change]:
    """Return scheduled changes in the order of their times; those that cannot be read here are left out."""
    query = sa.select(CHANGES).where(*where).order_by(CHANGES.c.run_at, CHANGES.c.id)
    return rows.read_with(connection, query, CHANGES.c.id, _decoder(connection), limit).rows


def batch(
    connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = 100, oldest_first: bool = False
) -> Batch[Change]:
    """Return changes with their votes, newest first by default, and what of them cannot be read here."""
    created = CHANGES.c.created_at if oldest_first else CHANGES.c.created_at.desc()
    query = sa.select(CHANGES).where(*where).order_by(created, CHANGES.c.id)
    return rows.read_with(connection, query, CHANGES.c.id, _decoder(connection), limit)


def _decoder(connection: Connection) -> rows.Decoder[Change]:
    """Decode changes of which a vote cannot be read like those with an unreadable row."""

    def prepare(page: Sequence[sa.RowMapping]) -> Callable[[sa.RowMapping], Change]:
        votes = votes_of(connection, [row["id"] for row in page])
        return lambda row: serialization.change_of(row, _readable(votes.get(row["id"], ())))

    return prepare


def _readable(votes: "Votes") -> tuple[Vote, ...]:
    if isinstance(votes, UnreadableRow):
        raise votes.error
    return votes


def in_states(*states: State) -> sa.ColumnElement[bool]:
    """The condition that a change is in one of some states."""
    return CHANGES.c.state.in_([state.value for state in states])


def of_teams(teams: frozenset[str]) -> list[sa.ColumnElement[bool]]:
    """The condition that a change is one of some workspaces'; none for an empty set, which means all."""
    return [JsonText(CHANGES.c.origin, "team").in_(sorted(teams))] if teams else []


Votes = tuple[Vote, ...] | UnreadableRow
"""The votes on a change, or why one of them cannot be read: then none of them counts here."""


def votes_of(connection: Connection, ids: Sequence[str]) -> Mapping[str, Votes]:
    """Return the votes on some changes, in the order they came."""
    votes: dict[str, Votes] = {}
    if not ids:
        return votes
    query = sa.select(VOTES).where(VOTES.c.change_id.in_(ids)).order_by(VOTES.c.at)
    for row in rows.fetch(connection, query, VOTES.c.change_id):
        if isinstance(row, UnreadableRow):
            votes[row.id] = row
            continue
        ident, vote = row["change_id"], rows.decoded(row, VOTES.c.change_id, serialization.vote_of)
        before = votes.get(ident, ())
        if not isinstance(before, UnreadableRow):
            votes[ident] = vote if isinstance(vote, UnreadableRow) else (*before, vote)
    return votes


def column(selected: sa.Column[Any], change_id: str) -> sa.Select[tuple[Any]]:
    """The query for one column of one change."""
    return sa.select(selected).where(CHANGES.c.id == change_id)


def touched(connection: Connection, now: datetime, seconds: float) -> set[str]:
    """Return the server ids and hostnames that open or just finished changes are about."""
    recent = CHANGES.c.updated_at > now.timestamp() - seconds
    columns = (CHANGES.c.id, CHANGES.c.target, CHANGES.c.result)
    each = (sa.select(CHANGES.c.id).where(condition) for condition in (CHANGES.c.lock.is_not(None), recent))
    query = sa.select(*columns).where(CHANGES.c.id.in_(sa.union_all(*each)))  # an index each
    locks = connection.scalars(sa.select(CHANGES.c.lock).where(CHANGES.c.lock.is_not(None)))
    results = {lock.partition(":")[2] for lock in locks if lock}  # also of a change with an unreadable row
    for names in rows.read(connection, query, CHANGES.c.id, _names).rows:
        results |= names
    return results - {""}


def _names(row: sa.RowMapping) -> set[str]:
    target = serialization.target_of(row["target"])
    return {target.id, target.hostname.lower(), str(row["result"].get("id", ""))}
