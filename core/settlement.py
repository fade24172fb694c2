"""The settlement of a look: what the list says ends changes at once, the rest is read beside, each for itself.

A server that does not answer holds up its own change and no other. Its read is given up within the look's budget at
first; after that it is read apart from the looks, with more patience each time.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from sqlalchemy.engine import Connection

from core.changes import outbox, store
from core.changes.lookup import Finding, Found, Look, elapsed, judge
from core.changes.model import Change, State
from core.clock import Clock
from core.errors import StaleChange, StorageError
from core.storage.database import Database
from core.supervision import error_id_of
from core.timing import Timing
from core.wayscloud import errors as provider_errors
from core.wayscloud.client import Wayscloud
from core.wayscloud.models import Server, Usage

LOG = structlog.get_logger(__name__)
AT_ONCE: Final = 32
APART: Final = 16
"""Reads of servers that were slow before; a read of one that was not finds room beside them."""
READ: Final = frozenset({Finding.NEEDS_USAGE, Finding.SUCCEEDED})
"""Findings that take a read of the server: to find out, or to store all that is known of it."""


@dataclass(slots=True)
class Settlement:
    """Settles changes by what looks find, and remembers of each how its server answered."""

    database: Database
    api: Wayscloud
    clock: Clock
    timing: Timing
    _uptimes: dict[str, int] = field(default_factory=dict)  # the newest seen, by change
    _misses: dict[str, int] = field(default_factory=dict)  # reads in a row that were not answered in time
    _tried: dict[str, float] = field(default_factory=dict)
    _apart: set[str] = field(default_factory=set)

    async def settle(self, changes: Sequence[Change], look: Look, group: TaskGroup) -> None:
        """Settle what the list and quick reads settle; slow reads go on in `group`. Raises `StorageError`."""
        self._forget({change.id for change in changes})
        to_read: list[tuple[Change, Found]] = []
        for change in (self._known(one) for one in changes):
            found = self._judge(change, look)
            if found is None:
                continue
            if found.finding in READ and found.server is not None:
                to_read.append((change, found))
            else:
                await self._each(change, self._conclude(change, found, look))
        to_read.sort(key=lambda one: self._tried.get(one[0].id, 0.0))
        quick = [one for one in to_read if not self._misses.get(one[0].id)]
        await self._read_quickly(quick, look)
        for change, found in to_read:
            if self._misses.get(change.id) and (change, found) not in quick:
                self._read_apart(change, found, look, group)
        await self._store_uptimes(changes)

    def _judge(self, change: Change, look: Look) -> Found | None:
        """Return what the list alone says of a change; nothing where saying it breaks, which is that change's alone."""
        try:
            return judge(change, look, None, self.timing)
        except Exception as error:  # as in `_each`
            LOG.exception("settling broke", change=change.id, error_id=error_id_of(error))
            return None

    def _forget(self, kept: set[str]) -> None:
        for memory in (self._uptimes, self._misses, self._tried):
            for change_id in memory.keys() - kept:
                del memory[change_id]

    def _known(self, change: Change) -> Change:
        return replace(change, last_uptime=self._uptimes.get(change.id, change.last_uptime))

    async def _read_quickly(self, to_read: Sequence[tuple[Change, Found]], look: Look) -> None:
        """Read servers at once, all within the look's budget; whose turn does not come is first at the next look."""
        limiter, end = anyio.CapacityLimiter(AT_ONCE), anyio.current_time() + self.timing.look_budget

        async def read(change: Change, found: Found) -> None:
            async with limiter:
                await self._each(change, self._read(change, found, look, end - anyio.current_time()), passing=True)

        async with anyio.create_task_group() as reads:
            for change, found in to_read:
                reads.start_soon(read, change, found)

    def _read_apart(self, change: Change, found: Found, look: Look, group: TaskGroup) -> None:
        """Read a server that was slow before while looks go on, unless that is under way."""
        if change.id in self._apart or len(self._apart) >= APART:
            return
        patience = min(self.timing.look_budget * 2 ** self._misses[change.id], self.timing.look_patience)
        self._apart.add(change.id)

        async def read() -> None:
            try:
                await self._each(change, self._read(change, found, look, patience), passing=True)
            finally:
                self._apart.discard(change.id)

        group.start_soon(read)

    async def _read(self, change: Change, found: Found, look: Look, patience: float) -> None:
        """Read what a change's server tells within `patience`, and settle the change by it or without it."""
        if found.server is None:
            return
        end = anyio.current_time() + patience
        if patience > 0:
            self._tried[change.id] = self.clock.monotonic()
        if found.finding is Finding.NEEDS_USAGE:
            usage = await self._usage(change, found.server, patience)
            if usage is not None:
                found = judge(change, look, usage, self.timing)
                self._uptimes |= {change.id: usage.uptime_seconds} if usage.uptime_seconds is not None else {}
            elif patience > 0:
                found = unreadable(change, look, self.timing)
        if found.finding is Finding.SUCCEEDED and found.server is not None:
            found = replace(found, server=await self._in_full(found.server, end - anyio.current_time()))
        await self._conclude(change, found, look)

    async def _usage(self, change: Change, server: Server, patience: float) -> Usage | None:
        """Return a server's usage if it is told in time."""
        with anyio.move_on_after(patience) as scope:
            try:
                usage = await self.api.server_status(server.id)
            except provider_errors.WayscloudError as error:
                LOG.info("usage cannot be read", server=server.id, error=error.message)
                return None
            self._misses.pop(change.id, None)
            return usage
        if scope.cancelled_caught and patience > 0:
            self._misses[change.id] = self._misses.get(change.id, 0) + 1
            LOG.info("usage was not told in time", server=server.id, seconds=round(patience, 1))
        return None

    async def _in_full(self, server: Server, patience: float) -> Server:
        """Return a settled server in full if that is told in time: the list may carry little more than its state."""
        with anyio.move_on_after(patience):
            try:
                return await self.api.get_server(server.id)
            except provider_errors.WayscloudError:
                return server
        return server

    async def _conclude(self, change: Change, found: Found, look: Look) -> None:
        if found.finding is Finding.WAIT:
            await self._show_phase(change, look)
        if found.finding not in {Finding.WAIT, Finding.NEEDS_USAGE}:
            await self.database.transact(lambda connection: record(connection, change, found, self.clock))

    async def _each(self, change: Change, work: Awaitable[None], *, passing: bool = False) -> None:
        """Do one change's work so that no other's fails with it; with `passing` even where the database is away."""
        try:
            await work
        except StaleChange:
            LOG.info("change moved on elsewhere", change=change.id)
        except StorageError as error:
            if not passing:
                raise
            LOG.error("change not settled", change=change.id, error=error.message, error_id=error.error_id)
        except Exception:  # a bug that one change meets must not keep the others; the next look tries again
            LOG.exception("settling broke", change=change.id)

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

    async def _store_uptimes(self, changes: Sequence[Change]) -> None:
        """Store uptimes for whoever watches next, in one transaction, and only where they grew to the double."""
        grown = [
            (change, uptime)
            for change in changes
            if (uptime := self._uptimes.get(change.id)) is not None
            and (change.last_uptime is None or uptime >= 2 * change.last_uptime > 0)
        ]
        if not grown:
            return
        now = self.clock.now()

        def work(connection: Connection) -> None:
            for change, uptime in grown:
                try:
                    store.amend(connection, change, now, last_uptime=uptime)
                except StaleChange:
                    LOG.info("change moved on elsewhere", change=change.id)

        await self.database.transact(work, durable=False, wake=False)


def unreadable(change: Change, look: Look, timing: Timing) -> Found:
    """Say what follows for a change where its server's usage was not told."""
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
