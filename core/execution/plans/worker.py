"""Runs plans to their ends: one process at a time for each, by a lease; every step is decided by what is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import structlog
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, StorageError, UnreadableRowError
from vpsops.core.common.text import one_line
from vpsops.core.common.timings import (
    PLAN_POLL_SECONDS,
    PLAN_RETRY_SECONDS,
    PROBE_PAUSE_SECONDS,
    PROBE_SECONDS,
)
from vpsops.core.continuity.continuity_monitor import StoreWentBackError
from vpsops.core.execution.notes import BROKEN
from vpsops.core.execution.plans.member_start import MemberStart, NotInTurnError
from vpsops.core.execution.plans.probe import Probe, probe_server
from vpsops.core.messaging import outbox
from vpsops.core.plans.model import (
    MemberState,
    PlanMember,
    begins_no_more,
    is_running_plan,
    options_of,
)
from vpsops.core.plans.progress import AwaitMembers, BeginMember, EndPlan, next_step, plan_words
from vpsops.core.plans.repository import leave_waiting, move_member, note_wait, read_tally
from vpsops.core.plans.requests import probe_from
from vpsops.core.plans.running.card_steps import CardStep, card_step
from vpsops.core.plans.running.member_wait import since_when, wait_of
from vpsops.core.plans.running.unfollowed_members import end_running
from vpsops.core.plans.tally import PlanTally
from vpsops.core.schedule.model import MissedError, check_in_time
from vpsops.core.scheduler.due_changes import expire_missed
from vpsops.core.storage import leases
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES

logger = structlog.get_logger(__name__)
LONGEST_MEMBER_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class PlanView:
    """A running plan with the tally of its members, and the changes of those that run, as of one moment."""

    plan: Change
    tally: PlanTally
    changes: Mapping[str, Change]

    @property
    def running(self) -> list[PlanMember]:
        """The members that run."""
        return self.tally.running


@dataclass(slots=True)
class PlanWorker:
    """Runs plans in this process."""

    database: Database
    clock: Clock
    process: Process
    start: MemberStart
    run_change: Callable[[str], None]
    breaks: int
    probe: Probe = probe_server
    _ended: dict[str, float] = field(default_factory=dict)  # when the last member of a plan ended here, by steady time
    _drawn: dict[str, CardStep] = field(default_factory=dict)  # where the cards of plans were last drawn

    async def run(self, plan_id: str) -> None:
        """Run a plan until it ends, or another living process has it."""
        try:
            while True:
                mark = self.database.signals.mark(outbox.topic_of(plan_id))
                seconds = await self._safe_round(plan_id)
                if seconds is None:
                    return
                if seconds > 0:
                    await self.database.signals.wait(seconds, since=mark)
        finally:
            self._ended.pop(plan_id, None)
            self._drawn.pop(plan_id, None)

    async def _safe_round(self, plan_id: str) -> float | None:
        """Do one round; return the seconds until the next, None where this process is done with the plan."""
        try:
            return await self._round(plan_id)
        except (StaleChangeError, NotInTurnError):
            return PLAN_RETRY_SECONDS
        except UnreadableRowError as error:
            logger.info("plan_released", plan=plan_id, why=error.why)
            return None
        except StoreWentBackError:
            await self.start.continuity.check()
            return None
        except NotAllowedError as error:  # this process was started with another policy than the one in force
            logger.info("plan_released", plan=plan_id, why=error.message)
            return None
        except StorageError as error:
            logger.error("storage_failed", plan=plan_id, error=error.message, error_id=error.error_id)
            return PLAN_RETRY_SECONDS

    async def _round(self, plan_id: str) -> float | None:
        view = await self._view(plan_id)
        if view is None:
            return None
        settled = [member for member in view.running if _is_settled(view.changes.get(member.change_id))]
        if settled:
            await self._settle(view, settled)
            return 0.0
        now = self.clock.now()
        match next_step(view.tally, options_of(view.plan), now, stopping=begins_no_more(view.plan, now)):
            case BeginMember(member=member):
                left = self._pause_left(view.plan)
                return min(left, PLAN_POLL_SECONDS) if left > 0 else await self._begin(view, member)
            case AwaitMembers(seconds=seconds):
                return PLAN_POLL_SECONDS if seconds is None else min(seconds, PLAN_POLL_SECONDS)
            case EndPlan(state=state):
                await self.database.transact(partial(self._finish, plan_id, state, ""))
                return None

    def _pause_left(self, plan: Change) -> float:
        """Return the seconds left of a plan's pause by the steady clock, which no date that is set shortens."""
        ended = self._ended.get(plan.id)
        return 0.0 if ended is None else ended + options_of(plan).pause - self.clock.monotonic()

    async def _view(self, plan_id: str) -> PlanView | None:
        """Return a plan that this process runs, or None; it begins with the first read under the lease."""
        view, mine = await self.database.read(partial(self._read, plan_id))
        if mine and is_running_plan(view.plan):
            return view
        if view.plan.state not in {State.APPROVED, State.WATCHING}:
            return None
        return await self.database.transact(partial(self._take, plan_id))

    def _read(self, plan_id: str, connection: Connection) -> tuple[PlanView, bool]:
        plan = repository.load(connection, plan_id)
        tally = read_tally(connection, plan)
        ids = [member.change_id for member in tally.running]
        changes = repository.select(connection, CHANGES.c.id.in_(ids), limit=None) if ids else []
        mine = leases.lease_holder(connection, lease_of(plan_id)) == self.process.id
        return PlanView(plan, tally, {change.id: change for change in changes}), mine

    def _take(self, plan_id: str, connection: Connection) -> PlanView | None:
        """Take a plan's lease, and let it begin where it was only approved."""
        tick = self.database.tick(connection)
        if not leases.acquire_lease(connection, lease_of(plan_id), self.process.id, tick):
            return None
        self.start.recheck.policy.check(connection)
        plan = repository.load(connection, plan_id, lock=True)
        if plan.state is State.APPROVED:
            plan = self._started(connection, plan)
        return self._read(plan_id, connection)[0] if is_running_plan(plan) else None

    def _started(self, connection: Connection, plan: Change) -> Change:
        """Let a plan begin, or end it where its time is over."""
        now = self.clock.now()
        try:
            check_in_time(plan.schedule, now)
        except MissedError:
            leases.release_lease(connection, lease_of(plan.id), self.process.id)
            return expire_missed(connection, plan, now)
        note = plan_words(plan, read_tally(connection, plan), now)
        return repository.step(connection, plan, State.WATCHING, now, event="plan_started", owner=None, note=note)

    async def _begin(self, view: PlanView, member: PlanMember) -> float:
        plan_id = view.plan.id
        finding = await self.start.begin(view.plan, member, view.running)
        if finding.change_id:
            self.run_change(finding.change_id)
            await self.database.transact(partial(self._note_again, plan_id))
            return 0.0
        if finding.after is None:
            why, wait = one_line(finding.why, LONGEST_MEMBER_NOTE), wait_of(view.tally, self.clock.now())
            if wait is None or wait.why != why or wait.is_over(self.clock.now()):  # a commit would wake this very plan
                await self.database.transact(partial(self._wait, plan_id, member, why))
            return PLAN_RETRY_SECONDS
        await self.database.transact(partial(self._move, plan_id, member, finding.after, finding.why))
        return 0.0

    def _wait(self, plan_id: str, member: PlanMember, why: str, connection: Connection) -> None:
        """Store what the next member waits for, or that it waited for too long while nothing of its plan ran."""
        logger.info("plan_waits", plan=plan_id, why=why)
        plan, now = repository.load(connection, plan_id, lock=True), self.clock.now()
        note_wait(connection, plan_id, member, why, since_when(member, now))
        wait = wait_of(read_tally(connection, plan), now)
        if wait is not None and wait.member.ordinal == member.ordinal and wait.is_over(now):
            move_member(connection, plan_id, wait.member, MemberState.FAILED, now, note=wait.why)
        self._note(connection, plan)

    async def _settle(self, view: PlanView, members: Sequence[PlanMember]) -> None:
        """Store what became of members; those that succeeded have to answer their plan's probe first."""
        unhealthy: dict[int, str] = {}

        async def check(member: PlanMember) -> None:
            unhealthy[member.ordinal] = await self._unhealthy(view.plan, member, view.changes[member.change_id])

        outcomes = {member.ordinal: outcome_of(view.changes[member.change_id]) for member in members}
        async with anyio.create_task_group() as group:  # a server that does not answer keeps no other one waiting
            for member in members:
                if outcomes[member.ordinal][0] is MemberState.DONE:
                    group.start_soon(check, member)
        for member in members:
            after, note = outcomes[member.ordinal]
            why = unhealthy.get(member.ordinal)
            after, note = (MemberState.FAILED, f"it was done, and {why}") if why else (after, note)
            await self._store_end(view.plan.id, member, after, note)

    async def _store_end(self, plan_id: str, member: PlanMember, after: MemberState, note: str) -> None:
        try:
            await self.database.transact(partial(self._move, plan_id, member, after, note))
            self._ended[plan_id] = self.clock.monotonic()
        except StaleChangeError:
            logger.info("plan_member_already_moved", plan=plan_id, ordinal=member.ordinal)

    async def _unhealthy(self, plan: Change, member: PlanMember, change: Change) -> str:
        """Return why a server did not answer within the time of a probe, or ""."""
        spec = probe_from(member.part.probe if member.part is not None else options_of(plan).probe)
        if spec is None:
            return ""
        end = self.clock.monotonic() + PROBE_SECONDS
        while True:
            why = await self.probe(change.target, spec)
            if not why or self.clock.monotonic() + PROBE_PAUSE_SECONDS >= end:
                return why
            await self.clock.sleep(PROBE_PAUSE_SECONDS)

    def _move(self, plan_id: str, member: PlanMember, after: MemberState, note: str, connection: Connection) -> None:
        plan, note = repository.load(connection, plan_id, lock=True), one_line(note, LONGEST_MEMBER_NOTE)
        move_member(connection, plan_id, member, after, self.clock.now(), note=note)
        self._note(connection, plan)

    def _note_again(self, plan_id: str, connection: Connection) -> None:
        self._note(connection, repository.load(connection, plan_id, lock=True))

    def _note(self, connection: Connection, plan: Change) -> None:
        """Write how far a plan is, and have its card drawn again where that is far enough."""
        now, tally = self.clock.now(), read_tally(connection, plan)
        words = plan_words(plan, tally, now)
        if not is_running_plan(plan) or words == plan.note:
            return
        repository.amend(connection, plan, now, note=words)
        before, wait = self._drawn.get(plan.id), wait_of(tally, now)
        step = card_step(tally, words, before, waits=wait is not None and wait.until is not None)
        if step != before:
            self._drawn[plan.id] = step
            outbox.put_card(connection, plan.id, now)

    def _finish(self, plan_id: str, state: State, why: str, connection: Connection) -> None:
        plan, now = repository.load(connection, plan_id, lock=True), self.clock.now()
        if not is_running_plan(plan):
            return
        end_running(connection, now, plan_id)  # there is one only where the run of the plan itself broke
        leave_waiting(connection, plan_id, now)
        tally = read_tally(connection, plan)
        words = plan_words(plan, tally, now, why)
        body = {"why": words, "members": {state.value: count for state, count in tally.counts.items()}}
        repository.step(
            connection, plan, state, now, event="plan_ended", body=body, note=words, settled_at=now.timestamp()
        )
        outbox.put_notice(connection, plan_id, state.value, now)
        leases.release_lease(connection, lease_of(plan_id), self.process.id)

    async def note_break(self, plan_id: str, error_id: str) -> None:
        """Count a run that broke by a fault of ours; after some the plan ends, and begins no other member.

        Raises `StorageError`.
        """

        def work(connection: Connection) -> None:
            plan = repository.load(connection, plan_id, lock=True)
            if not is_running_plan(plan):
                return
            breaks = (connection.scalar(repository.column(CHANGES.c.breaks, plan_id)) or 0) + 1
            body = {"error": error_id, "attempt": breaks}
            repository.amend(connection, plan, self.clock.now(), event="run_broke", body=body, breaks=breaks)
            if breaks >= self.breaks:
                why = BROKEN.format(count=breaks, error=error_id).removeprefix(": ")
                self._finish(plan_id, State.FAILED, f"V{why[1:]}", connection)

        await self.database.transact(work)


def lease_of(plan_id: str) -> str:
    """Return the name of the lease on a plan."""
    return f"plan:{plan_id}"[:40]


def _is_settled(change: Change | None) -> bool:
    return change is not None and (change.state.final or change.state is State.NEEDS_PERSON)


def outcome_of(change: Change) -> tuple[MemberState, str]:
    """Return what a member's change came to, and why."""
    match change.state:
        case State.SUCCEEDED:
            return MemberState.DONE, "accepted, not verified" if change.unseen else ""
        case State.NEEDS_PERSON:
            return MemberState.UNCLEAR, change.id
        case _:
            return MemberState.FAILED, change.note or change.state.value
