"""Changes that were open when a backup was taken: what became of them since is not known, so none of them goes on.

What waited for people or for its time is superseded; what was approved or sent needs a person. A row that this
version cannot read is treated like any other.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes.model import State, check_step
from vpsops.core.ends.lifecycle import ask_about_all
from vpsops.core.grants.lifecycle import WENT_BACK, end_all
from vpsops.core.messaging import outbox
from vpsops.core.messaging.posted_messages import copies_in
from vpsops.core.plans.running.unfollowed_members import end_running
from vpsops.core.storage.tables import CHANGES

STEPS: Final = {
    State.HELD: ((State.SUPERSEDED, "superseded"),),
    State.SCHEDULED: ((State.SUPERSEDED, "superseded"),),
    State.APPROVED: ((State.NEEDS_PERSON, "needs_person"),),
    State.SENDING: ((State.UNKNOWN, "outcome_unknown"), (State.NEEDS_PERSON, "needs_person")),
    State.UNKNOWN: ((State.NEEDS_PERSON, "needs_person"),),
    State.WATCHING: ((State.NEEDS_PERSON, "needs_person"),),
}
"""The steps of an open change, each with its event. What needs a person already still does."""
HELD_NOTE: Final = (
    "The database was restored from a backup in which this waited for people, or for its time. It may have been"
    " decided and sent since:"
    " check the server before you ask for it again."
)
SENT_NOTE: Final = (
    "The database was restored from a backup, so this may have been sent, or done, since. Nothing is sent by itself:"
    " check the server first."
)


@dataclass(frozen=True, slots=True)
class ClosedChanges:
    """The changes that a restore moved, oldest first."""

    superseded: tuple[str, ...] = ()
    need_person: tuple[str, ...] = ()


def close_open_changes(connection: Connection, now: datetime, why: str) -> ClosedChanges:
    """Move every open change to an end or to a person, with its records; cards that are known are drawn again."""
    moved: dict[State, list[str]] = {State.SUPERSEDED: [], State.NEEDS_PERSON: []}
    end_all(connection, WENT_BACK, now)
    ask_about_all(connection, now)
    open_states = CHANGES.c.state.in_([state.value for state in STEPS])
    query = sa.select(CHANGES.c.id, CHANGES.c.state).where(open_states).order_by(CHANGES.c.created_at, CHANGES.c.id)
    for change_id, state in connection.execute(query).all():
        moved[_close(connection, change_id, State(state), now, why)].append(change_id)
    end_running(connection, now)
    return ClosedChanges(tuple(moved[State.SUPERSEDED]), tuple(moved[State.NEEDS_PERSON]))


def _close(connection: Connection, change_id: str, state: State, now: datetime, why: str) -> State:
    for after, event in STEPS[state]:
        check_step(state, after)
        chain.append(connection, now.timestamp(), event, change_id, {"state": after.value, "why": why})
        state = after
    final = {"lock": None} if state.final else {}
    note = HELD_NOTE if state.final else SENT_NOTE
    values = {"state": state.value, "owner": None, "not_before": None, "note": note, "updated_at": now.timestamp()}
    mine = sa.update(CHANGES).where(CHANGES.c.id == change_id)
    connection.execute(mine.values(version=CHANGES.c.version + 1, **values, **final))
    if copies_in(connection, outbox.topic_of(change_id)):  # without one a second card would be posted
        outbox.put_card(connection, change_id, now)
    return state
