"""The watcher: one list call per interval serves every change that was sent, whatever their number.

It starts with the first change to watch, or with the first channel that wants to hear of drift, of
the provider or of usage, and ends with the last; among several processes one does it, by a lease.
What it learns settles changes; the rest is the lookout's.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import structlog
from sqlalchemy.engine import Connection

from core.changes import outbox, store
from core.changes.keeper import WATCHER
from core.changes.lookup import Finding, Found, Look, age, elapsed, judge
from core.changes.model import Change, State
from core.clock import Clock
from core.errors import StaleChange, StorageError
from core.fleet import Fleet
from core.lookout import Lookout
from core.storage import leases
from core.storage.database import Database
from core.storage.leases import Process
from core.subscriptions import Subscription, every
from core.supervision import RoundRecorder, no_record
from core.timing import Timing
from core.wayscloud import errors as provider_errors
from core.wayscloud.client import Wayscloud
from core.wayscloud.models import Server, Usage

LOG = structlog.get_logger(__name__)
LEASE = WATCHER
REFUSED_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class Due:
    """What there is to look for: changes, and what channels want to hear of."""

    changes: Sequence[Change] = ()
    wanted: Sequence[Subscription] = ()
    standing: bool = False  # somebody wants a look even while nothing is being changed

    @property
    def nothing(self) -> bool:
        """Say whether there is nothing to look for."""
        return not self.changes and not self.standing


def interval(changes: Sequence[Change], look: Look | None, timing: Timing) -> float:
    """Return the seconds to the next look: the youngest change sets the pace; pure."""
    if not changes:
        return timing.poll_idle
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
    fleet: Fleet | None = None  # whose followers hear of each look
    always: bool = False  # a channel that the settings name wants to hear of everything
    record_round: RoundRecorder = no_record  # called after each look, before the pause
    _nudged: anyio.Event = field(default_factory=anyio.Event)
    _away: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    _newest: float = 0.0
    _lookout: Lookout = field(init=False)

    def __post_init__(self) -> None:
        """Share the parts with the lookout."""
        self._lookout = Lookout(self.database, self.api, self.clock, self.timing)

    def nudge(self) -> None:
        """Ask for a look soon; many nudges are one."""
        self._nudged.set()

    def hear(self, newest: float) -> None:
        """Look soon if a change was sent, by another process perhaps, that is younger than all looked at so far."""
        if newest > self._newest:
            self.nudge()

    async def watch(self) -> None:
        """Look until nothing is left to look for, if this process gets the lease."""
        begun = False
        while True:
            self._nudged = anyio.Event()  # before the changes are read: a nudge for one that is not among them counts
            due = await self._mine()
            if due.nothing:
                return
            if not begun:
                await self._lookout.begin()
                begun = True
            await self._round(due)

    async def _round(self, due: Due) -> None:
        self._newest = max((sent(change) for change in due.changes), default=0.0)
        now = self.clock.monotonic()
        self._since = {change.id: self._since.get(change.id, now) for change in due.changes}
        look = await self._look()
        if look is not None:
            await self._settle_all(due.changes, look)
            self._away = away(due.changes, look)
            await self._lookout.looked(look, keep=due.standing)
            await self._lookout.measure(look.servers, due.wanted)
        self.record_round()
        await self._pause(interval(due.changes, look, self.timing))

    async def _pause(self, seconds: float) -> None:
        if self._lookout.refused:
            seconds = max(seconds, REFUSED_WAIT)
        spread = seconds * self.timing.poll_jitter
        with anyio.move_on_after(seconds + random.uniform(-spread, spread)):  # noqa: S311 - jitter
            await self._nudged.wait()
            await self.clock.sleep(min(seconds, 0.5))  # debounce: a burst of nudges is one look

    async def _mine(self) -> Due:
        def work(connection: Connection) -> Due:
            if not leases.take(connection, LEASE, self.process.id, self.database.tick(connection)):
                return Due()
            now = self.clock.now()
            wanted = [one for one in every(connection) if one.alive(now) and one.looks]
            due = Due(watched(connection), wanted, self.always or bool(wanted))
            if due.nothing:
                leases.release(connection, LEASE, self.process.id)
            return due

        return await self.database.transact(work, durable=False, wake=False)

    async def _look(self) -> Look | None:
        try:
            servers = await self.api.list_servers()
        except provider_errors.WayscloudError as error:
            await self._lookout.failed(error)
            return None
        await self._lookout.recovered()
        if self.fleet is not None:
            self.fleet.saw(servers)
        steady = self.clock.monotonic()
        waited = {change_id: steady - since for change_id, since in self._since.items()}
        return Look(servers, servers.complete, self.clock.now(), frozenset(self._away), waited)

    async def _settle_all(self, changes: Sequence[Change], look: Look) -> None:
        for change in changes:
            try:
                await self._settle(change, look)
            except StaleChange:
                LOG.info("change moved on elsewhere", change=change.id)

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
        if found.finding is Finding.WAIT:
            await self._show_phase(change, look)
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

    async def _show_phase(self, change: Change, look: Look) -> None:
        """Store where the provider says that the server is, when that is another word than before: cards show it."""
        wanted = change.target.id or str(change.result.get("id", ""))
        server = next((one for one in look.servers if one.id == wanted), None)
        if change.state is not State.WATCHING or server is None or server.status == change.result.get("status"):
            return
        result = dict(change.result) | server.model_dump(mode="json", exclude_none=True)

        def work(connection: Connection) -> None:
            fresh = store.load(connection, change.id, lock=True)
            if fresh.state is State.WATCHING:
                store.amend(connection, fresh, look.now, result=result)
                outbox.put_card(connection, change.id, look.now)

        await self.database.transact(work, durable=False)

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
