"""Settles expired changes and those of dead processes, every two seconds, in every process that runs changes.

Waiting costs it nothing: a thousand holds are one indexed query. Two reconcilers do no harm, since
every step is compare-and-set.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.approvals import last_attention
from vpsops.core.changes.model import Change, State
from vpsops.core.common import timings as timing
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StaleChangeError, StorageError
from vpsops.core.common.supervision import RoundRecorder, error_id_of, no_record
from vpsops.core.common.timings import Timing
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor, StoreView
from vpsops.core.execution import claims
from vpsops.core.execution.claims import runnable
from vpsops.core.execution.deferral import is_due
from vpsops.core.execution.plans.worker import lease_of
from vpsops.core.grants.lifecycle import close_due, has_due
from vpsops.core.messaging import outbox
from vpsops.core.messaging.subscriptions import needs_polling
from vpsops.core.schedule.steady_date import SteadyDate
from vpsops.core.scheduler.due_changes import DueChanges, DueTurns, is_near
from vpsops.core.storage import leases
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import BEAT_SECONDS, Process, alive
from vpsops.core.storage.tables import CHANGES

logger = structlog.get_logger(__name__)
BATCH = 100
"""The most changes of a kind that are settled in one round, and runs that one process starts at a time."""
LEAST = 5
"""The runs that are started in a round however many this process has in hand."""
REST_SECONDS: Final = timing.REST_SECONDS
"""A change is retried this long after a failed step, so that many of them do not keep others waiting."""
WATCHED = (State.WATCHING, State.UNKNOWN)
WATCHER = "watcher"
UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class ReconcilerWork:
    """The work that one read of the table finds."""

    expired: list[Change]
    to_remind: list[Change]
    to_run: bool  # something approved has no process that runs it
    orphaned: list[Change]
    scheduled: list[Change]  # those whose time may have come
    newest: float  # when the last of those to watch was sent; 0 without any
    standing: bool  # a channel wants the provider polled, and no process does
    grants: bool = False  # a grant is over, and its row is not
    view: StoreView | None = None  # whether the database is still the one that was seen before
    plans: tuple[str, ...] = ()  # that no other living process runs


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Finds due work and does it."""

    database: Database
    clock: Clock
    process: Process
    timing: Timing
    run: Callable[[str], None]
    running: Callable[[], AbstractSet[str]]  # the changes that this process runs now
    watch: Callable[[float], None]
    always: bool = False  # a channel that the settings name is subscribed to everything
    continuity: ContinuityMonitor | None = None
    recheck: Recheck | None = None  # for scheduled changes; without it they are left to other processes
    date: SteadyDate | None = None
    broken: dict[str, float] = field(default_factory=dict)  # changes with a failed step, and when it is retried
    turns: DueTurns = field(default_factory=DueTurns)
    run_plan: Callable[[str], None] = lambda _: None

    async def keep(self, record_round: RoundRecorder = no_record) -> None:
        """Run rounds until cancelled; log an unavailable database once, and retry."""
        failing = False
        while True:
            try:
                await self.round()
                record_round()
                failing = False
            except StorageError as error:
                if not failing:
                    logger.error("reconciler_storage_failed", error=error.message, error_id=error.error_id)
                failing = True
            await self.clock.sleep(self.timing.keep_seconds - (BEAT_SECONDS / 2 if self._rides else 0.0))

    @property
    def _rides(self) -> bool:
        """Return whether a read of the table can wait for a heartbeat."""
        return self.timing.keep_seconds >= 2 * BEAT_SECONDS

    async def round(self) -> None:
        """Do all due work."""
        believed = self.date.read() if self.date is not None else self.clock.now()
        due = await (self.database.read_along if self._rides else self.database.read)(
            partial(self._due, self.running())
        )
        if self.continuity is not None and due.view is not None:
            await self.continuity.judge(due.view)  # before anything is run: an approval may no longer hold
        await self._settle(due, believed)
        await self._start(due)
        if due.newest or due.orphaned or due.standing:
            self.watch(due.newest)

    async def _settle(self, due: ReconcilerWork, believed: datetime) -> None:
        """Take the step of each change that is due."""
        for change in due.expired:
            await self._step(change, expire)
        for change in due.to_remind:
            await self._step(change, partial(attend, timing=self.timing))
        self.turns.note(due.scheduled, BATCH)
        if due.scheduled and self.recheck is not None:
            settle = DueChanges(self.recheck, believed).settle
            for change in due.scheduled:
                await self._step(change, settle)
        if due.grants:
            await self._close_grants()
        for change in due.orphaned:
            if change.id not in self.running():  # one that began since then is no orphan
                await self._step(change, orphan)

    async def _start(self, due: ReconcilerWork) -> None:
        """Run what no process runs: approved changes, and plans."""
        for change_id in await self._claim() if due.to_run else ():
            self.run(change_id)
        for plan_id in due.plans:
            self.run_plan(plan_id)

    def _due(self, running: AbstractSet[str], connection: Connection) -> ReconcilerWork:
        view = self.continuity.view(connection, self.continuity.mark) if self.continuity is not None else None
        now, tick = self.clock.now().timestamp(), self.database.tick(connection)
        others = alive(connection, tick) - {self.process.id}  # ours that do not run were interrupted
        held = CHANGES.c.state == State.HELD.value
        masterless = self._masterless(others, running)
        approved = (CHANGES.c.state == State.APPROVED.value) & self._unowned(others, running) & runnable()
        return ReconcilerWork(
            expired=self._oldest(connection, held & (CHANGES.c.expires_at <= now)),
            to_remind=self._oldest(connection, held & (CHANGES.c.remind_at <= now)),
            to_run=connection.scalar(sa.select(CHANGES.c.id).where(approved).limit(1)) is not None,
            orphaned=self._oldest(connection, (CHANGES.c.state == State.SENDING.value) & masterless),
            scheduled=self._scheduled(connection),
            newest=self._newest(connection),
            standing=self._is_standing(connection, others),
            grants=has_due(
                connection, self.clock.now(), self.recheck.policy.latest().version if self.recheck else None
            ),
            view=view,
            plans=self._plans(connection, others),
        )

    def _plans(self, connection: Connection, others: AbstractSet[str]) -> tuple[str, ...]:
        """Return the plans that begin or run, of which no other living process has the lease; the oldest first."""
        query = sa.select(CHANGES.c.id).where(claims.open_plans()).order_by(CHANGES.c.created_at).limit(BATCH)
        ids = connection.scalars(query).all()
        return tuple(ident for ident in ids if leases.lease_holder(connection, lease_of(ident)) not in others)

    def _oldest(self, connection: Connection, where: sa.ColumnElement[bool]) -> list[Change]:
        """Return due changes, the oldest first; those that failed recently only after a pause."""
        rested = CHANGES.c.id.not_in(self._resting())
        return repository.select(connection, where, rested, limit=BATCH, oldest_first=True)

    def _scheduled(self, connection: Connection) -> list[Change]:
        near = is_near(self.clock.now()) & claims.supported() & CHANGES.c.id.not_in(self._resting())
        return repository.select_by_time(connection, near, self.turns.is_next, limit=BATCH)

    def _resting(self) -> list[str]:
        """Return the changes of which a step failed recently."""
        now = self.clock.monotonic()
        return [ident for ident, until in self.broken.items() if until > now]

    def _newest(self, connection: Connection) -> float:
        sent = sa.select(sa.func.max(CHANGES.c.sent_at)).where(repository.in_states(*WATCHED), runnable())
        return connection.scalar(sent) or 0.0

    def _masterless(self, others: AbstractSet[str], running: AbstractSet[str]) -> sa.ColumnElement[bool]:
        return (CHANGES.c.owner.is_(None) | CHANGES.c.owner.not_in(others)) & CHANGES.c.id.not_in(running)

    def _unowned(self, others: AbstractSet[str], running: AbstractSet[str]) -> sa.ColumnElement[bool]:
        """Select changes that no process runs; one that moved a moment ago is left to the process that moved it."""
        now, moment = self.clock.now().timestamp(), self.timing.keep_seconds / 2
        recent = CHANGES.c.updated_at.between(now - moment, now + moment)
        return self._masterless(others, running) & ~recent & is_due(now)

    async def _claim(self) -> list[str]:
        """Claim the oldest changes without a process, as many as there is room for here; others take the rest."""
        running = self.running()
        room = max(BATCH - len(running), LEAST)

        def work(connection: Connection) -> list[str]:
            others = alive(connection, self.database.tick(connection)) - {self.process.id}
            now = self.clock.now().timestamp()
            return claims.claim(connection, self._unowned(others, running), self.process.id, now, room)

        return await self.database.transact(work, wake=False)

    def _is_standing(self, connection: Connection, others: AbstractSet[str]) -> bool:
        is_needed = self.always or needs_polling(connection, self.clock.now())
        return is_needed and leases.lease_holder(connection, WATCHER) not in others

    async def _close_grants(self) -> None:
        def work(connection: Connection) -> None:
            version = self.recheck.policy.read(connection).version if self.recheck else None
            close_due(connection, version, self.clock.now())

        try:
            await self.database.transact(work)
        except StaleChangeError:
            logger.info("grant_already_ended")

    async def _step(self, change: Change, step: Callable[[Connection, Change, Clock], Change]) -> None:
        try:
            await self.database.transact(lambda connection: step(connection, change, self.clock))
        except (StaleChangeError, IntegrityError):  # or another change took the server at this moment
            logger.info("change_already_moved", change=change.id)
        except StorageError:
            raise
        except Exception as error:  # one that cannot be settled must not keep the others from it
            known, self.broken[change.id] = change.id in self.broken, self.clock.monotonic() + REST_SECONDS
            if not known:
                logger.exception("reconciler_step_failed", change=change.id, error_id=error_id_of(error))


def expire(connection: Connection, change: Change, clock: Clock) -> Change:
    """End a hold that was not answered in time."""
    note = "Nobody answered in time. Nothing was done."
    outbox.put_notice(connection, change.id, "expired", clock.now())
    return repository.step(connection, change, State.EXPIRED, clock.now(), event="expired", note=note)


def attend(connection: Connection, change: Change, clock: Clock, timing: Timing) -> Change:
    """Remind people of a hold: more of them while it has no votes, and once more before it expires.

    If no process was running at the first time, both are due at once.
    """
    now, last = clock.now(), last_attention(change, timing)
    due = connection.scalars(repository.column(CHANGES.c.remind_at, change.id)).one()
    first = last is not None and due is not None and due < last.timestamp()
    if first and not change.votes:
        outbox.put_notice(connection, change.id, UNANSWERED, now)
        change = repository.amend(connection, change, now, event=UNANSWERED)
    if first and last is not None and now < last:
        return repository.amend(connection, change, now, remind_at=last.timestamp())
    outbox.put_notice(connection, change.id, "reminder", now)
    return repository.amend(connection, change, now, event="reminded", remind_at=None)


def orphan(connection: Connection, change: Change, clock: Clock) -> Change:
    """Mark the outcome as unknown: a process died between the intention and the answer."""
    note = "The process that sent it died before an answer came. The outcome is being checked; nothing is sent again."
    return repository.step(
        connection, change, State.UNKNOWN, clock.now(), event="outcome_unknown", body={"why": "process died"}, note=note
    )
