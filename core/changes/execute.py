"""One run of an approved change: claim, look again, store the intention, send once, record what came back.

Every step is a transaction with compare-and-set, so a process that was taken for dead finds its
next step refused. The write itself is fenced in time: it leaves within two seconds of the stored
intention, by a process that nobody can have given up yet, or not at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog
from sqlalchemy.engine import Connection

from core import pause
from core.changes import outbox, pace, store
from core.changes.model import Change, Json, State
from core.changes.preview import Preview, look_again
from core.clock import Clock
from core.errors import InvalidInput, StaleChange, StorageError, VpsopsError
from core.limits import ledger
from core.limits.ledger import LimitReached
from core.limits.look import look
from core.limits.model import UNLIMITED, Account, Limits
from core.operations import OPERATIONS
from core.pause import AgentsPaused
from core.storage.database import Database
from core.storage.leases import Process, alive
from core.storage.tables import CHANGES
from core.timing import Timing
from core.wayscloud import errors as provider_errors
from core.wayscloud.client import Wayscloud

LOG = structlog.get_logger(__name__)


class Fenced(Exception):  # noqa: N818 - internal, never shown
    """This process may have been taken for dead: the write stayed here."""


@dataclass(slots=True)
class Fence:
    """Crossed at the last instant before a write's first byte leaves, or not at all."""

    process: Process
    clock: Clock
    until: float  # by the steady clock
    crossed: bool = False

    def cross(self) -> None:
        """Let the write pass; raises `Fenced` when it is late, or this process may count as dead."""
        if not self.process.certain or self.clock.monotonic() > self.until:
            raise Fenced
        self.crossed = True


@dataclass(frozen=True, slots=True)
class Checked:
    """What the last look before sending found: what would run, and, where a limit is about it, the account."""

    seen: Preview
    account: Account | None


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs approved changes in this process."""

    database: Database
    api: Wayscloud
    clock: Clock
    process: Process
    timing: Timing
    policy: str  # the version in force here
    sent: Callable[[], None]  # called when there is something to watch
    limits: Limits = field(default=UNLIMITED)

    async def run(self, change_id: str) -> None:
        """Take a change as far as the provider's answer; somebody else's change is left alone."""
        log = LOG.bind(change=change_id)
        try:
            change = await self._claim(change_id)
            if change is not None:
                await self._run(change)
        except StaleChange:
            log.info("change moved on elsewhere")
        except StorageError as error:  # the keeper of some process finds it again
            log.error("storage failed", error=error.message, error_id=error.error_id)
        finally:
            self.sent()

    async def _claim(self, change_id: str) -> Change | None:
        def work(connection: Connection) -> Change | None:
            change = store.load(connection, change_id, lock=True)
            tick = self.database.tick(connection)
            owner = connection.scalars(store.column(CHANGES.c.owner, change_id)).one()
            if change.state is not State.APPROVED or owner in alive(connection, tick) - {self.process.id}:
                return None
            return store.amend(connection, change, self.clock.now(), owner=self.process.id)

        return await self.database.transact(work, wake=False)

    async def _run(self, change: Change) -> None:
        if not self.process.certain:  # it was paused, and its next beat may be a second away
            await self.process.beat()
        try:
            waited = await self._wait_for_turn(change)
            checked = await self._check(change) if waited else None
            sending = await self._intend(change, checked) if checked is not None else None
        except AgentsPaused as error:
            note = f"Nothing was sent. {error.message} Ask again once they may go on."
            await self._end(change, State.CANCELLED, "cancelled", note)
            return
        except LimitReached as error:
            await self._end(change, State.FAILED, "not_sent", f"Nothing was sent. {error}")
            return
        if sending is not None:
            await self._send(sending)

    async def _wait_for_turn(self, change: Change) -> bool:
        """Wait for a place among all writes; where the provider wants none for long, the change ends here."""

        def work(connection: Connection) -> tuple[float, float]:
            pause.check(connection, change.actor)
            tick = self.database.tick(connection)
            unwanted = pace.held_off(connection, tick)
            long = unwanted > self.timing.longest_hold_off
            return unwanted, 0.0 if long else pace.reserve(connection, tick, self.timing)

        unwanted, delay = await self.database.transact(work, wake=False)
        if unwanted > self.timing.longest_hold_off:
            note = f"Nothing was sent: the provider asked for no more writes, for another {unwanted:.0f} s."
            await self._end(change, State.FAILED, "not_sent", note)
            return False
        if delay > 0:
            LOG.info("write waits for its turn", change=change.id, seconds=round(delay, 2))
            await self.clock.sleep(delay)
        return True

    async def _check(self, change: Change) -> Checked | None:
        """Look again at what was shown; a difference supersedes the change."""
        operation = OPERATIONS[change.operation]
        try:
            seen = await look_again(self.api, operation, change.arguments)
            account = await look(self.api, self.limits, operation)
        except InvalidInput as error:
            await self._supersede(change, error.message)
            return None
        except provider_errors.WayscloudError as error:
            await self._end(change, State.FAILED, "not_sent", f"Nothing was sent: {error.message}")
            return None
        if seen.digest(self.policy) != change.digest:
            await self._supersede(change, difference(change, seen, self.policy))
            return None
        protected = self.limits.protects(seen.target, change.actor)
        if protected is not None:
            raise LimitReached(protected)
        return Checked(seen, account)

    async def _supersede(self, change: Change, why: str) -> None:
        await self._end(change, State.SUPERSEDED, "superseded", f"Nothing was sent. What was shown has changed: {why}")

    async def _intend(self, change: Change, checked: Checked) -> Change:
        uptime = await self._uptime(checked.seen.target.id) if change.operation == "reboot" else None
        now = self.clock.now()

        def work(connection: Connection) -> Change:
            pause.check(connection, change.actor)
            sending = store.step(
                connection,
                change,
                State.SENDING,
                now,
                event="sending",
                body={"operation": change.operation, "arguments": dict(change.arguments), "digest": change.digest},
                sent_at=now.timestamp(),
                last_uptime=uptime,
                sends=CHANGES.c.sends + 1,
            )
            ledger.check_sending(connection, self.limits, change, checked.account, now)
            return sending

        return await self.database.transact(work)

    async def _uptime(self, server_id: str) -> int | None:
        try:
            return (await self.api.server_status(server_id)).uptime_seconds
        except provider_errors.WayscloudError:  # the reboot can still be told by an uptime younger than it
            return None

    async def _send(self, change: Change) -> None:
        operation = OPERATIONS[change.operation]
        arguments = operation.arguments.model_validate(dict(change.arguments))
        fence = Fence(self.process, self.clock, self.clock.monotonic() + self.timing.send_window)
        try:
            answer = await operation.run(self.api, arguments, fence.cross)
        except Fenced:
            await self._not_processed(change, "held back: this process had been paused", 0.0)
        except provider_errors.RateLimited as error:
            await self._not_processed(change, error.message, error.retry_after or self.timing.write_gap * 20)
        except (provider_errors.Refused, provider_errors.NotSent, InvalidInput) as error:
            await self._end(change, State.FAILED, "refused", error.message)
        except VpsopsError as error:
            await self._unknown(change, error.message)
        except BaseException as error:  # told to stop, or broken
            with anyio.CancelScope(shield=True):
                await self._broken_off(change, error, left=fence.crossed)
            raise
        else:
            result = answer.model_dump(mode="json", exclude_none=True)
            await self._step(change, State.WATCHING, "sent", {"answer": result}, result=result)

    async def _broken_off(self, change: Change, error: BaseException, *, left: bool) -> None:
        """A write that had not left is there for the next process; of any other the outcome is unknown."""
        if left or not isinstance(error, anyio.get_cancelled_exc_class()):
            await self._unknown(change, "the sending process was stopped before an answer came")
            return
        why = "the process was told to stop before it was sent"
        await self._step(change, State.APPROVED, "not_processed", {"why": why}, note=why)

    async def _not_processed(self, change: Change, why: str, hold_off: float) -> None:
        """Back to approved: the provider surely did nothing; a few times, and not for long waits."""

        def work(connection: Connection) -> int:
            pace.hold_off(connection, self.database.tick(connection), hold_off)
            return int(connection.scalars(store.column(CHANGES.c.sends, change.id)).one())

        sends = await self.database.transact(work, wake=False)
        if hold_off > self.timing.longest_hold_off or sends >= self.timing.sends:
            await self._end(change, State.FAILED, "refused", why)
            return
        again = await self._step(change, State.APPROVED, "not_processed", {"why": why}, note=why)
        await self._run(again)

    async def _unknown(self, change: Change, why: str) -> None:
        note = f"No clear answer came ({why}). It is being looked up; nothing is sent again."
        await self._step(change, State.UNKNOWN, "outcome_unknown", {"why": why}, note=note)

    async def _end(self, change: Change, after: State, event: str, note: str) -> None:
        now = self.clock.now()

        def work(connection: Connection) -> None:
            store.step(connection, change, after, now, event=event, body={"why": note}, note=note)
            outbox.put_notice(connection, change.id, after.value, now)

        await self.database.transact(work)

    async def _step(self, change: Change, after: State, event: str, body: Mapping[str, Json], **values: Any) -> Change:
        now = self.clock.now()

        def work(connection: Connection) -> Change:
            return store.step(connection, change, after, now, event=event, body=body, **values)

        return await self.database.transact(work)


def difference(change: Change, seen: Preview, policy: str) -> str:
    """Say in words what is not as it was shown; pure."""
    before, now = change.target, seen.target
    names = ("hostname", "state", "region", "address", "plan")
    parts = [
        f"{name} was {getattr(before, name) or 'unknown'}, is {getattr(now, name) or 'unknown'}"
        for name in names
        if getattr(before, name) != getattr(now, name)
    ]
    if change.cost != seen.cost:
        parts.append(f"the price was {change.cost}, is {seen.cost}")
    if change.ruling.policy != policy:
        parts.append(f"the policy was {change.ruling.policy}, is {policy}")
    return "; ".join(parts) or "the request reads differently now"
