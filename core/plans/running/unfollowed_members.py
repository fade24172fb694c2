"""Members that were under way when their plan stopped being followed: each ends by what is known of its change."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.changes.model import State
from vpsops.core.plans.model import MemberState, check_member_step
from vpsops.core.storage.tables import CHANGES, PLAN_MEMBERS


def end_running(connection: Connection, now: datetime, plan_id: str = "") -> int:
    """End the members that run, of one plan or of all, as no process follows them; return how many.

    A change that has not ended leaves its member unclear: a person says what became of that change. Works on rows that
    this version cannot read.
    """
    running = PLAN_MEMBERS.c.state == MemberState.RUNNING.value
    where = [running, PLAN_MEMBERS.c.plan_id == plan_id] if plan_id else [running]
    query = sa.select(PLAN_MEMBERS.c.plan_id, PLAN_MEMBERS.c.ordinal, PLAN_MEMBERS.c.change_id, CHANGES.c.state)
    rows = connection.execute(query.outerjoin(CHANGES, CHANGES.c.id == PLAN_MEMBERS.c.change_id).where(*where)).all()
    for row in rows:
        after, note = _end_of(row.change_id or "", row.state)
        check_member_step(MemberState.RUNNING, after)
        mine = (PLAN_MEMBERS.c.plan_id == row.plan_id) & (PLAN_MEMBERS.c.ordinal == row.ordinal)
        values = {"state": after.value, "note": note, "moved_at": now.timestamp()}
        connection.execute(sa.update(PLAN_MEMBERS).where(mine, running).values(**values))
    return len(rows)


def _end_of(change_id: str, state: str | None) -> tuple[MemberState, str]:
    if state == State.SUCCEEDED.value:
        return MemberState.DONE, ""
    ended = {each.value for each in State if each.final}
    return (MemberState.FAILED, state) if state is not None and state in ended else (MemberState.UNCLEAR, change_id)
