"""Claims of changes: those with an operation and format that this process supports, and their place among writes."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.attempts import ClaimedChange, WriteTurn
from vpsops.core.authorization.hold_offs import HeldOffError, check_wishes
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.serialization import FORMAT
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import Timing
from vpsops.core.execution import write_rate_limit
from vpsops.core.execution.deferral import LapsedError, check_lapse
from vpsops.core.execution.notes import BROKEN, not_sent
from vpsops.core.messaging import outbox
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.traits import RUNBOOK, plan_of
from vpsops.core.schedule.model import MissedError
from vpsops.core.storage.capability import Capability, Need, capabilities
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import Process, alive
from vpsops.core.storage.tables import CHANGES

AFTER_HOLD: Final = (State.APPROVED, State.SENDING, State.WATCHING, State.UNKNOWN)


def sent_operations() -> frozenset[str]:
    """Return the operations that are sent: the registry's writing ones."""
    return frozenset(name for name, operation in OPERATIONS.items() if not operation.reads)


def plan_operations() -> frozenset[str]:
    """Return the stored names of plans; their members are sent in their place."""
    planned = frozenset(plan_of(operation).name for operation in OPERATIONS.values() if operation.plannable)
    return planned | {RUNBOOK.name}


def own_capability() -> Capability:
    """Return the capability of this process: what it sends, and the plans that it runs."""
    return Capability(FORMAT, sent_operations() | plan_operations())


def runnable() -> sa.ColumnElement[bool]:
    """The condition that this version can send a change, or watch it."""
    return CHANGES.c.operation.in_(sorted(sent_operations())) & (CHANGES.c.format <= FORMAT)


def supported() -> sa.ColumnElement[bool]:
    """The condition that this version can send a change, or run it as a plan."""
    own = own_capability()
    return CHANGES.c.operation.in_(sorted(own.operations)) & (CHANGES.c.format <= own.format)


def open_plans() -> sa.ColumnElement[bool]:
    """The condition that a change is a plan that this version can run, and that may begin or runs."""
    states = repository.in_states(State.APPROVED, State.WATCHING)
    return states & CHANGES.c.operation.in_(sorted(plan_operations())) & (CHANGES.c.format <= FORMAT)


def needs(connection: Connection, *states: State) -> frozenset[Need]:
    """Return the requirements of the changes in some states."""
    query = sa.select(CHANGES.c.operation, CHANGES.c.format).distinct()
    rows_read = connection.execute(query.where(CHANGES.c.state.in_([state.value for state in states])))
    return frozenset(Need(row.operation, row.format) for row in rows_read)


def is_outranked(connection: Connection, others: AbstractSet[str], states: Sequence[State]) -> bool:
    """Return whether another living process supports all that this one does, and some other waiting change too."""
    own = own_capability()
    beyond = {need for need in needs(connection, *states) if not own.covers(need)}
    if not beyond:
        return False
    known = capabilities(connection, set(others)).values()
    return any(capability.includes(own) and any(capability.covers(need) for need in beyond) for capability in known)


def claim(connection: Connection, where: sa.ColumnElement[bool], owner: str, now: float, limit: int) -> list[str]:
    """Claim approved changes for a process and return their ids, the oldest first.

    Rows that another process is claiming at this moment are passed over (`SKIP LOCKED`), so that several processes
    share a backlog instead of queueing for its first row.
    """
    approved = (CHANGES.c.state == State.APPROVED.value) & runnable() & where
    oldest = sa.select(CHANGES.c.id).where(approved).order_by(CHANGES.c.created_at, CHANGES.c.id)
    taken: list[str] = []
    seen: set[str] = set()
    while len(taken) < limit:
        query = oldest.where(CHANGES.c.id.not_in(seen)).limit(limit - len(taken))
        ids = list(connection.scalars(query.with_for_update(skip_locked=True)))
        if not ids:
            break
        seen.update(ids)
        readable = {change.id for change in repository.select(connection, CHANGES.c.id.in_(ids), limit=None)}
        taken += [ident for ident in ids if ident in readable]
    if taken:
        values = {"owner": owner, "updated_at": now, "version": CHANGES.c.version + 1}
        connection.execute(sa.update(CHANGES).where(CHANGES.c.id.in_(taken)).values(**values))
    return taken


@dataclass(frozen=True, slots=True)
class WriteClaims:
    """Claims changes for this process, each with its place among the writes of all processes, and gives them back."""

    database: Database
    clock: Clock
    process: Process
    timing: Timing
    recheck: Recheck

    async def claim(self, change_id: str) -> ClaimedChange | None:
        """Claim an approved change by its id, unless it is no longer approved or another living process runs it."""

        def work(connection: Connection) -> ClaimedChange | None:
            change = repository.load(connection, change_id, lock=True)
            tick = self.database.tick(connection)
            owner = connection.scalars(repository.column(CHANGES.c.owner, change_id)).one()
            if change.state is not State.APPROVED or change.operation not in sent_operations():
                return None
            if owner in alive(connection, tick) - {self.process.id}:
                return None
            return self._claimed(connection, change) if self.recheck.policy.agrees(connection) else None

        return await self.database.transact(work, wake=False)

    def claim_in(self, connection: Connection, change: Change) -> ClaimedChange:
        """Claim an approved change for this process, with its place among all writes, in the caller's transaction.

        The caller has checked in it whether agents are paused.
        """
        claimed = repository.claim(connection, change, self.clock.now(), self.process.id)
        return ClaimedChange(claimed, self._place(connection, change))

    def _claimed(self, connection: Connection, change: Change) -> ClaimedChange:
        turn = self.take_turn(connection, change)
        return ClaimedChange(repository.claim(connection, change, self.clock.now(), self.process.id), turn)

    def take_turn(self, connection: Connection, change: Change) -> WriteTurn:
        """Return a change's place among all writes, or why it has none."""
        try:
            agent_pause.check(connection, change.actor)
            check_lapse(connection, change, self.clock.now(), self.recheck.policy.timing_from(self.timing))
        except (AgentsPausedError, LapsedError, MissedError) as error:
            return WriteTurn(barrier=error)
        return self._place(connection, change)

    def _place(self, connection: Connection, change: Change) -> WriteTurn:
        try:
            check_wishes(connection, change, self.clock.now())
        except HeldOffError as error:
            return WriteTurn(barrier=error)
        delay = write_rate_limit.reserve(connection, self.database.tick(connection), self.timing)
        return WriteTurn(self.clock.monotonic() + delay)

    async def note_break(self, change_id: str, error_id: str) -> None:
        """Count a run that failed before anything was sent; after three the change ends, for it would fail again.

        Between them it is free for any process: another version may be able to run it. Raises `StorageError`.
        """
        now = self.clock.now()

        def work(connection: Connection) -> None:
            change = repository.load(connection, change_id, lock=True)
            columns = sa.select(CHANGES.c.owner, CHANGES.c.breaks).where(CHANGES.c.id == change_id)
            owner, breaks = connection.execute(columns).one()
            others = alive(connection, self.database.tick(connection)) - {self.process.id}
            if change.state is not State.APPROVED or owner in others:
                return
            body = {"error": error_id, "attempt": breaks + 1}
            change = repository.amend(
                connection, change, now, event="run_broke", body=body, breaks=breaks + 1, owner=None
            )
            if breaks + 1 >= self.timing.breaks:
                note = not_sent(change, BROKEN.format(count=breaks + 1, error=error_id))
                repository.step(connection, change, State.FAILED, now, event="not_sent", body={"why": note}, note=note)
                outbox.put_notice(connection, change_id, State.FAILED.value, now)

        await self.database.transact(work)
