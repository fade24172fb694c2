"""Supervision of background tasks: a task that breaks is started again, and its state can be read.

Nothing that runs in the background may end its process or disappear from it without a word. `Supervisor.start`
is for what runs as long as the process does, `Supervisor.start_once` for a single piece of work.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import VpsopsError

FIRST_PAUSE_SECONDS: Final = timings.FIRST_PAUSE_SECONDS
LONGEST_PAUSE_SECONDS: Final = timings.LONGEST_PAUSE_SECONDS
STEADY_SECONDS: Final = timings.STEADY_SECONDS
"""A task that ran for so long before it broke begins again with the first pause, even if it records no rounds."""
JITTER: Final = 0.2
"""Share of a pause by which it varies, so that tasks that broke together do not return together."""

HEARTBEAT: Final = "heartbeat"
RECONCILER: Final = "reconciler"
POLLER: Final = "poller"
"""The engine's tasks that readiness looks at, by their names."""

Work = Callable[[], Awaitable[object]]
RoundRecorder = Callable[[], None]

logger = structlog.get_logger(__name__)


@asynccontextmanager
async def block_tasks() -> AsyncIterator[TaskGroup]:
    """Open a group for tasks that end with the block; an error of the block is raised as itself, in no group."""
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        try:
            yield group
        except Exception as error:  # noqa: BLE001 - raised below, outside the group
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


class UnexpectedEndError(Exception):
    """A task returned that runs as long as its process."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The state of one task that should be running.

    `running` is false between a failure and the next start. `last_round` is in monotonic seconds of the injected
    clock, None before the first finished round or for a task that records none. `failures` counts those since the
    last finished round; `last_error_id` is the id in the log, and stays after the task has recovered.
    """

    name: str
    running: bool
    last_round: float | None
    failures: int
    last_error_id: str


@dataclass(slots=True, eq=False)
class _TaskRecord:
    """The record of one task, as it changes."""

    name: str
    running: bool = False
    last_round: float | None = None
    failures: int = 0
    last_error_id: str = ""
    logged: str = ""  # the failure with its traceback in the log

    @property
    def status(self) -> TaskStatus:
        return TaskStatus(self.name, self.running, self.last_round, self.failures, self.last_error_id)


@dataclass(frozen=True, slots=True)
class _TaskSpec:
    """What a task does, and how it may end."""

    work: Work
    ends: bool
    fatal: tuple[type[Exception], ...]

    async def run(self) -> Exception | None:
        """Do the work; return what broke it, or None where it is done."""
        try:
            await self.work()
        except self.fatal:
            raise
        except Exception as error:  # noqa: BLE001 - whatever broke it, the process and its other tasks go on
            return error
        return None if self.ends else UnexpectedEndError("it returned")


class Supervisor:
    """Starts the background tasks of one process and keeps account of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: list[_TaskRecord] = []

    def start(
        self,
        name: str,
        work: Work,
        *,
        group: TaskGroup,
        ends: bool = False,
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        """Run `work` in a group until that is cancelled; start it again when it breaks.

        Work that returns counts as broken too, unless it `ends`: then it is done, and no longer listed. An error
        that no new start can mend is named as `fatal` and passed on to the group.
        """
        task = _TaskRecord(name, running=True)
        self._tasks.append(task)
        group.start_soon(self._supervise, task, _TaskSpec(work, ends, fatal), name=name)

    def start_once(self, name: str, work: Work, *, group: TaskGroup) -> None:
        """Run `work` once in a group; when it breaks, that is logged with an error id and ends nothing else."""
        group.start_soon(self._run_once, name, work)

    def record_round(self, name: str) -> None:
        """Note that a task finished a round: it works, whatever went wrong before."""
        for task in self._tasks:
            if task.name == name:
                task.last_round = self._clock.monotonic()
                if task.failures:
                    logger.info("task_recovered", task=name, failures=task.failures)
                task.failures, task.logged = 0, ""

    def recorder(self, name: str) -> RoundRecorder:
        """Return the function that a loop calls after each round."""
        return lambda: self.record_round(name)

    def statuses(self) -> Sequence[TaskStatus]:
        """Return the state of every task that should be running, in the order of their start."""
        return [task.status for task in self._tasks]

    async def _supervise(self, task: _TaskRecord, plan: _TaskSpec) -> None:
        try:
            while True:
                begun = self._clock.monotonic()
                error = await plan.run()
                if error is None:
                    return
                if self._clock.monotonic() - begun >= STEADY_SECONDS:
                    task.failures = 0
                await self._clock.sleep(self._note_failure(task, error))
                task.running = True
        finally:
            self._tasks.remove(task)

    async def _run_once(self, name: str, work: Work) -> None:
        try:
            await work()
        except Exception as error:
            logger.error("task_failed", task=name, error_id=error_id_of(error), exc_info=error)

    def _note_failure(self, task: _TaskRecord, error: Exception) -> float:
        """Log a failure, the first of a kind with its traceback, and return the seconds until the next start."""
        task.running, task.failures, task.last_error_id = False, task.failures + 1, error_id_of(error)
        pause = pause_seconds(task.failures, random.uniform(-JITTER, JITTER))  # noqa: S311 - jitter
        kind = f"{type(error).__name__}: {error}"
        trace = error if kind != task.logged else None
        task.logged = kind
        logger.error(
            "task_failed",
            task=task.name,
            error=kind[:300],
            error_id=task.last_error_id,
            failures=task.failures,
            again_in=round(pause, 1),
            exc_info=trace,
        )
        return pause


def pause_seconds(failures: int, jitter: float) -> float:
    """Return how long to wait before the next start after so many failures in a row."""
    doubled = FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 16)
    return min(doubled, LONGEST_PAUSE_SECONDS) * (1 + jitter)


def error_id_of(error: Exception) -> str:
    """Return the id that an error carries, or a new id."""
    return error.error_id if isinstance(error, VpsopsError) else VpsopsError("").error_id


def no_record() -> None:
    """Record nothing: the recorder of a loop that no one supervises."""
