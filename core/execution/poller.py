"""The poller: one list call per interval serves every change that was sent, whatever their number.

It starts with the first change to watch, or with the first channel that subscribes to drift, to the
provider or to usage, and ends with the last; among several processes one does it, by a lease.
Its results settle changes; the rest goes to the fleet monitor.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from sqlalchemy.engine import Connection

from vpsops.core.changes import repository
from vpsops.core.changes.model import Change
from vpsops.core.common import timings as timing
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import RoundRecorder, no_record
from vpsops.core.common.timings import Timing
from vpsops.core.execution.claims import is_outranked, runnable
from vpsops.core.execution.reconciler import WATCHED, WATCHER
from vpsops.core.execution.settlement import Settlement
from vpsops.core.messaging.subscriptions import Subscription, all_subscriptions
from vpsops.core.monitoring.change_telemetry import traceparent_of
from vpsops.core.monitoring.monitor import FleetMonitor
from vpsops.core.monitoring.server_feed import ServerFeed
from vpsops.core.outcomes.outcome import FleetSnapshot, age
from vpsops.core.storage import leases
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import Process
from vpsops.core.telemetry.tracer import NEW_TRACE, NO_TRACER, Tracer
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
LEASE = WATCHER
REFUSED_WAIT: Final = timing.REFUSED_SECONDS


@dataclass(frozen=True, slots=True)
class PollTargets:
    """What to poll for: changes, and the events that channels subscribe to."""

    changes: Sequence[Change] = ()
    subscriptions: Sequence[Subscription] = ()
    standing: bool = False  # a subscription needs polls even while nothing is being changed

    @property
    def nothing(self) -> bool:
        """Return whether there is nothing to poll for."""
        return not self.changes and not self.standing


def interval(changes: Sequence[Change], snapshot: FleetSnapshot | None, timing: Timing) -> float:
    """Return the seconds to the next poll: the youngest change sets the pace."""
    if not changes:
        return timing.poll_idle
    ages = [age(change, snapshot.now) for change in changes] if snapshot else [0.0]
    youngest = min(ages, default=0.0)
    if youngest < 60:  # noqa: PLR2004 - a minute
        return timing.poll_young
    return timing.poll_grown if youngest < 600 else timing.poll_old  # noqa: PLR2004 - ten minutes


@dataclass(slots=True)
class ChangePoller:
    """Polls the fleet while there is something to wait for."""

    database: Database
    api: Wayscloud
    clock: Clock
    process: Process
    timing: Timing
    fleet: ServerFeed | None = None  # its followers get each poll's servers
    always: bool = False  # a channel that the settings name is subscribed to everything
    record_round: RoundRecorder = no_record  # called after each poll, before the pause
    tracer: Tracer = NO_TRACER
    _nudged: anyio.Event = field(default_factory=anyio.Event)
    _away: set[str] = field(default_factory=set)
    _moved: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    _newest: float = 0.0
    _measuring: bool = False
    _monitor: FleetMonitor = field(init=False)
    _settlement: Settlement = field(init=False)

    def __post_init__(self) -> None:
        """Share the parts with the fleet monitor."""
        self._monitor = FleetMonitor(self.database, self.api, self.clock, self.timing)
        self._settlement = Settlement(self.database, self.api, self.clock, self.timing)

    def nudge(self) -> None:
        """Ask for a poll soon; nudges before it are merged."""
        self._nudged.set()

    def hear(self, newest: float) -> None:
        """Poll soon if a change was sent, perhaps by another process, that is younger than all polled for so far."""
        if newest > self._newest:
            self.nudge()

    async def watch(self) -> None:
        """Poll until nothing is left to poll for, if this process gets the lease."""
        failure: BaseException | None = None
        async with anyio.create_task_group() as group:  # for reads that take longer than a poll
            try:
                await self._watch_on(group)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # noqa: BLE001 - raised below, outside the group, so that it stays itself
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _watch_on(self, group: TaskGroup) -> None:
        begun = False
        while True:
            self._nudged = anyio.Event()  # before the changes are read: a nudge for one that is not among them counts
            due = await self._mine()
            if due.nothing:
                return
            if not begun:
                await self._monitor.begin()
                begun = True
            await self._round(due, group)

    async def _round(self, due: PollTargets, group: TaskGroup) -> None:
        self._newest = max((sent(change) for change in due.changes), default=0.0)
        now = self.clock.monotonic()
        self._since = {change.id: self._since.get(change.id, now) for change in due.changes}
        with self.tracer.span("poll", parent=NEW_TRACE, links=[traceparent_of(change) for change in due.changes]):
            snapshot = await self._poll()
            if snapshot is not None:
                await self._settlement.settle(due.changes, snapshot, group)
        if snapshot is not None:
            self._away, self._moved = away(due.changes, snapshot), moved(due.changes, snapshot)
            await self._monitor.observe(snapshot, keep=due.standing)
            if not self._measuring:
                self._measuring = True
                group.start_soon(self._measure, snapshot, due.subscriptions)
        self.record_round()
        seconds = interval(due.changes, snapshot, self.timing)
        await self._pause(min(seconds, self.timing.poll_young) if self._settlement.needs_another_poll else seconds)

    async def _measure(self, snapshot: FleetSnapshot, subscriptions: Sequence[Subscription]) -> None:
        """Read the usage figures that have thresholds, while polls continue."""
        try:
            await self._monitor.measure(snapshot.servers, subscriptions)
        except StorageError as error:
            logger.error("usage_not_stored", error=error.message, error_id=error.error_id)
        except Exception:  # it must not end the polls
            logger.exception("measurement_failed")
        finally:
            self._measuring = False

    async def _pause(self, seconds: float) -> None:
        if self._monitor.refused:
            seconds = max(seconds, REFUSED_WAIT)
        spread = seconds * self.timing.poll_jitter
        with anyio.move_on_after(seconds + random.uniform(-spread, spread)):  # noqa: S311 - jitter
            await self._nudged.wait()
            await self.clock.sleep(min(seconds, 0.5))  # debounce: a burst of nudges is one poll

    async def _mine(self) -> PollTargets:
        """Return what to poll for, or nothing if another process polls. Raises `StorageError`.

        While this process holds the lease, a round reads; it writes to take the lease, and to give it up.
        """
        due = await self.database.read(self._held)
        if not due.nothing:
            return due
        return await self.database.transact(self._take, durable=False, wake=False)

    def _held(self, connection: Connection) -> PollTargets:
        """Return what to poll for under a lease that this process holds already."""
        mine = leases.lease_holder(connection, LEASE) == self.process.id and not self._is_outranked(connection)
        return self._due(connection) if mine else PollTargets()

    def _take(self, connection: Connection) -> PollTargets:
        """Take or keep the lease, and return what to poll for; without anything it is given up."""
        if not leases.acquire_lease(connection, LEASE, self.process.id, self.database.tick(connection)):
            return PollTargets()
        due = PollTargets() if self._is_outranked(connection) else self._due(connection)
        if due.nothing:
            leases.release_lease(connection, LEASE, self.process.id)
        return due

    def _is_outranked(self, connection: Connection) -> bool:
        """Return whether a process of a newer version can watch what both support."""
        others = leases.alive(connection, self.database.tick(connection)) - {self.process.id}
        return is_outranked(connection, others, WATCHED)

    def _due(self, connection: Connection) -> PollTargets:
        now = self.clock.now()
        subscriptions = [
            subscription
            for subscription in all_subscriptions(connection)
            if subscription.alive(now) and subscription.needs_polls
        ]
        return PollTargets(watched(connection), subscriptions, self.always or bool(subscriptions))

    async def _poll(self) -> FleetSnapshot | None:
        try:
            servers = await self.api.list_servers()
        except provider_errors.WayscloudError as error:
            await self._monitor.failed(error)
            return None
        await self._monitor.recovered()
        if self.fleet is not None:
            self.fleet.saw(servers)
        steady = self.clock.monotonic()
        waited = {change_id: steady - since for change_id, since in self._since.items()}
        return FleetSnapshot(
            servers,
            servers.complete,
            self.clock.now(),
            away=frozenset(self._away),
            moved=frozenset(self._moved),
            waited=waited,
            taken_at=steady,
        )


def sent(change: Change) -> float:
    """Return when a change was sent, in UTC seconds."""
    return (change.sent_at or change.updated_at).timestamp()


def away(changes: Sequence[Change], snapshot: FleetSnapshot) -> set[str]:
    """Return the changes with a server seen off or pending since they were sent, now or before."""
    down = {server.id for server in snapshot.servers if server.off or server.pending}
    return {change.id for change in changes if change.id in snapshot.away or change.target.id in down}


def moved(changes: Sequence[Change], snapshot: FleetSnapshot) -> set[str]:
    """Return the changes with a server `status` other than in order since they were sent."""
    other = {server.id for server in snapshot.servers if not server.in_order}
    return {change.id for change in changes if change.id in snapshot.moved or change.target.id in other}


def watched(connection: Connection) -> list[Change]:
    """Return every change that waits for the provider and that this version supports, the oldest first."""
    return repository.select(connection, repository.in_states(*WATCHED), runnable(), limit=None, oldest_first=True)


async def watch_quietly(watcher: ChangePoller) -> None:
    """Poll, and leave an unavailable database to the reconciler's next round."""
    try:
        await watcher.watch()
    except StorageError as error:
        logger.error("poller_stopped", error=error.message, error_id=error.error_id)
