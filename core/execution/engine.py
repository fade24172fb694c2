"""The engine of one process: runs approved changes, watches them, keeps the table tidy.

Started lazily by the first change: until then it loads nothing and sends no heartbeat; reads never start it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from sqlalchemy.engine import Connection

from vpsops.core.authorization.attempts import ClaimedChange
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.break_glass.reminders import ReviewReminders
from vpsops.core.changes.model import Change, State
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import HEARTBEAT, POLLER, RECONCILER, Supervisor, error_id_of
from vpsops.core.common.timings import Timing
from vpsops.core.continuity.anchors import AnchorPublisher
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.execution.claims import sent_operations
from vpsops.core.execution.ends.end_deletion import EndDeletion
from vpsops.core.execution.ends.end_stop import EndStop
from vpsops.core.execution.ends.worker import EndWorker
from vpsops.core.execution.plans.fleet import FleetReader
from vpsops.core.execution.plans.member_start import MemberStart
from vpsops.core.execution.plans.worker import PlanWorker
from vpsops.core.execution.poller import ChangePoller, watch_quietly
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.execution.retention import DEFAULT_DAYS, Retention, RetentionDays
from vpsops.core.execution.runner import Runner
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.monitoring.server_feed import ServerFeed
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.operations.target import is_plan
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.schedule.steady_date import SteadyDate
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import Process
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import WORK, ProviderConnection

logger = structlog.get_logger(__name__)
RETENTION: Final = "retention"
REVIEWS: Final = "reviews"
ENDS: Final = "ends"
ANCHORS: Final = "anchors"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """What an engine runs on, opened by the composition root.

    With `always` the provider is polled even while nothing is being changed: a channel subscribes to its events.
    """

    database: Database
    connection: ProviderConnection
    clock: Clock
    process: Process
    timing: Timing
    policy: PolicyInForce
    group: TaskGroup
    supervisor: Supervisor
    continuity: ContinuityMonitor
    offers: OfferMemory
    accounts: AccountDirectory | None = None
    anchors: AnchorPublisher | None = None
    always: bool = False
    telemetry: Telemetry = NO_TELEMETRY
    retention: RetentionDays = DEFAULT_DAYS


class Engine:
    """Runs changes; started on the first change, or at once by a process that serves others."""

    def __init__(self, parts: EngineParts) -> None:
        self.supervisor = parts.supervisor
        self.continuity = parts.continuity
        self._anchors = parts.anchors
        self._group = parts.group
        self._process = parts.process
        self._started = anyio.Lock()
        self._running = False
        self._runs: set[str] = set()
        self._plans: set[str] = set()  # that run here
        self._plans_due: set[str] = set()  # that are about to
        self._claims: dict[str, ClaimedChange] = {}  # of changes that are about to run
        self._watching = False
        self._retention = Retention(parts.database, parts.clock, parts.retention)
        work = Wayscloud(parts.connection, WORK)
        self.fleet = ServerFeed(work, parts.clock, parts.timing, parts.group, parts.supervisor)
        self._watcher = self._poller_of(parts, work)
        self._runner = self._runner_of(parts, work)
        self._plan_worker = self._plan_worker_of(parts, work)
        self._ends = self._end_worker_of(parts, work)
        self._reconciler = self._reconciler_of(parts)

    def _reconciler_of(self, parts: EngineParts) -> Reconciler:
        return Reconciler(
            parts.database,
            parts.clock,
            parts.process,
            parts.timing,
            self.run,
            self._running_ids,
            self.watch,
            parts.always,
            self.continuity,
            Recheck(parts.policy, parts.timing),
            SteadyDate(parts.clock),
            run_plan=self.run_plan,
        )

    def _plan_worker_of(self, parts: EngineParts, work: Wayscloud) -> PlanWorker:
        recheck = Recheck(parts.policy, parts.timing)
        fleet = FleetReader(parts.database, work, parts.clock)
        start = MemberStart(parts.database, work, parts.clock, recheck, self.continuity, self.claim, fleet)
        breaks = parts.timing.breaks
        return PlanWorker(parts.database, parts.clock, parts.process, start, self.run_claimed, breaks)

    def _end_worker_of(self, parts: EngineParts, work: Wayscloud) -> EndWorker:
        recheck = Recheck(parts.policy, parts.timing)
        stop = EndStop(parts.database, work, parts.clock, recheck, self.continuity, self.claim)
        deletion = EndDeletion(parts.database, work, parts.clock, recheck, self.continuity, parts.accounts)
        return EndWorker(parts.database, work, parts.clock, SteadyDate(parts.clock), stop, deletion, self.run_claimed)

    def _poller_of(self, parts: EngineParts, work: Wayscloud) -> ChangePoller:
        return ChangePoller(
            parts.database,
            work,
            parts.clock,
            parts.process,
            parts.timing,
            self.fleet,
            parts.always,
            self.supervisor.recorder(POLLER),
            parts.telemetry.tracer,
        )

    def _runner_of(self, parts: EngineParts, work: Wayscloud) -> Runner:
        return Runner(
            parts.database,
            work,
            parts.clock,
            parts.process,
            parts.timing,
            Recheck(parts.policy, parts.timing),
            self.poll_soon,
            self.continuity,
            parts.offers,
            parts.telemetry.tracer,
        )

    def _running_ids(self) -> frozenset[str]:
        return frozenset(self._runs)

    @property
    def running(self) -> bool:
        """Return whether this process runs changes, and therefore sends heartbeats."""
        return self._running

    async def start(self) -> None:
        """Start heartbeats and the reconciler; a second start does nothing. Raises `StorageError`."""
        async with self._started:
            if self._running:
                return
            await self._process.beat()
            await self.continuity.open()
            self._running = True
            for name, loop in (
                (HEARTBEAT, self._process.beat_on),
                (RECONCILER, self._reconciler.keep),
                (RETENTION, self._retention.keep),
                (ENDS, self._ends.keep),
                (REVIEWS, ReviewReminders(self._retention.database, self._retention.clock).keep),
            ):
                self.supervisor.start(name, partial(loop, self.supervisor.recorder(name)), group=self._group)
            if self._anchors is not None and self._anchors.places.named:
                leaving = partial(self._anchors.keep, self.supervisor.recorder(ANCHORS))
                self.supervisor.start(ANCHORS, leaving, group=self._group)

    def claim(self, connection: Connection, change: Change) -> Change:
        """Claim a change in the transaction that lets it run, if it does; return it in its new state."""
        if change.state is State.APPROVED and is_plan(change.operation):
            self._plans_due.add(change.id)
        if change.state is not State.APPROVED or change.operation not in sent_operations():
            return change
        claim = self._runner.claims.claim_in(connection, change)
        self._claims[change.id] = claim
        return claim.change

    def run_claimed(self, change_id: str) -> None:
        """Run a change if it was claimed, once that is committed."""
        if change_id in self._claims:
            self.run(change_id)
        if change_id in self._plans_due:
            self.run_plan(change_id)

    def run_plan(self, plan_id: str) -> None:
        """Run a plan in the background; one that runs here already is left alone."""
        self._plans_due.discard(plan_id)
        if plan_id in self._plans:
            return
        self._plans.add(plan_id)
        self.supervisor.start_once("plan", partial(self._run_plan, plan_id), group=self._group)

    async def _run_plan(self, plan_id: str) -> None:
        try:
            await self._plan_worker.run(plan_id)
        except Exception as error:
            error_id = error_id_of(error)
            logger.exception("plan_failed", plan=plan_id, error_id=error_id)
            await self._note_break(plan_id, error_id, self._plan_worker.note_break)
        finally:
            self._plans.discard(plan_id)

    def run(self, change_id: str) -> None:
        """Run an approved change in the background; one that runs here already is left alone."""
        claim = self._claims.pop(change_id, None)
        if change_id in self._runs:
            return
        self._runs.add(change_id)
        self.supervisor.start_once("run", partial(self._run, change_id, claim), group=self._group)

    async def _run(self, change_id: str, claim: ClaimedChange | None) -> None:
        try:
            await self._runner.run(change_id, claim)
        except Exception as error:  # a bug, or arguments that cannot be read
            error_id = error_id_of(error)
            logger.exception("run_failed", change=change_id, error_id=error_id)
            await self._note_break(change_id, error_id, self._runner.claims.note_break)
        finally:
            self._runs.discard(change_id)

    async def _note_break(self, change_id: str, error_id: str, note: Callable[[str, str], Awaitable[None]]) -> None:
        try:
            await note(change_id, error_id)
        except StorageError as error:  # the reconciler sees the change again
            logger.error("storage_failed", change=change_id, error=error.message, error_id=error.error_id)

    def poll_soon(self) -> None:
        """Start the poller, and have it poll soon."""
        self._watcher.nudge()
        self.watch()

    def watch(self, newest: float = 0.0) -> None:
        """Poll in the background; a running poller of this process gets the time of the newest change sent."""
        if self._watching:
            self._watcher.hear(newest)
            return
        self._watching = True
        self.supervisor.start(POLLER, self._watch, group=self._group, ends=True)

    async def _watch(self) -> None:
        await watch_quietly(self._watcher)
        self._watching = False

    async def stop(self) -> None:
        """Sign off, so that others take over at once."""
        if self._running:
            await self._process.leave()
