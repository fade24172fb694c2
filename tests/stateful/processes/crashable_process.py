"""Processes that a test can stop before or after any commit and any byte: dead for good, or woken late."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import anyio
import httpx
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import StorageError
from vpsops.core.common.timings import Timing, TransportSettings
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.execution.ends.end_deletion import EndDeletion
from vpsops.core.execution.ends.end_stop import EndStop
from vpsops.core.execution.ends.worker import EndWorker
from vpsops.core.execution.plans.fleet import FleetReader
from vpsops.core.execution.plans.member_start import MemberStart
from vpsops.core.execution.plans.worker import PlanWorker
from vpsops.core.execution.poller import ChangePoller
from vpsops.core.execution.reconciler import Reconciler
from vpsops.core.execution.runner import Runner
from vpsops.core.policy import Policy, Rule
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.schedule.steady_date import SteadyDate
from vpsops.core.storage import Database
from vpsops.core.storage.commit_notifier import Signals
from vpsops.core.storage.leases import Process
from vpsops.core.storage.pools import Pools
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.playground.wayscloud.app import SimulatorApp

T = TypeVar("T")
KEY = "wayscloud_vps_test1_SECRET"
LOOK_SECONDS = 0.0005  # between two looks at a process that works
PROMPT = TransportSettings(wait_initial=0, wait_jitter=0, attempts=2, retry_after_cap=0)


class ProcessKilledError(BaseException):
    """The process is no more: whatever it would do next is not done."""


class HastyClock(FakeClock):
    """A clock on which each sleep advances the time, with a date that is set: `true` is what it shows without that."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Return the date as it is set."""
        return self.true + self.ahead

    @property
    def true(self) -> datetime:
        """The date as time has passed."""
        return super().now()

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.advance(max(seconds, 0.0))
        await anyio.lowlevel.checkpoint()


class StopPoint(StrEnum):
    """What happens to a process at the point where it is stopped."""

    DIE = "die"
    FREEZE = "freeze"  # until it is woken
    FAIL = "fail"  # the database is away for this one transaction


@dataclass(slots=True)
class Life:
    """Where a process is stopped next: after `left` more points."""

    left: int | None = None
    stop: StopPoint = StopPoint.DIE
    dead: bool = False
    paused: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def point(self, *stops: StopPoint) -> None:
        """Pass a point before or after a commit, a request or an answer, where some stops are possible."""
        if self.left is not None and not self.dead:
            self.left -= 1
            if self.left < 0 and self.stop in stops:
                self.left = None
                await self._stop()
        if self.dead:
            raise ProcessKilledError

    async def _stop(self) -> None:
        match self.stop:
            case StopPoint.DIE:
                self.dead = True
            case StopPoint.FAIL:
                raise StorageError("The database stayed locked by another process.")
            case StopPoint.FREEZE:
                self.paused = True
                self.woken.clear()
                await self.woken.wait()
                self.paused = False


class CrashableDatabase(Database):
    """A way into the database that ends with its process."""

    def __init__(self, pools: Pools, clock: FakeClock, life: Life) -> None:
        super().__init__(pools, clock, Signals(pools, clock))
        self._life = life

    async def transact(
        self, work: Callable[[Connection], T], *, durable: bool = True, wake: bool = True, heart: bool = False
    ) -> T:
        """Commit, if the process lives that long."""
        await self._life.point(*StopPoint)
        done = await super().transact(work, durable=durable, wake=wake, heart=heart)
        await self._life.point(StopPoint.DIE, StopPoint.FREEZE)
        return done


class CrashableTransport(httpx.ASGITransport):
    """A way to the provider that ends with its process."""

    def __init__(self, app: SimulatorApp, life: Life) -> None:
        super().__init__(app)
        self._life = life

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send and receive, if the process lives that long."""
        # A write on its way has passed the fence: frozen there and woken late it would still be sent.
        await self._life.point(*((StopPoint.DIE, StopPoint.FREEZE) if request.method == "GET" else (StopPoint.DIE,)))
        answer = await super().handle_async_request(request)
        await self._life.point(StopPoint.DIE, StopPoint.FREEZE)
        return answer


class PollEndedError(BaseException):
    """A poll is over."""


class SinglePoll(ChangePoller):
    """A watcher that polls once."""

    async def _pause(self, seconds: float) -> None:
        raise PollEndedError(seconds)


class CrashableProcess:
    """One process: the test lets it do one thing at a time, and stops it in the middle."""

    def __init__(self, pools: Pools, app: SimulatorApp, clock: HastyClock, timing: Timing, version: str) -> None:
        self.life = Life()
        self.database = CrashableDatabase(pools, clock, self.life)
        self.api = Wayscloud(
            ProviderConnection(
                Credentials(KEY),
                base_url="http://provider.test",
                clock=clock,
                settings=PROMPT,
                http_transport=CrashableTransport(app, self.life),
            )
        )
        self.process = Process(self.database, clock, "worker")
        self.running: set[str] = set()
        self.runs_requested: list[str] = []  # what its reconciler asked it to run
        self.recheck = Recheck(PolicyInForce(Policy((Rule("all", RuleConditions(), Decision.ALLOW),), version)), timing)
        self.runner = Runner(self.database, self.api, clock, self.process, timing, self.recheck, lambda: None)
        self.watcher = SinglePoll(self.database, self.api, clock, self.process, timing)
        self.reconciler = Reconciler(
            self.database, clock, self.process, timing, self.runs_requested.append, lambda: self.running, lambda _: None
        )
        self.task: asyncio.Task[None] | None = None

    @property
    def is_free(self) -> bool:
        """Return whether it is not stopped in the middle of something."""
        return self.task is None and not self.life.dead

    async def do(
        self, what: str, change_id: str = "", left: int | None = None, stop: StopPoint = StopPoint.DIE
    ) -> None:
        """Run a step to its end, or to the point where the process stops; `_step` names the steps."""
        self.life.left, self.life.stop = left, stop
        self.task = asyncio.create_task(self._do(what, change_id))
        await self._settled()

    async def _do(self, what: str, change_id: str) -> None:
        self.running.update({change_id} - {""})
        try:
            await self._step(what, change_id)
        except (ProcessKilledError, PollEndedError, StorageError):
            return
        except BaseExceptionGroup as group:  # the reads of one poll are tasks of their own
            if group.split((ProcessKilledError, StorageError))[1] is not None:
                raise
        finally:
            self.running.discard(change_id)

    def _step(self, what: str, change_id: str) -> Awaitable[object]:
        match what:
            case "beat":
                return self.process.beat()
            case "keep":
                return self.reconciler.round()
            case "look":
                return self.watcher.watch()
            case _:
                return self.runner.run(change_id)

    async def wake(self, *, dead: bool = False) -> None:
        """Let it continue where it was stopped, or die there."""
        self.life.dead = dead
        self.life.woken.set()
        await self._settled()

    async def _settled(self) -> None:
        """Return when the task has ended or is paused."""
        while self.task is not None:
            if self.task.done():
                task, self.task, self.life.left = self.task, None, None
                task.result()
            elif self.life.paused and not self.life.woken.is_set():
                return
            else:
                await asyncio.wait({self.task}, timeout=LOOK_SECONDS)


class WorkerProcess(CrashableProcess):
    """A process that runs plans, schedules and ends of servers as well; what it begins waits in `runs_requested`."""

    def __init__(self, pools: Pools, app: SimulatorApp, clock: HastyClock, timing: Timing, version: str) -> None:
        super().__init__(pools, app, clock, timing, version)
        continuity = ContinuityMonitor(self.database, clock, self.process.id)
        fleet = FleetReader(self.database, self.api, clock)
        start = MemberStart(self.database, self.api, clock, self.recheck, continuity, self._claim, fleet)
        self.worker = PlanWorker(self.database, clock, self.process, start, self.runs_requested.append, timing.breaks)
        stop = EndStop(self.database, self.api, clock, self.recheck, continuity, self._claim)
        deletion = EndDeletion(self.database, self.api, clock, self.recheck, continuity, None)
        date = SteadyDate(clock)
        date.read()  # as its first round does
        self.reconciler = replace(self.reconciler, recheck=self.recheck, date=date)
        self.ends = EndWorker(self.database, self.api, clock, date, stop, deletion, self.runs_requested.append)

    def _claim(self, connection: Connection, begun: Change) -> Change:
        return self.runner.claims.claim_in(connection, begun).change

    def _step(self, what: str, change_id: str) -> Awaitable[object]:
        match what:
            case "plan":
                return self.worker._safe_round(change_id)
            case "ends":
                return self.ends.round()
            case _:
                return super()._step(what, change_id)
