"""Counts the subjects of limits, in the transaction that stores or sends a change.

Call it after the change's own step: that step holds the head of the audit trail, which every other step needs too,
so counts are serialised and include everything stored before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.model import Change, State
from vpsops.core.changes.serialization import target_of
from vpsops.core.common import timings
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.common.json_types import Json
from vpsops.core.identity.serialization import actor_of
from vpsops.core.limits.model import (
    HOUR,
    AccountSnapshot,
    Exceeded,
    Limits,
    PlannedCreate,
    over_budget,
    same_principal,
    too_dear,
    too_many,
    too_many_then,
    too_often,
)
from vpsops.core.operations.families.lifetimes import lifetime_seconds
from vpsops.core.operations.target import Target, is_plan
from vpsops.core.operations.traits import is_documented, makes_server
from vpsops.core.plans.repository import members_of, unstarted, waiting_members
from vpsops.core.policy.context import BILLED
from vpsops.core.storage import rows
from vpsops.core.storage.tables import CHANGES

APPEARING: Final = timings.APPEARING_SECONDS
WITHDRAWN = (State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED)
UNDER_WAY = (State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON)


class LimitReachedError(NotAllowedError):
    """A limit prevents a change from being stored or sent; carries which."""

    def __init__(self, exceeded: Exceeded) -> None:
        super().__init__(exceeded.text, hint=exceeded.hint)
        self.exceeded = exceeded


def check_stored(
    connection: Connection, limits: Limits, change: Change, account: AccountSnapshot | None, now: datetime
) -> None:
    """Raise `LimitReachedError` unless a change that was just stored keeps within the limits with all that is open."""
    if limits.max_changes_per_hour is not None:
        _raise(too_often(limits, _asked_at(connection, change, now), now.timestamp()))
        at = change.schedule.run_at.timestamp() if change.schedule is not None else now.timestamp()
        _raise(too_many_then(limits, _run_beside(connection, change, at), at))
    _check_counted(connection, limits, change, account)
    if account is not None:
        open_ones = _creates(connection, sa.or_(CHANGES.c.lock.is_not(None), _under_way()), now)
        _raise(_exceeded(limits, change, account, open_ones + _moves(connection)))


def check_agreed(connection: Connection, limits: Limits, change: Change, target: Target | None = None) -> None:
    """Raise `LimitReachedError` where a limit that is in force now would have kept a change from being stored.

    `target` is its server as last read. What takes the provider's list is counted right before sending.
    """
    _raise(limits.protects(target or change.target, change.actor))
    _raise(limits.forbids(change.operation, documented=is_documented(change.operation)))
    _raise(outlived(limits, change.operation, change.target, change.arguments))
    if limits.max_changes_per_hour is not None:
        asked_at = change.created_at
        before = [at for at in _asked_at(connection, change, asked_at) if at <= asked_at.timestamp()]
        _raise(too_often(limits, before, asked_at.timestamp()))
    price = change.ruling.monthly
    if change.operation in BILLED and limits.max_monthly_spend is not None and price is not None:
        _raise(over_budget(limits, price))
    if is_plan(change.operation) and limits.max_monthly_spend is not None:
        for member in members_of(connection, change.id):
            if member.part is not None and member.part.monthly is not None:
                _raise(over_budget(limits, member.part.monthly))


def outlived(limits: Limits, operation: str, target: Target, arguments: Mapping[str, Json]) -> Exceeded | None:
    """Return the limit that a new server would outlive, or None."""
    if not limits.max_life or not makes_server(operation):
        return None
    lifetime = arguments.get("lifetime")
    return limits.outlives(target, lifetime_seconds(lifetime) if isinstance(lifetime, str) else None)


def check_sending(
    connection: Connection, limits: Limits, change: Change, account: AccountSnapshot | None, now: datetime
) -> None:
    """Raise `LimitReachedError` unless a change that is about to leave keeps within the limits with all that has left.

    What only waits for people does not count here: it was counted when it was stored, and may never leave.
    """
    _check_counted(connection, limits, change, account)
    if account is not None and change.operation in BILLED:
        left = _creates(connection, _under_way(), now)
        _raise(_exceeded(limits, change, account, left))


def _exceeded(
    limits: Limits, change: Change, account: AccountSnapshot, planned: list[PlannedCreate]
) -> Exceeded | None:
    """Return the limit that the account with these changes exceeds; only a new server counts against a number."""
    too_many_servers = too_many(limits, account, planned) if makes_server(change.operation) else None
    return too_many_servers or too_dear(limits, account, planned)


def _check_counted(connection: Connection, limits: Limits, change: Change, account: AccountSnapshot | None) -> None:
    """Raise `LimitReachedError` for a limit that was set after the account was read, so that nothing was counted."""
    if limits.about_creates and account is None and _is_billed(connection, change):
        name = "max_servers" if limits.max_servers is not None else "max_monthly_spend"
        why = "it was set a moment ago, and the servers were not counted for it."
        raise LimitReachedError(Exceeded(name, "new", why, "Ask again."))


def _is_billed(connection: Connection, change: Change) -> bool:
    """Return whether a change has a price, or is a runbook with a step that costs."""
    if not is_plan(change.operation):
        return change.operation in BILLED
    return any(member.operation in BILLED for member in members_of(connection, change.id))


def _under_way() -> sa.ColumnElement[bool]:
    """Select changes that have left, including those that take so long that they hold their server no more."""
    return CHANGES.c.state.in_([state.value for state in UNDER_WAY])


def _raise(exceeded: Exceeded | None) -> None:
    if exceeded is not None:
        raise LimitReachedError(exceeded)


def _asked_at(connection: Connection, change: Change, now: datetime) -> list[float]:
    """Return the times of this requester's requests in the last hour; unreadable ones count as theirs, made now.

    A plan counts as often as it has members that did not begin; those that did are changes of their own.
    """
    columns = (CHANGES.c.id, CHANGES.c.operation, CHANGES.c.created_at, CHANGES.c.actor)
    query = sa.select(*columns).where(CHANGES.c.created_at > now.timestamp() - HOUR)
    requests = rows.read(connection, query, CHANGES.c.id, lambda row: (row, actor_of(row["actor"])))
    own = [row for row, actor in requests.rows if same_principal(actor, change.actor)]
    return _times(connection, own, "created_at") + [now.timestamp()] * len(requests.unreadable)


def _times(connection: Connection, requests: Sequence[sa.RowMapping], column: str) -> list[float]:
    """Return the times of requests, that of a plan once for each member that did not begin."""
    plans = unstarted(connection, [row["id"] for row in requests if is_plan(row["operation"])])
    weights = [(row[column], plans.get(row["id"], 0) if is_plan(row["operation"]) else 1) for row in requests]
    return [at for at, weight in weights for _ in range(weight)]


def _run_beside(connection: Connection, change: Change, at: float) -> list[float]:
    """Return when this requester's changes run, within an hour of `at`, that one's own among them.

    A change without a schedule runs when it is asked for; scheduled ones that were withdrawn count no more. Times are
    UTC seconds. Unreadable ones count as theirs, and as running then.
    """
    runs_at = sa.func.coalesce(CHANGES.c.run_at, CHANGES.c.created_at).label("runs_at")
    asked = sa.and_(CHANGES.c.run_at.is_(None), *_within_an_hour(CHANGES.c.created_at, at))
    withdrawn = CHANGES.c.state.in_([state.value for state in WITHDRAWN])
    scheduled = sa.and_(*_within_an_hour(CHANGES.c.run_at, at), sa.not_(withdrawn))
    query = sa.select(CHANGES.c.id, CHANGES.c.operation, runs_at, CHANGES.c.actor).where(sa.or_(asked, scheduled))
    requests = rows.read(connection, query, CHANGES.c.id, lambda row: (row, actor_of(row["actor"])))
    own = [row for row, actor in requests.rows if same_principal(actor, change.actor)]
    return _times(connection, own, "runs_at") + [at] * len(requests.unreadable)


def _within_an_hour(column: sa.Column[float], at: float) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return column > at - HOUR, column < at + HOUR


def _creates(connection: Connection, where: sa.ColumnElement[bool], now: datetime) -> list[PlannedCreate]:
    """Return billed changes, with those that succeeded so recently that the list may not show their server yet.

    One that cannot be read counts as one of unknown name and plan.
    """
    done = sa.and_(CHANGES.c.state == State.SUCCEEDED.value, CHANGES.c.updated_at > now.timestamp() - APPEARING)
    columns = (CHANGES.c.id, CHANGES.c.operation, CHANGES.c.arguments, CHANGES.c.target, CHANGES.c.result)
    query = sa.select(*columns).where(CHANGES.c.operation.in_(sorted(BILLED)), sa.or_(where, done))
    creates = rows.read(connection, query, CHANGES.c.id, _create)
    return creates.rows + [PlannedCreate("", "") for _ in creates.unreadable]


def _moves(connection: Connection) -> list[PlannedCreate]:
    """Return the moves to larger plans that runbooks have before them."""
    members = waiting_members(connection, BILLED)
    return [
        PlannedCreate(member.target.hostname, str(member.arguments.get("plan", "")), member.target.id, enlarges=True)
        for member in members
    ]


def _create(row: sa.RowMapping) -> PlannedCreate:
    target = target_of(row["target"])
    if not makes_server(row["operation"]):
        return PlannedCreate(target.hostname, str(row["arguments"]["plan"]), target.id, enlarges=True)
    return PlannedCreate(target.hostname, target.plan, str(row["result"].get("id", "")))
