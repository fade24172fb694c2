"""Reads what `/metrics` shows: queues and processes of the database, within a bound, and the state of this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.core.changes.model import State
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import Supervisor
from vpsops.core.operations import OPERATIONS
from vpsops.core.policy.decision import Decision
from vpsops.core.storage.database import Database
from vpsops.core.telemetry import metrics
from vpsops.core.telemetry.meter import MetricMeter
from vpsops.core.wayscloud.requests.endpoints import ROUTES

if TYPE_CHECKING:
    from vpsops.core.server.metrics_snapshot import DatabaseSnapshot
    from vpsops.core.server.readiness import EngineState


KEPT_SECONDS: Final = timings.METRICS_KEPT_SECONDS
ANSWER_SECONDS: Final = timings.METRICS_SECONDS
READ_GAUGES: Final = (
    metrics.QUEUE_DEPTH,
    metrics.QUEUE_AGE,
    metrics.OPEN_CHANGES,
    metrics.OPEN_REVIEWS,
    metrics.SERVER_ENDS,
    metrics.DEAD_MESSAGES,
    metrics.HOLD_OFFS,
    metrics.AGENTS_PAUSED,
    metrics.PROCESSES,
)
"""Gauges that are absent where the database cannot be read: not known is not none."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class SnapshotProbe:
    """Reads snapshots: one at a time, each kept for seconds, so that scrapes cost the database little."""

    database: Database
    clock: Clock
    supervisor: Supervisor
    group: TaskGroup
    _latest: DatabaseSnapshot | None = None
    _read_at: float = float("-inf")
    _finished: anyio.Event | None = None

    async def snapshot(self) -> DatabaseSnapshot | None:
        """Return a snapshot of the last seconds, or None where the database does not answer in time."""
        if self.clock.monotonic() - self._read_at < KEPT_SECONDS:
            return self._latest
        if self._finished is None:
            self._finished = anyio.Event()
            self.supervisor.start_once("metrics", self._read, group=self.group)
        finished = self._finished
        with anyio.move_on_after(ANSWER_SECONDS):
            await finished.wait()
            return self._latest
        return None

    async def _read(self) -> None:
        from vpsops.core.server.metrics_snapshot import read_snapshot  # noqa: PLC0415 - not before it is asked for

        latest: DatabaseSnapshot | None = None
        try:
            now, tick = self.clock.now().timestamp(), self.database.tick
            latest = await self.database.read(lambda connection: read_snapshot(connection, tick(connection), now))
        except StorageError as error:
            logger.info("metrics_unreadable", error=error.message, error_id=error.error_id)
        finally:
            self._latest, self._read_at = latest, self.clock.monotonic()
            if self._finished is not None:
                self._finished.set()
            self._finished = None


@dataclass(frozen=True, slots=True)
class MetricsSource:
    """Renders the metrics of one process."""

    meter: MetricMeter
    clock: Clock
    engine: EngineState
    probe: SnapshotProbe

    def enable(self) -> None:
        """Count from now on, with labels of what this version knows."""
        meter = self.meter
        meter.allow("operation", OPERATIONS)
        meter.allow("state", [state.value for state in State])
        meter.allow("decision", [decision.value for decision in Decision])
        meter.allow("route", [route.name for route in ROUTES])
        build = {"version": version("vpsops"), "python": "{}.{}.{}".format(*sys.version_info)}
        for label, value in build.items():
            meter.allow(label, [value])
        meter.enable()
        meter.set(metrics.BUILD_INFO, 1, front=self.engine.front, **build)

    async def render(self, accept: str, *, ready: bool) -> tuple[bytes, str]:
        """Return all metrics as text, and its content type."""
        self._show(await self.probe.snapshot())
        self.meter.set(metrics.READY, ready)
        if self.engine.is_running:
            self.meter.set(metrics.HEARTBEAT_AGE, self.clock.monotonic() - self.engine.last_beat)
        return self.meter.render(accept)

    def _show(self, snapshot: DatabaseSnapshot | None) -> None:
        meter = self.meter
        meter.set(metrics.DATABASE_UP, snapshot is not None)
        for gauge in READ_GAUGES:
            meter.clear(gauge)
        if snapshot is None:
            return
        now = self.clock.now().timestamp()
        for queue, state in snapshot.queues.items():
            meter.set(metrics.QUEUE_DEPTH, state.depth, queue=queue)
            meter.set(metrics.QUEUE_AGE, state.age(now), queue=queue)
        for name, count in snapshot.states.items():
            meter.set(metrics.OPEN_CHANGES, count, state=name)
        for scope in metrics.CLOSED_LISTS["scope"]:
            meter.set(metrics.HOLD_OFFS, snapshot.hold_offs.get(scope, 0), scope=scope)
        for front, count in snapshot.processes.items():
            meter.set(metrics.PROCESSES, count, front=front)
        meter.set(metrics.OPEN_REVIEWS, snapshot.reviews)
        for end_state in metrics.CLOSED_LISTS["end_state"]:
            meter.set(metrics.SERVER_ENDS, snapshot.ends.get(end_state, 0), end_state=end_state)
        meter.set(metrics.DEAD_MESSAGES, snapshot.dead)
        meter.set(metrics.AGENTS_PAUSED, snapshot.paused)
