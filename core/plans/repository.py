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
from vpsops.core.plans.model import MemberState, PlanMember, check_member_step, digest_of_members
from vpsops.core.plans.steps import part_of
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
    """Return the members of a plan in their order; raises `UnreadableRowError` where one cannot be read here."""
    query = sa.select(PLAN_MEMBERS).where(PLAN_MEMBERS.c.plan_id == plan_id).order_by(PLAN_MEMBERS.c.ordinal)
    try:
        return [_member(row) for row in connection.execute(query).mappings()]
    except (UnreadableValueError, ValueError, KeyError, TypeError) as error:
        raise UnreadableRowError(plan_id, f"a member of it: {type(error).__name__}") from error


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


def leave_waiting(connection: Connection, plan_id: str, now: datetime) -> list[PlanMember]:
    """Move the members that wait to their end, as none of them begins any more, and return all members."""
    for member in members_of(connection, plan_id):
        if member.state is MemberState.WAITING:
            move_member(connection, plan_id, member, MemberState.NOT_RUN, now)
    return members_of(connection, plan_id)


def has_member(connection: Connection, plan: Change, change: Change) -> bool:
    """Return whether a plan, as it was agreed to, has a change as the member that it begins now."""
    members = members_of(connection, plan.id)
    if digest_of_members(members) != plan.arguments.get("members"):
        return False
    return any(
        member.change_id == change.id
        and member.state is MemberState.RUNNING
        and member.operation == change.operation
        and change.digest in member.digests
        for member in members
    )


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
