"""Readiness of a process: whether what it is here for works now, part by part, in plain words.

It is asked by load balancers and supervisors of containers, every few seconds, by any client of the port. So an
answer is cheap, says nothing that is not ours, and comes within about a second however the database is doing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import HEARTBEAT, POLLER, RECONCILER, Supervisor, TaskStatus
from vpsops.core.storage.database import Database
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from vpsops.core.server.metrics_source import MetricsSource

logger = structlog.get_logger(__name__)
ROUND_SECONDS: Final[Mapping[str, float]] = {
    RECONCILER: timings.READY_RECONCILER_SECONDS,  # a round every 2 s; a database that is locked answers after 5
    POLLER: timings.READY_POLLER_SECONDS,  # a poll every 3 to 60 s; every 6 min while the provider refuses the key
    "outbox": timings.READY_OUTBOX_SECONDS,  # a claim every 5 s, unless ten slow messages are in hand
    "inbox": timings.READY_INBOX_SECONDS,  # a sweep every 10 s
}
"""How old the last round of a task may be. A poller is there while something is watched."""
RESTARTS: Final = 3
"""Failures in a row of any other task, from which on it is named."""
CERTAIN_SECONDS: Final = timings.CERTAIN_SECONDS
ANSWER_SECONDS: Final = timings.READY_ANSWER_SECONDS
KEPT_SECONDS: Final = timings.READY_KEPT_SECONDS
FAILED_SECONDS: Final = timings.READY_FAILED_SECONDS
LEAST_FREE_BYTES: Final = 1_048_576
Source = Callable[[], str]
"""Says in plain words what is wrong, and nothing where all is well."""


class EngineState(Protocol):
    """What is known of a process's engine, without making it."""

    @property
    def front(self) -> str:
        """The front end of the process."""

    @property
    def is_running(self) -> bool:
        """Whether this process runs changes, and therefore sends heartbeats."""

    @property
    def last_beat(self) -> float:
        """When it stored its last heartbeat, by the steady clock."""


@dataclass(frozen=True, slots=True)
class ReadinessFault:
    """One part that does not work, and in plain words how."""

    part: str
    what: str


@dataclass(slots=True)
class StorageProbe:
    """Tries whether a change could be stored: takes the locks that storing one takes, and changes nothing.

    One attempt at a time; callers wait for it no longer than a second, and a fresh answer serves all.
    """

    database: Database
    clock: Clock
    supervisor: Supervisor
    group: TaskGroup
    _finished: anyio.Event | None = None
    _begun: float = 0.0
    _answer: str = ""
    _answered: float = float("-inf")

    async def ask(self) -> str:
        """Return what keeps a change from being stored, or nothing."""
        if self.clock.monotonic() - self._answered < KEPT_SECONDS:
            return self._answer
        if self._finished is None:
            self._finished, self._begun = anyio.Event(), self.clock.monotonic()
            self.supervisor.start_once("storage_probe", self._attempt, group=self.group)
        finished = self._finished
        with anyio.move_on_after(ANSWER_SECONDS):
            await finished.wait()
            return self._answer
        seconds = self.clock.monotonic() - self._begun
        return f"nothing could be stored for {seconds:.0f} s: the database does not answer, or is locked"

    async def _attempt(self) -> None:
        answer = "nothing can be stored: the reason is in the log"
        try:
            await self.database.transact(_lock_head, durable=False, wake=False)
            answer = ""
        except StorageError as error:
            answer = error.message
        finally:
            self._answer, self._answered = answer, self.clock.monotonic()
            if self._finished is not None:
                self._finished.set()
            self._finished = None


def _lock_head(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # the locks that a write takes, exclusively
        connection.exec_driver_sql("LOCK TABLE changes, audit IN ROW EXCLUSIVE MODE")
        connection.exec_driver_sql("SELECT seq FROM audit_head FOR UPDATE").all()
    connection.exec_driver_sql("SELECT seq FROM audit_head").all()
    connection.exec_driver_sql("SELECT id FROM changes ORDER BY created_at DESC LIMIT 1").all()


class Readiness:
    """What there is to say of one process. Front ends add what they need beside the core."""

    def __init__(  # noqa: PLR0913 - the parts of a process
        self,
        database: Database,
        clock: Clock,
        engine: EngineState,
        supervisor: Supervisor,
        group: TaskGroup,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        """Begin with what every process needs."""
        self._group = group
        self._telemetry = telemetry
        self.supervisor = supervisor
        self._database = database
        self._clock = clock
        self._engine = engine
        self._probe = StorageProbe(database, clock, supervisor, group)
        self._sources: dict[str, Source] = {}
        self._requested: set[str] = set()
        self._seen: dict[str, float] = {}

    def metrics(self) -> MetricsSource:
        """Return the source of this process's metrics, which counts from now on."""
        from vpsops.core.server.metrics_source import (  # noqa: PLC0415 - only for what serves
            MetricsSource,
            SnapshotProbe,
        )

        probe = SnapshotProbe(self._database, self._clock, self.supervisor, self._group)
        source = MetricsSource(self._telemetry.meter, self._clock, self._engine, probe)
        source.enable()
        return source

    def add(self, part: str, source: Source) -> None:
        """Ask another part, by its name."""
        self._sources[part] = source

    def need(self, *tasks: str) -> None:
        """Expect background tasks, by their names: one that is not there is a fault too."""
        self._requested.update(tasks)

    async def faults(self) -> list[ReadinessFault]:
        """Return everything that keeps this process from its work."""
        lost = self.lost()
        if lost:
            return lost
        problems = [*self._of_tasks(), *self._of_storage()]
        problems += [ReadinessFault(part, what) for part, source in self._sources.items() if (what := source())]
        stored = await self._probe.ask()
        return [*problems, ReadinessFault("database", stored)] if stored else problems

    def lost(self) -> list[ReadinessFault]:
        """Return what this process cannot recover from by itself."""
        if self._database.in_place:
            return []
        what = "the database file was moved, replaced or deleted: nothing is stored or sent until a restart"
        return [ReadinessFault("database", what)]

    def restarting(self) -> list[ReadinessFault]:
        """Return the tasks that break again and again without keeping this process from its work."""
        broken = [task for task in self.supervisor.statuses() if task.failures >= RESTARTS]
        return [ReadinessFault(task.name, _restarts(task)) for task in broken if task.name not in ROUND_SECONDS]

    def _of_storage(self) -> list[ReadinessFault]:
        failure = self._database.last_failure
        problems = []
        if failure is not None and self._clock.monotonic() - failure.at < FAILED_SECONDS:
            problems.append(
                ReadinessFault("database", f"something could not be stored or read just now: {failure.what}")
            )
        free = self._database.free_bytes
        if free is not None and free < LEAST_FREE_BYTES:
            problems.append(ReadinessFault("disk", f"the disk of the database is full: {free // 1024} KiB are left"))
        return problems

    def _of_tasks(self) -> list[ReadinessFault]:
        now = self._clock.monotonic()
        tasks = {task.name: task for task in self.supervisor.statuses()}
        problems = []
        if self._engine.is_running and not now - self._engine.last_beat < CERTAIN_SECONDS:
            problems.append(
                ReadinessFault(HEARTBEAT, f"no heartbeat was stored for {now - self._engine.last_beat:.0f} s")
            )
        expected = {RECONCILER, *self._requested} if self._engine.is_running else set(self._requested)
        problems += [ReadinessFault(name, "it does not run") for name in sorted(expected - tasks.keys())]
        for name, limit in ROUND_SECONDS.items():
            since = self._seen.setdefault(name, now) if name in tasks else self._seen.pop(name, None)
            if since is not None:
                problems += self._of_round(tasks[name], since, limit)
        return problems

    def _of_round(self, task: TaskStatus, since: float, limit: float) -> list[ReadinessFault]:
        """Judge a task by its last finished round, or by when it was there first."""
        quiet = self._clock.monotonic() - (since if task.last_round is None else task.last_round)
        if quiet < limit:
            return []
        broken = f"; {_restarts(task)}" if task.failures else ""
        return [ReadinessFault(task.name, f"it made no round for {quiet:.0f} s{broken}")]


def _restarts(task: TaskStatus) -> str:
    return f"it broke {task.failures} times in a row, the last time with {task.last_error_id}"


def answer_of(faults: Sequence[ReadinessFault], warnings: Sequence[ReadinessFault] = ()) -> dict[str, object]:
    """Return faults as they are served, in JSON."""
    body: dict[str, object] = {"ok": not faults}
    if faults:
        body["red"] = [{"part": fault.part, "what": fault.what} for fault in faults]
    if warnings:
        body["warnings"] = [{"part": fault.part, "what": fault.what} for fault in warnings]
    return body
