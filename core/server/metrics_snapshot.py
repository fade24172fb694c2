"""What `/metrics` shows of the database: queues, open changes and processes, read in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause, hold_offs
from vpsops.core.break_glass.repository import count_open
from vpsops.core.changes.model import State
from vpsops.core.ends import repository as ends
from vpsops.core.messaging.bot_presence import has_bot
from vpsops.core.messaging.outbox import QUIET
from vpsops.core.storage.leases import DEAD_SECONDS
from vpsops.core.storage.tables import CHANGES, INBOX, OUTBOX, PROCESSES


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many rows wait, and since when the oldest of them does, in UTC seconds."""

    depth: int
    since: float | None

    def age(self, now: float) -> float:
        """Return the age of the oldest row in seconds; 0 without one."""
        return 0.0 if self.since is None else max(now - self.since, 0.0)


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """What a scrape shows of the database."""

    queues: Mapping[str, QueueState]
    states: Mapping[str, int]
    reviews: int
    ends: Mapping[str, int]
    dead: int
    hold_offs: Mapping[str, int]
    paused: bool
    processes: Mapping[str, int]


def read_snapshot(connection: Connection, tick: float, now: float) -> DatabaseSnapshot:
    """Read what a scrape shows, in the caller's transaction; `tick` is the lease clock, `now` UTC seconds."""
    waiting, quiet = OUTBOX.c.state == "waiting", OUTBOX.c.error == QUIET
    arrived = sa.func.coalesce(INBOX.c.arrived_at, INBOX.c.received_at)
    due = sa.or_(CHANGES.c.not_before.is_(None), CHANGES.c.not_before <= now)
    scopes = [_scope_of(wish.scope) for wish in hold_offs.all_in_force(connection, now)]
    return DatabaseSnapshot(
        queues={
            "inbox": _queue(connection, arrived, INBOX.c.done_at.is_(None)),
            "outbox": _outbox(connection, waiting & ~quiet, tick),
            "runs": _queue(connection, CHANGES.c.updated_at, (CHANGES.c.state == State.APPROVED.value) & due),
        },
        states=_grouped(
            connection, CHANGES.c.state, CHANGES.c.state.in_([state.value for state in State if state.open])
        ),
        reviews=count_open(connection),
        ends=ends.counts(connection),
        dead=_queue(connection, OUTBOX.c.created_at, OUTBOX.c.state == "dead").depth,
        hold_offs={scope: scopes.count(scope) for scope in scopes},
        paused=agent_pause.read(connection).paused,
        processes=_grouped(
            connection, PROCESSES.c.front, PROCESSES.c.beat.between(tick - DEAD_SECONDS, tick + DEAD_SECONDS)
        ),
    )


def _queue(connection: Connection, since: sa.ColumnElement[float], where: sa.ColumnElement[bool]) -> QueueState:
    row = connection.execute(sa.select(sa.func.count(), sa.func.min(since)).where(where)).one()
    return QueueState(row[0], row[1])


def _outbox(connection: Connection, where: sa.ColumnElement[bool], tick: float) -> QueueState:
    """Return the messages that wait, which have no age where no bot ever served: they are late for no one."""
    queue = _queue(connection, OUTBOX.c.created_at, where)
    return queue if has_bot(connection, tick) else replace(queue, since=None)


def _grouped(connection: Connection, column: sa.Column[str], where: sa.ColumnElement[bool]) -> dict[str, int]:
    query = sa.select(column, sa.func.count()).where(where).group_by(column)
    return {row[0]: row[1] for row in connection.execute(query)}


def _scope_of(scope: str) -> str:
    return scope if scope in {hold_offs.ALL_WRITES, hold_offs.CREATES} else "server"
