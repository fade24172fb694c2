"""The rows of a plan's members. Every function works inside the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository as change_rows
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.serialization import target_of
from vpsops.core.common.errors import StaleChangeError, UnreadableRowError
from vpsops.core.common.stored_values import UnreadableValueError, mapping_of, moment, seconds
from vpsops.core.operations.traits import RUNBOOK
from vpsops.core.plans.model import MemberState, PlanMember, check_member_step
from vpsops.core.plans.steps import part_of
from vpsops.core.plans.tally import NAMED, MemberTally, PlanTally, tally_of
from vpsops.core.schedule.model import Schedule
from vpsops.core.storage.tables import CHANGES, PLAN_MEMBERS


def insert_members(connection: Connection, plan_id: str, members: Sequence[PlanMember]) -> None:
    """Store the members of a new plan."""
    if members:
        connection.execute(sa.insert(PLAN_MEMBERS), [_values(plan_id, member) for member in members])


def _values(plan_id: str, member: PlanMember) -> dict[str, Any]:
    return {
        "plan_id": plan_id,
        "ordinal": member.ordinal,
        "state": member.state.value,
        "operation": member.operation,
        "arguments": dict(member.arguments),
        "target": asdict(member.target),
        "digest": member.digest,
        "change_id": member.change_id or None,
        "note": member.note,
        "moved_at": seconds(member.moved_at),
        "part": member.part.stored if member.part is not None else None,
    }


def members_of(connection: Connection, plan_id: str) -> list[PlanMember]:
    """Return all members of a plan in their order; raises `UnreadableRowError` where one cannot be read here.

    There may be thousands: what a step of a plan needs is in `read_tally`.
    """
    return _select(connection, plan_id)


def _select(
    connection: Connection, plan_id: str, *where: sa.ColumnElement[bool], limit: int | None = None
) -> list[PlanMember]:
    """Return some members of a plan in their order; raises `UnreadableRowError` where one cannot be read here."""
    query = sa.select(PLAN_MEMBERS).where(PLAN_MEMBERS.c.plan_id == plan_id, *where)
    try:
        rows = connection.execute(query.order_by(PLAN_MEMBERS.c.ordinal).limit(limit)).mappings()
        return [_member(row) for row in rows]
    except (UnreadableValueError, ValueError, KeyError, TypeError) as error:
        raise UnreadableRowError(plan_id, f"a member of it: {type(error).__name__}") from error


def read_tally(connection: Connection, plan: Change) -> PlanTally:
    """Return how far a plan is: its members are counted by the database, and the few that are needed are read.

    Raises `UnreadableRowError`. A runbook, of which the number of members is bounded, is read whole: which of its
    compensations are due is a matter of all of them.
    """
    if plan.operation == RUNBOOK.name:
        return tally_of(members_of(connection, plan.id))
    state, ordinal = PLAN_MEMBERS.c.state, PLAN_MEMBERS.c.ordinal
    ended = sa.func.max(sa.case((PLAN_MEMBERS.c.change_id.is_not(None), PLAN_MEMBERS.c.moved_at)))
    query = sa.select(state, sa.func.count(), sa.func.min(ordinal), sa.func.max(ordinal), ended)
    rows = connection.execute(query.where(PLAN_MEMBERS.c.plan_id == plan.id).group_by(state)).all()
    try:
        by_state = {MemberState(row[0]): row for row in rows}
    except ValueError as error:
        raise UnreadableRowError(plan.id, f"a member of it: {type(error).__name__}") from error
    known = [
        member
        for state_of, row in by_state.items()
        for member in _known(connection, plan.id, state_of, first=row[2], last=row[3])
    ]
    known.sort(key=lambda member: member.ordinal)
    last_end = max(
        (row[4] for state_of, row in by_state.items() if state_of.is_final and row[4] is not None), default=None
    )
    return PlanTally(MemberTally({state_of: row[1] for state_of, row in by_state.items()}, known, moment(last_end)))


def _known(connection: Connection, plan_id: str, state: MemberState, *, first: int, last: int) -> list[PlanMember]:
    """Return the members of a state that a tally has: those that run, the next that waits, the first that are named."""
    if state is MemberState.DONE:
        return []
    ordinal = PLAN_MEMBERS.c.ordinal
    if state is MemberState.WAITING:
        return _select(connection, plan_id, ordinal == first)
    within = ordinal.between(first, last) & (PLAN_MEMBERS.c.state == state.value)
    return _select(connection, plan_id, within, limit=None if state is MemberState.RUNNING else NAMED)


def _member(row: sa.RowMapping) -> PlanMember:
    return PlanMember(
        ordinal=row["ordinal"],
        operation=row["operation"],
        arguments=mapping_of(row, "arguments"),
        target=target_of(row["target"]),
        digest=row["digest"],
        state=MemberState(row["state"]),
        change_id=row["change_id"] or "",
        note=row["note"],
        moved_at=moment(row["moved_at"]),
        part=part_of(row["part"]),
    )


def move_member(  # noqa: PLR0913 - one step of a member, all of it named
    connection: Connection,
    plan_id: str,
    member: PlanMember,
    after: MemberState,
    now: datetime,
    *,
    change_id: str = "",
    note: str = "",
) -> PlanMember:
    """Move a member; raises `StaleChangeError` where another caller moved it first."""
    check_member_step(member.state, after)
    moved = replace(member, state=after, change_id=change_id or member.change_id, note=note, moved_at=now)
    mine = (PLAN_MEMBERS.c.plan_id == plan_id) & (PLAN_MEMBERS.c.ordinal == member.ordinal)
    values = {name: _values(plan_id, moved)[name] for name in ("state", "change_id", "note", "moved_at")}
    step = sa.update(PLAN_MEMBERS).where(mine, PLAN_MEMBERS.c.state == member.state.value).values(**values)
    if connection.execute(step).rowcount != 1:
        raise StaleChangeError(f"Member {member.ordinal} of {plan_id} has moved on.")
    return moved


def note_wait(connection: Connection, plan_id: str, member: PlanMember, why: str, since: datetime) -> None:
    """Store what the next member of a plan waits for; raises `StaleChangeError` where it does not wait any more."""
    mine = (PLAN_MEMBERS.c.plan_id == plan_id) & (PLAN_MEMBERS.c.ordinal == member.ordinal)
    waiting = PLAN_MEMBERS.c.state == MemberState.WAITING.value
    step = sa.update(PLAN_MEMBERS).where(mine, waiting).values(note=why, moved_at=seconds(since))
    if connection.execute(step).rowcount != 1:
        raise StaleChangeError(f"Member {member.ordinal} of {plan_id} has moved on.")


def leave_waiting(connection: Connection, plan_id: str, now: datetime) -> None:
    """Move the members that wait to their end, as none of them begins any more."""
    check_member_step(MemberState.WAITING, MemberState.NOT_RUN)
    waiting = (PLAN_MEMBERS.c.plan_id == plan_id) & (PLAN_MEMBERS.c.state == MemberState.WAITING.value)
    values = {"state": MemberState.NOT_RUN.value, "note": "", "moved_at": seconds(now)}
    connection.execute(sa.update(PLAN_MEMBERS).where(waiting).values(**values))


def member_of(connection: Connection, plan_id: str, change_id: str) -> PlanMember | None:
    """Return the member that began as a change; None unless exactly one did. Raises `UnreadableRowError`."""
    members = _select(connection, plan_id, PLAN_MEMBERS.c.change_id == change_id, limit=2)
    return members[0] if len(members) == 1 else None


def count_members(connection: Connection, plan_id: str) -> int:
    """Return how many members a plan has."""
    query = sa.select(sa.func.count()).select_from(PLAN_MEMBERS).where(PLAN_MEMBERS.c.plan_id == plan_id)
    return int(connection.execute(query).scalar_one())


def schedule_of(connection: Connection, change: Change) -> Schedule | None:
    """Return the schedule that a change may be sent in: its own, or its plan's where that is a window's.

    A plan with a time and no window only begins in it.
    """
    if not change.plan:
        return change.schedule
    schedule = change_rows.load(connection, change.plan).schedule
    return schedule if schedule is not None and schedule.window else None


def unstarted(connection: Connection, plan_ids: Collection[str]) -> Mapping[str, int]:
    """Return how many members of some plans have no change of their own."""
    own = PLAN_MEMBERS.c.plan_id
    query = sa.select(own, sa.func.count()).where(own.in_(plan_ids), PLAN_MEMBERS.c.change_id.is_(None)).group_by(own)
    return {str(plan_id): int(count) for plan_id, count in connection.execute(query)} if plan_ids else {}


def waiting_members(connection: Connection, operations: Collection[str]) -> list[PlanMember]:
    """Return the members with some operations that wait, or may have to, in plans that did not end."""
    open_states = [state.value for state in State if not state.final]
    plans = sa.select(CHANGES.c.id).where(CHANGES.c.state.in_(open_states))
    query = sa.select(PLAN_MEMBERS).where(
        PLAN_MEMBERS.c.state == MemberState.WAITING.value,
        PLAN_MEMBERS.c.operation.in_(sorted(operations)),
        PLAN_MEMBERS.c.plan_id.in_(plans),
    )
    return [_member(row) for row in connection.execute(query).mappings()]
