"""One run of an approved change: claim, check again, connect, store the intention, send once, record the answer.

Every step is a transaction with compare-and-set, so a process that was taken for dead finds its next step refused.
The write itself is fenced in time: on an open connection it leaves within two seconds of the stored intention, by a
process that no other can have given up yet, or not at all. A write that this process was too slow for is no failure
of the change, which is tried again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import anyio
import structlog
from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.attempts import (
    UNPREPARED,
    ClaimedChange,
    SendCheck,
    SupersededError,
    WriteTurn,
    attempted_since,
)
from vpsops.core.authorization.authorization import UnauthorizedError, check_authorized
from vpsops.core.authorization.hold_offs import HeldOffError, HoldOff, check_wishes
from vpsops.core.authorization.recheck import LIMITED, Recheck, StricterError
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import recorded
from vpsops.core.changes.model import REFUSAL, Change, Refusal, State
from vpsops.core.changes.preview import preview_stored
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import (
    AlreadyGoneError,
    InvalidInputError,
    StaleChangeError,
    StorageError,
    UnreadableRowError,
    VpsopsError,
)
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import Timing
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor, StoreWentBackError
from vpsops.core.execution.claims import WriteClaims
from vpsops.core.execution.deferral import LapsedError, check_not_over, defer, doubt
from vpsops.core.execution.notes import (
    DOUBTED,
    NO_RESULT,
    NOTHING_SENT,
    UNAUTHORIZED,
    before,
    difference,
    not_sent,
    remedy_result,
    sent_record,
    unknown_note,
)
from vpsops.core.execution.send_deadline import LateError, SendDeadline, WriteHook, pause_after
from vpsops.core.limits.account import read_account
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.messaging import outbox
from vpsops.core.monitoring.change_telemetry import traceparent_of
from vpsops.core.offers.memory import OfferMemory
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.traits import shows_by_uptime
from vpsops.core.outcomes.removals import GONE_ALREADY, is_gone
from vpsops.core.outcomes.strangers import kept_while_sent
from vpsops.core.outcomes.twins import TwinError, check_twins
from vpsops.core.plans.seals import MemberSeals
from vpsops.core.schedule.model import MissedError
from vpsops.core.scheduler.due_changes import expire_missed
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import CHANGES
from vpsops.core.telemetry.tracer import NO_TRACER, Tracer
from vpsops.core.wayscloud.answers import errors as provider_errors
from vpsops.core.wayscloud.client import Wayscloud

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs approved changes in this process."""

    database: Database
    api: Wayscloud
    clock: Clock
    process: Process
    timing: Timing
    recheck: Recheck  # by the policy and limits in force
    sent: Callable[[], None]  # called when there is something to watch
    continuity: ContinuityMonitor | None = None
    offers: OfferMemory | None = None
    tracer: Tracer = NO_TRACER
    seals: MemberSeals = field(default_factory=MemberSeals)

    @property
    def claims(self) -> WriteClaims:
        """The claims of this process."""
        return WriteClaims(self.database, self.clock, self.process, self.timing, self.recheck)

    async def run(self, change_id: str, claim: ClaimedChange | None = None) -> None:
        """Take a change as far as the provider's answer; a change of another process is left alone.

        `claim` is what `claims.claim_in` returned in the transaction that let it run.
        """
        bound = logger.bind(change=change_id)
        try:
            claim = claim or await self.claims.claim(change_id)
            if claim is not None:
                with self.tracer.span(
                    "change run", attributes={"vpsops.change.id": change_id}, parent=traceparent_of(claim.change)
                ):
                    await self._run(claim)
        except StaleChangeError:
            bound.info("change_already_moved")
        except StoreWentBackError:
            await self._went_back()
        except UnreadableRowError as error:  # left to a process that can read it
            bound.info("change_released", why=error.why)
        except StorageError as error:  # the reconciler of some process finds it again
            bound.error("storage_failed", error=error.message, error_id=error.error_id)
        finally:
            self.sent()

    async def _went_back(self) -> None:
        """Have the rollback recorded at once; where that fails, the reconciler's next round does it."""
        try:
            if self.continuity is not None:
                await self.continuity.check()
        except StorageError as error:
            logger.error("storage_failed", error=error.message, error_id=error.error_id)

    async def _run(self, claim: ClaimedChange) -> None:
        """Attempt a change until it was sent or has ended; where this process was late, again after a growing pause."""
        change = await self._attempt(claim.change, claim.turn)
        lateness = 0
        while change is not None:
            lateness += 1
            await self.clock.sleep(pause_after(lateness, self.timing.late_pause, self.timing.late_pause_most))
            turn = await self.database.transact(partial(self.claims.take_turn, change=change), wake=False)
            change = await self._attempt(change, turn)

    async def _attempt(self, change: Change, turn: WriteTurn) -> Change | None:
        if not self.process.certain:  # it was paused, and its next beat may be a second away
            await self.process.beat()
        try:
            await self._wait_for_turn(turn, change.id)
            checked = await self._check(change)
            return await self._send(change, checked) if checked is not None else None
        except AgentsPausedError as error:
            note = not_sent(change, f". {error.message} Ask again once they may go on.")
            await self._end(change, State.CANCELLED, "cancelled", note)
        except (StricterError, LimitReachedError) as error:
            reason = str(error) if isinstance(error, StricterError) else LIMITED.format(why=error)
            await self._end(change, State.SUPERSEDED, "superseded", not_sent(change, reason.removeprefix(NOTHING_SENT)))
        except HeldOffError as error:
            await self._defer(change, error.wish)
        except (LapsedError, MissedError, TwinError) as error:
            await self._lapse(change, error)
        except UnauthorizedError as error:
            logger.error("send_unauthorized", change=change.id, why=error.message, error_id=error.error_id)
            await self._not_sent(change, UNAUTHORIZED.format(why=error.message))
        except SupersededError:
            logger.info("change_already_ended", change=change.id)
        return None

    async def _wait_for_turn(self, turn: WriteTurn, change_id: str) -> None:
        """Wait for a change's place; raises the reason for a missing place."""
        if turn.barrier is not None:
            raise turn.barrier
        delay = turn.at - self.clock.monotonic()
        if delay > 0:
            logger.info("write_delayed", change=change_id, seconds=round(delay, 2))
            await self.clock.sleep(delay)

    async def _defer(self, change: Change, wish: HoldOff) -> None:
        """Leave a change until the provider's time has come, to the process that keeps changes then."""
        logger.info("write_deferred", change=change.id, scope=wish.scope, until=wish.until)
        now = self.clock.now()
        await self.database.transact(lambda connection: defer(connection, change, wish, now, self._policy_timing))

    @property
    def _policy_timing(self) -> Timing:
        return self.recheck.policy.timing_from(self.timing)

    async def _check(self, change: Change) -> SendCheck | None:
        """Check the preview again; a difference supersedes the change."""
        operation, begun = OPERATIONS[change.operation], self.clock.monotonic()
        try:
            seen = await preview_stored(self.api, operation, change.arguments)
            account = await read_account(self.api, self.recheck.policy.latest_limits(), operation)
        except (AlreadyGoneError, provider_errors.NotFoundError) as error:
            if await is_gone(self.api, change, error):
                await self._end(change, State.SUCCEEDED, State.SUCCEEDED.value, not_sent(change, GONE_ALREADY))
            else:
                await self._not_sent(change, f": {error.message}")
            return None
        except InvalidInputError as error:
            await self._supersede(change, error.message, remedy_result(error))
            return None
        except provider_errors.WayscloudError as error:
            await self._not_sent(change, f": {error.message}")
            return None
        if seen.is_news_to(change):
            await self._supersede(change, seen.warning)
            return None
        seen = seen.as_known_to(change)
        if seen.digest(change.ruling.policy) != change.digest:  # a milder policy does not alter what was shown
            await self._supersede(change, difference(change, seen))
            return None
        protected = self.recheck.policy.latest_limits().protects(seen.target, change.actor)
        if protected is not None:
            raise LimitReachedError(protected)
        return SendCheck(seen, account, begun)

    async def _supersede(self, change: Change, why: str, result: Mapping[str, Json] = NO_RESULT) -> None:
        """End a change if its server differs from what was shown, unless an earlier send of it may be the reason."""
        if not change.sends:
            note = f"Nothing was sent. What was shown has changed: {why}"
            await self._end(change, State.SUPERSEDED, "superseded", note, result)
            return
        refusal = change.refusal or Refusal("The provider refused it.", again=False)
        doubted = {**change.result, REFUSAL: replace(refusal, again=False).stored}
        note = DOUBTED.format(why=why.rstrip("."))
        await self._step(change, State.UNKNOWN, "outcome_unknown", {"why": why}, note=note, result=doubted)

    async def _intend(self, change: Change, checked: SendCheck, uptime: int | None) -> tuple[Change, SendDeadline]:
        """Store that the write leaves now, on the open connection; the checked facts are unchanged."""
        now = self.clock.now()

        def work(connection: Connection) -> tuple[Change, float]:
            if self.continuity is not None:
                self.continuity.verify(connection)
            policy = self.recheck.policy.read(connection).version  # the first lock, as in every decision
            agent_pause.check(connection, change.actor)
            check_not_over(connection, change, now)
            check_wishes(connection, change, now)
            check_authorized(connection, change, self.seals)
            check_twins(connection, change, now)
            sending = repository.step(
                connection,
                change,
                State.SENDING,
                now,
                event="sending",
                body={**sent_record(change), "policy": policy},
                sent_at=now.timestamp(),
                last_uptime=uptime,
                sends=CHANGES.c.sends + 1,
                result=kept_while_sent(change, checked.seen.known),
            )
            self.recheck.check_sending(connection, change, checked.seen, checked.account, now)
            return sending, self.clock.monotonic()  # before the commit: a process may be paused right after it

        sending, stored = await self.database.transact(work)
        return sending, SendDeadline(self.process, self.clock, stored + self.timing.send_window)

    async def _uptime(self, change: Change, server_id: str) -> int | None:
        """Return a server's uptime before its reboot, if read in time; otherwise a low later one proves it."""
        if not shows_by_uptime(change.operation):
            return None
        with anyio.move_on_after(self.timing.uptime_wait):
            try:
                return (await self.api.server_status(server_id)).uptime_seconds
            except provider_errors.WayscloudError:
                return None
        return None

    async def _send(self, change: Change, checked: SendCheck) -> Change | None:
        operation = OPERATIONS[change.operation]
        arguments = operation.arguments.model_validate(dict(change.arguments))
        uptime = await self._uptime(change, checked.seen.target.id)
        sending = WriteHook(change, partial(self._prepare, change, checked, uptime))
        try:
            answer = await operation.run(self.api, arguments, sending)
        except UNPREPARED:
            raise  # from storing the intention: nothing left
        except LateError as error:
            return await self._held_back(sending.change, str(error))
        except (provider_errors.NotSentError, InvalidInputError) as error:
            left = sending.change if sending.fence is None else before(sending.change)
            await self._end(sending.change, State.FAILED, "not_sent", not_sent(left, f". {error.message}"))
        except provider_errors.ProviderRefusedError as error:
            await self._refused(sending, error)
        except VpsopsError as error:
            await self._unknown(sending.change, error.message)
        except BaseException as error:  # cancelled, or failed
            with anyio.CancelScope(shield=True):
                await self._broken_off(sending, error)
            raise
        else:
            await self._accepted(sending.change, answer.model_dump(mode="json", exclude_none=True))
        return None

    async def _accepted(self, change: Change, result: Mapping[str, Json]) -> None:
        """Store the provider's answer, which also shows that the route is there."""
        body = {"answer": recorded(result)}
        await self._step(change, State.WATCHING, "sent", body, result={**change.result, **result})
        if self.offers is not None:
            await self.offers.forget(self.api, OPERATIONS[change.operation], change.target)

    async def _prepare(self, change: Change, checked: SendCheck, uptime: int | None) -> tuple[Change, SendDeadline]:
        """Store the intention, after another check where connecting took so long that the last one is old."""
        if self.clock.monotonic() - checked.at > self.timing.preview_age:
            again = await self._check(change)
            if again is None:
                raise SupersededError
            checked = again
        return await self._intend(change, checked, uptime)

    async def _refused(self, sending: WriteHook, error: provider_errors.ProviderRefusedError) -> None:
        """Have polls verify a refusal: a proxy may have repeated the request, or have refused it after the effect.

        A rejected key is the exception: it is refused before anything is done, and cannot be used for polls.
        """
        if sending.fence is None:
            await self._not_sent(sending.change, f". {error.message}")
        elif isinstance(error, provider_errors.NotAuthenticatedError):
            await self._end(sending.change, State.FAILED, "refused", error.message)
        else:
            change, now = sending.change, self.clock.now()
            await self.database.transact(lambda connection: doubt(connection, change, error, now, self._policy_timing))
            if self.offers is not None:
                await self._learn(self.offers, change, error)

    async def _learn(self, offers: OfferMemory, change: Change, error: provider_errors.ProviderRefusedError) -> None:
        """Remember what a refusal shows of the API."""
        operation = OPERATIONS[change.operation]
        arguments = operation.arguments.model_validate(dict(change.arguments))
        await offers.learn_from_refusal(self.api, operation, arguments, change.target, error)

    async def _broken_off(self, sending: WriteHook, error: BaseException) -> None:
        """Hand a write that had not left back to the next process; of any other the outcome is unknown."""
        if sending.fence is None:  # it is approved as before
            return
        if sending.left or not isinstance(error, anyio.get_cancelled_exc_class()):
            await self._unknown(sending.change, "the sending process was stopped before an answer came")
            return
        why = "the process was stopped before it was sent"
        await self._back(sending.change, "not_processed", why, why)

    async def _held_back(self, change: Change, why: str) -> Change | None:
        """Return to approved, as nothing left and only this process was the reason; not indefinitely."""
        try:
            begun = await self.database.read(partial(attempted_since, change))
        except UnauthorizedError as error:
            await self._not_sent(before(change), UNAUTHORIZED.format(why=error.message))
            return None
        waited = self.clock.now().timestamp() - begun
        logger.warning("write_held_back", change=change.id, why=why)
        if waited > self.timing.late_limit:
            note = (
                f": it was held back for {waited / 60:.0f} minutes, the last time because {why}. "
                "Check this machine's load and its database, then ask again."
            )
            await self._end(change, State.FAILED, "not_sent", not_sent(before(change), note))
            return None
        note = f"It was held back: {why}. {not_sent(before(change), '; it is tried again.')}"
        return await self._back(change, "held_back", why, note)

    async def _back(self, change: Change, event: str, why: str, note: str) -> Change:
        """Step back to approved; a write that had not left was not a send."""
        sends = CHANGES.c.sends - 1
        return await self._step(change, State.APPROVED, event, {"why": why}, note=note, sends=sends)

    async def _unknown(self, change: Change, why: str) -> None:
        await self._step(change, State.UNKNOWN, "outcome_unknown", {"why": why}, note=unknown_note(why))

    async def _lapse(self, change: Change, error: Exception) -> None:
        """End a change that comes too late; one that missed its own time has expired, unless it was sent before."""
        if isinstance(error, MissedError) and change.schedule is not None and not change.sends:
            await self.database.transact(lambda connection: expire_missed(connection, change, self.clock.now()))
        else:
            await self._not_sent(change, f". {error}")

    async def _not_sent(self, change: Change, rest: str) -> None:
        await self._end(change, State.FAILED, "not_sent", not_sent(change, rest))

    async def _end(
        self, change: Change, after: State, event: str, note: str, result: Mapping[str, Json] = NO_RESULT
    ) -> None:
        now = self.clock.now()
        values = {"result": {**change.result, **result}} if result else {}

        def work(connection: Connection) -> None:
            repository.step(connection, change, after, now, event=event, body={"why": note}, note=note, **values)
            outbox.put_notice(connection, change.id, after.value, now)

        await self.database.transact(work)

    async def _step(self, change: Change, after: State, event: str, body: Mapping[str, Json], **values: Any) -> Change:
        now = self.clock.now()
        return await self.database.transact(
            lambda connection: repository.step(connection, change, after, now, event=event, body=body, **values)
        )
