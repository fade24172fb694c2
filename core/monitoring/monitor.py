"""Monitors drift, provider outages and usage thresholds.

Only the process that holds the poller's lease uses it. What was notified is stored with the notice, so that another
process or the next start continues from there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.common import timings as timing
from vpsops.core.common.clock import Clock
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.messaging import outbox
from vpsops.core.messaging.subscriptions import Subscription
from vpsops.core.monitoring import monitor_state
from vpsops.core.monitoring.drift import Drift, baseline, drifts
from vpsops.core.monitoring.thresholds import Alarm, Gauge, figure, gauges, reported_alarms, step
from vpsops.core.outcomes.outcome import FleetSnapshot
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.answers.models import Server, Usage
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)
IN_ONE: Final = 200
"""Servers in one message and one record: a fleet that changes as a whole must not make ten thousand of each."""
MEASURED: Final = 20
MEASURE_SECONDS: Final = timing.MEASURE_SECONDS
AT_ONCE: Final = 4


@dataclass(slots=True)
class FleetMonitor:
    """The poller's memory of everything except changes."""

    database: Database
    api: Wayscloud
    clock: Clock
    timing: Timing
    _fleet: monitor_state.FleetState = field(default_factory=monitor_state.FleetState)
    _stored: dict[str, Json] = field(default_factory=dict)
    _stored_at: float = float("-inf")
    _failing_since: float | None = None
    _outage_reported: bool = False
    _alarms: dict[str, Alarm] = field(default_factory=dict)
    _measured: dict[str, float] = field(default_factory=dict)
    refused: bool = False

    async def begin(self) -> None:
        """Load the state that this process or another stored."""
        now = self.clock.now()

        def work(connection: Connection) -> tuple[monitor_state.FleetState, dict[str, Json], dict[str, Json]]:
            away, alarms = (
                monitor_state.read(connection, monitor_state.AWAY),
                monitor_state.read(connection, monitor_state.ALARMS),
            )
            return monitor_state.read_fleet(connection, now), away, alarms

        self._fleet, away, alarms = await self.database.read(work)
        self._stored, self._stored_at = self._fleet.states, float("-inf")
        self._failing_since, self._outage_reported = None, bool(away.get("event"))
        steady = self.clock.monotonic()
        self._alarms = {key: Alarm(0.0, steady, reported=True) for key in alarms}
        self._measured = {}

    async def failed(self, error: provider_errors.WayscloudError) -> None:
        """Notify people once that the provider cannot be read: at once for a refused key, else after a while."""
        now = self.clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            logger.warning("provider_unavailable", error=error.message, error_id=error.error_id)
        self.refused = isinstance(error, provider_errors.NotAuthenticatedError | provider_errors.NotPermittedError)
        if not self._outage_reported and (self.refused or now - self._failing_since >= self.timing.outage_seconds):
            self._outage_reported = True
            event = "provider_refuses_key" if self.refused else "provider_unreachable"
            await self._report(event, f"{error.message} {error.hint}".strip())

    async def recovered(self) -> None:
        """Notify people that the provider is back, if they were notified of the outage."""
        if self._failing_since is not None:
            logger.info("provider_recovered")
        self._failing_since, self.refused = None, False
        if self._outage_reported:
            self._outage_reported = False
            await self._report("provider_back", "The provider answers again.")

    async def _report(self, event: str, text: str) -> None:
        payload, now = {"event": event, "text": text}, self.clock.now()

        def work(connection: Connection) -> None:
            outbox.put(connection, "provider", "event", payload, now)
            monitor_state.write(
                connection, monitor_state.AWAY, {} if event == "provider_back" else {"event": event}, now
            )

        await self.database.transact(work)

    async def observe(self, snapshot: FleetSnapshot, *, keep: bool) -> None:
        """Notify the changes since the last poll that were not requested here; with `keep`, store it for others."""
        before = self._fleet
        self._fleet = monitor_state.FleetState(
            baseline(before.servers, snapshot.servers, complete=snapshot.complete), snapshot.now
        )
        now = {server.id: server for server in snapshot.servers}
        has_drift = bool(before.servers) and bool(drifts(before.servers, now, (), complete=snapshot.complete))
        states = self._fleet.states if keep else self._stored
        stale = keep and self.clock.monotonic() - self._stored_at >= monitor_state.FRESH_SECONDS
        if not has_drift and states == self._stored and not stale:
            return

        def work(connection: Connection) -> None:
            if has_drift:
                record(connection, drifted(connection, before, snapshot, self.timing), snapshot)
            if keep:
                monitor_state.write_fleet(connection, self._fleet, snapshot.now)

        await self.database.transact(work, durable=has_drift, wake=has_drift)
        self._stored = states
        self._stored_at = self.clock.monotonic() if keep else self._stored_at

    async def measure(self, servers: Sequence[Server], subscriptions: Sequence[Subscription]) -> None:
        """Read the usage of the servers that have a threshold: a bounded number of them at a time."""
        by_server: dict[str, list[Gauge]] = {}
        for gauge in gauges(subscriptions, servers):
            by_server.setdefault(gauge.server_id, []).append(gauge)
        now = self.clock.monotonic()
        kept = {gauge.key for own_gauges in by_server.values() for gauge in own_gauges}
        self._alarms = {key: server_id for key, server_id in self._alarms.items() if key in kept}
        self._measured = {server_id: at for server_id, at in self._measured.items() if server_id in by_server}
        due = sorted((self._measured.get(ident, float("-inf")), ident) for ident in by_server)
        chosen = [server_id for at, server_id in due if now - at >= self.timing.usage_seconds][:MEASURED]
        figures = await self._read(chosen) if chosen else {}
        alarms = [alarm for server in figures for alarm in self._judge(by_server[server], figures[server], now)]
        if alarms:
            await self._store_alarms(alarms)

    async def _read(self, chosen: Sequence[str]) -> Mapping[str, Usage]:
        usages: dict[str, Usage] = {}
        room = anyio.Semaphore(AT_ONCE)

        async def read(ident: str) -> None:
            async with room:
                self._measured[ident] = self.clock.monotonic()
                try:
                    usages[ident] = await self.api.server_status(ident)
                except provider_errors.WayscloudError as error:
                    logger.info("usage_unreadable", server=ident, error=error.message)

        with anyio.move_on_after(MEASURE_SECONDS):  # a slow provider must not hold up the changes being watched
            async with anyio.create_task_group() as group:
                for ident in chosen:
                    group.start_soon(read, ident)
        return usages

    def _judge(self, own_gauges: Sequence[Gauge], usage: Usage, now: float) -> list[dict[str, Json]]:
        alarms = []
        for gauge in own_gauges:
            value = figure(usage, gauge.threshold.metric)
            if value is None:
                continue
            alarm, turned = step(self._alarms.get(gauge.key), value, gauge.threshold, now)
            if alarm is None:
                self._alarms.pop(gauge.key, None)
            else:
                self._alarms[gauge.key] = alarm
            if turned is not None:
                alarms.append(gauge.event_payload(value, raised=turned))
        return alarms

    async def _store_alarms(self, payloads: Sequence[Mapping[str, Json]]) -> None:
        now, alarms = self.clock.now(), reported_alarms(self._alarms)

        def work(connection: Connection) -> None:
            for item in payloads:
                outbox.put(connection, f"usage:{item['server']}"[:80], "event", item, now)
            monitor_state.write(connection, monitor_state.ALARMS, alarms, now)

        await self.database.transact(work)


def drifted(
    connection: Connection, before: monitor_state.FleetState, snapshot: FleetSnapshot, timing: Timing
) -> list[Drift]:
    """Return the drift since a poll, without what our own changes did since then or shortly before."""
    since = max(0.0, (snapshot.now - before.at).total_seconds()) if before.at else 0.0
    ours = repository.touched(connection, snapshot.now, since + timing.power_limit)
    now = {server.id: server for server in snapshot.servers}
    return drifts(before.servers, now, ours, complete=snapshot.complete)


def record(connection: Connection, drift: Sequence[Drift], snapshot: FleetSnapshot) -> None:
    """Store drift: a record for each server, or one for many, and a message for all of them."""
    at = snapshot.now.timestamp()
    for some in monitor_state.chunks([notice.payload for notice in drift], IN_ONE):
        if len(drift) <= IN_ONE:
            for payload in some:
                chain.append(connection, at, "drift", None, payload)
        else:
            chain.append(connection, at, "drift", None, {"servers": [payload["text"] for payload in some]})
        outbox.put(connection, "drift", "event", {"event": "drift", "drifts": list(some)}, snapshot.now)
