"""The watcher: one list call per interval serves every change that was sent, whatever their number.

It starts with the first change to watch and ends with the last; among several processes one does
it, by a lease. What it learns settles changes; a state nobody asked for is told as drift.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import structlog
from sqlalchemy.engine import Connection

from core import audit
from core.changes import outbox, store
from core.changes.drift import baseline, drifts
from core.changes.lookup import Finding, Found, Look, age, elapsed, judge
from core.changes.model import Change, State
from core.clock import Clock
from core.errors import StaleChange, StorageError
from core.fleet import Fleet
from core.storage import leases
from core.storage.database import Database
from core.storage.leases import Process
from core.timing import Timing
from core.wayscloud import errors as provider_errors
from core.wayscloud.client import Wayscloud
from core.wayscloud.models import Server, Usage

LOG = structlog.get_logger(__name__)
LEASE = "watcher"
REFUSED_WAIT = 300.0


def interval(changes: Sequence[Change], look: Look | None, timing: Timing) -> float:
    """Return the seconds to the next look: the youngest change sets the pace; pure."""
    ages = [age(change, look.now) for change in changes] if look else [0.0]
    youngest = min(ages, default=0.0)
    if youngest < 60:  # noqa: PLR2004 - a minute
        return timing.poll_young
    return timing.poll_grown if youngest < 600 else timing.poll_old  # noqa: PLR2004 - ten minutes


@dataclass(slots=True)
class Watcher:
    """Looks at the fleet while there is something to wait for."""

    database: Database
    api: Wayscloud
    clock: Clock
    process: Process
    timing: Timing
    fleet: Fleet
    _nudged: anyio.Event = field(default_factory=anyio.Event)
    _before: dict[str, Server] = field(default_factory=dict)
    _away: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    _newest: float = 0.0
    _failing_since: float | None = None
    _told: bool = False
    _refused: bool = False

    def nudge(self) -> None:
        """Ask for a look soon; many nudges are one."""
        self._nudged.set()

    def hear(self, newest: float) -> None:
        """Look soon if a change was sent, by another process perhaps, that is younger than all looked at so far."""
        if newest > self._newest:
            self.nudge()

    async def watch(self) -> None:
        """Look until nothing is left to wait for, if this process gets the lease."""
        while True:
            self._nudged = anyio.Event()  # before the changes are read: a nudge for one that is not among them counts
            changes = await self._mine()
            if not changes:
                break
            self._newest = max(sent(change) for change in changes)
            now = self.clock.monotonic()
            self._since = {change.id: self._since.get(change.id, now) for change in changes}
            look = await self._look()
            if look is not None:
                await self._settle_all(changes, look)
                self._away = away(changes, look)
            await self._pause(interval(changes, look, self.timing))
        self._before = {}

    async def _pause(self, seconds: float) -> None:
        if self._refused:
            seconds = REFUSED_WAIT
        spread = seconds * self.timing.poll_jitter
        with anyio.move_on_after(seconds + random.uniform(-spread, spread)):  # noqa: S311 - jitter
            await self._nudged.wait()
            await self.clock.sleep(min(seconds, 0.5))  # debounce: a burst of nudges is one look

    async def _mine(self) -> list[Change]:
        def work(connection: Connection) -> list[Change]:
            if not leases.take(connection, LEASE, self.process.id, self.database.tick(connection)):
                return []
            changes = watched(connection)
            if not changes:
                leases.release(connection, LEASE, self.process.id)
            return changes

        return await self.database.transact(work, durable=False, wake=False)

    async def _look(self) -> Look | None:
        try:
            servers = await self.api.list_servers()
        except provider_errors.WayscloudError as error:
            await self._failed(error)
            return None
        await self._recovered()
        self.fleet.saw(servers)
        steady = self.clock.monotonic()
        waited = {change_id: steady - since for change_id, since in self._since.items()}
        return Look(servers, servers.complete, self.clock.now(), frozenset(self._away), waited)

    async def _failed(self, error: provider_errors.WayscloudError) -> None:
        now = self.clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            LOG.warning("provider cannot be watched", error=error.message, error_id=error.error_id)
        self._refused = isinstance(error, provider_errors.NotAuthenticated | provider_errors.NotPermitted)
        if not self._told and (self._refused or now - self._failing_since >= self.timing.outage_seconds):
            self._told = True
            event = "provider_refuses_key" if self._refused else "provider_unreachable"
            await self._tell(event, f"{error.message} {error.hint}".strip())

    async def _recovered(self) -> None:
        if self._failing_since is None:
            return
        LOG.info("provider can be watched again")
        self._failing_since, self._refused = None, False
        if self._told:
            self._told = False
            await self._tell("provider_back", "The provider answers again.")

    async def _tell(self, event: str, text: str) -> None:
        payload = {"event": event, "text": text}
        now = self.clock.now()
        await self.database.transact(lambda connection: outbox.put(connection, "provider", "event", payload, now))

    async def _settle_all(self, changes: Sequence[Change], look: Look) -> None:
        for change in changes:
            try:
                await self._settle(change, look)
            except StaleChange:
                LOG.info("change moved on elsewhere", change=change.id)
        await self._tell_drift(look)

    async def _settle(self, change: Change, look: Look) -> None:
        found = judge(change, look, None, self.timing)
        if found.finding is Finding.NEEDS_USAGE and found.server is not None:
            usage = await self._usage(found.server)
            found = (
                judge(change, look, usage, self.timing) if usage is not None else _unreadable(change, look, self.timing)
            )
            if usage is not None and found.finding is Finding.WAIT:
                await self._remember_uptime(change, usage)
        if found.finding is Finding.SUCCEEDED:
            found = await self._in_full(found)
        await self._record(change, found)

    async def _usage(self, server: Server) -> Usage | None:
        try:
            return await self.api.server_status(server.id)
        except provider_errors.WayscloudError as error:
            LOG.info("usage cannot be read", server=server.id, error=error.message)
            return None

    async def _remember_uptime(self, change: Change, usage: Usage) -> None:
        uptime = usage.uptime_seconds
        if uptime is None or change.last_uptime == uptime:
            return
        now = self.clock.now()
        await self.database.transact(
            lambda connection: store.amend(connection, change, now, last_uptime=uptime), durable=False, wake=False
        )

    async def _in_full(self, found: Found) -> Found:
        """Read the settled server in full: the list may carry little more than its state."""
        if found.server is None:
            return found
        try:
            return Found(found.finding, await self.api.get_server(found.server.id), found.note)
        except provider_errors.WayscloudError:
            return found

    async def _record(self, change: Change, found: Found) -> None:
        if found.finding in {Finding.WAIT, Finding.NEEDS_USAGE}:
            return
        await self.database.transact(lambda connection: record(connection, change, found, self.clock))

    async def _tell_drift(self, look: Look) -> None:
        before, self._before = self._before, baseline(self._before, look.servers, complete=look.complete)
        now = {server.id: server for server in look.servers}
        if not before or not drifts(before, now, (), complete=look.complete):
            return

        def work(connection: Connection) -> None:
            ours = store.touched(connection, look.now, self.timing.power_limit)
            for drift in drifts(before, now, ours, complete=look.complete):
                audit.append(connection, look.now.timestamp(), "drift", None, drift.payload)
                outbox.put(connection, f"server:{drift.server_id}", "event", drift.payload, look.now)

        await self.database.transact(work)


def sent(change: Change) -> float:
    """Return when a change was sent, in UTC seconds; pure."""
    return (change.sent_at or change.updated_at).timestamp()


def away(changes: Sequence[Change], look: Look) -> set[str]:
    """Return the changes whose server has been seen not up since they were sent, now or before; pure."""
    down = {server.id for server in look.servers if not server.ready}
    return {change.id for change in changes if change.id in look.away or change.target.id in down}


def watched(connection: Connection) -> list[Change]:
    """Return every change that waits for the provider."""
    return store.select(connection, store.in_states(State.WATCHING, State.UNKNOWN), limit=10_000)


def _unreadable(change: Change, look: Look, timing: Timing) -> Found:
    late = elapsed(change, look) > timing.power_lookup
    if change.state is State.UNKNOWN and late:
        return Found(Finding.NEEDS_PERSON, note="the server's uptime cannot be read")
    overdue = not change.overdue and elapsed(change, look) > timing.power_limit
    return Found(Finding.OVERDUE if overdue else Finding.WAIT)


def record(connection: Connection, change: Change, found: Found, clock: Clock) -> Change:
    """Store what a look found, in the caller's transaction."""
    now = clock.now()
    result = dict(change.result)
    if found.server is not None:
        result |= found.server.model_dump(mode="json", exclude_none=True)
    body = {"note": found.note, "server": result.get("id", ""), "status": found.server.status if found.server else ""}
    match found.finding:
        case Finding.OVERDUE:
            note = "It takes longer than usual and is still watched."
            outbox.put_notice(connection, change.id, "overdue", now)
            return store.amend(connection, change, now, event="overdue", body=body, overdue=True, note=note, lock=None)
        case Finding.ADOPTED:
            return store.step(
                connection, change, State.WATCHING, now, event="adopted", body=body, note=found.note, result=result
            )
        case Finding.NEEDS_PERSON:
            outbox.put_notice(connection, change.id, "needs_person", now)
            return store.step(
                connection, change, State.NEEDS_PERSON, now, event="needs_person", body=body, note=found.note
            )
        case _:
            after = State.SUCCEEDED if found.finding is Finding.SUCCEEDED else State.FAILED
            outbox.put_notice(connection, change.id, after.value, now)
            return store.step(
                connection,
                change,
                after,
                now,
                event=after.value,
                body=body,
                note=found.note,
                result=result,
                settled_at=now.timestamp(),
            )


async def watch_quietly(watcher: Watcher) -> None:
    """Watch, and leave a database that is away to the keeper's next round."""
    try:
        await watcher.watch()
    except StorageError as error:
        LOG.error("watching stopped", error=error.message, error_id=error.error_id)
