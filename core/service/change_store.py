"""What a decided request becomes: a change that is stored, or the reason why it cannot be stored."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.authorization.refusals import busy_refusal, paused_refusal
from vpsops.core.authorization.submission import hold_seconds
from vpsops.core.authorization.votes import Statement, Votes
from vpsops.core.changes import repository
from vpsops.core.changes.approvals import first_attention
from vpsops.core.changes.audit_entries import requested, worded
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import DryRun, Outcome, Refused, Request, outcome_of
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError, UnreadableRowError
from vpsops.core.common.timings import Timing
from vpsops.core.grants.lifecycle import use_grant
from vpsops.core.limits import quotas
from vpsops.core.limits.guard import refusal_for
from vpsops.core.limits.model import AccountSnapshot
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.operations import Operation
from vpsops.core.operations.target import is_grant_request
from vpsops.core.outcomes.twins import TwinError, check_scheduled_twin, check_twins
from vpsops.core.plans.model import PlanMember
from vpsops.core.plans.repository import insert_members
from vpsops.core.policy import Policy
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.schedule.model import Schedule
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend

OTHER_WORKSPACE: Final = Refused(
    "Another workspace's change is first on this server.", hint="Ask again once it is done."
)


class PolicyReplacedError(Exception):
    """Another policy is in force than the one that a change was decided by; carries it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.version)
        self.policy = policy


class SetAsideRefusedError(Exception):
    """Who asks may not set the other change aside; carries the reason."""

    def __init__(self, reason: NotAllowedError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class RollbackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A decided change that is not stored yet, and what it was decided from."""

    change: Change
    request: Request
    preview: Preview
    account: AccountSnapshot | None
    scope: Scope
    members: Sequence[PlanMember] = ()  # of a plan


class ChangeStore:
    """Stores changes under the policy, the pause and the limits in force in the storing transaction."""

    __slots__ = ("_admission", "_backend")

    def __init__(self, backend: Backend, admission: Admission) -> None:
        self._backend = backend
        self._admission = admission

    async def store(self, draft: Draft) -> Outcome:
        """Store and start a change, or return why not.

        Raises `PolicyReplacedError`, `StorageError`, and what `Gate.set_aside` raises.
        """
        backend, change, request = self._backend, draft.change, draft.request
        await backend.engine.start()
        try:
            stored = await backend.database.transact(lambda connection: self._store(connection, draft))
        except SetAsideRefusedError as error:
            about = request.sets_aside.change_id if request.sets_aside else change.id
            await self._admission.record_refused_decision(about, request.actor, error.reason, scope=draft.scope)
            raise error.reason from None
        except AgentsPausedError as error:
            return await self._admission.refuse(request, paused_refusal(error))
        except LimitReachedError as error:
            return await self._admission.refuse_for_limit(request, error.exceeded)
        except (IntegrityError, TwinError) as error:
            outcome = self._behind_twin(draft, error) if isinstance(error, TwinError) else await self._conflict(draft)
            if isinstance(outcome, Refused):
                await self._admission.refuse_change(request, draft.preview, change.ruling, outcome)
            return outcome
        backend.engine.run_claimed(change.id)
        return outcome_of(stored)

    def _store(self, connection: Connection, draft: Draft) -> Change:
        backend = self._backend
        backend.policy.check(connection)
        policy = backend.policy.read(connection)
        if policy.version != draft.change.ruling.policy:
            raise PolicyReplacedError(policy)
        self._set_aside(connection, draft)
        change = self._insert(connection, draft)
        backend.engine.claim(connection, change)
        return change

    async def dry_run(self, draft: Draft) -> DryRun:
        """Return a change as it would be stored now, or why not: it is stored in a transaction that is rolled back."""
        stored = draft.change

        def work(connection: Connection) -> None:
            nonlocal stored
            self._backend.policy.check(connection)
            stored = self._insert(connection, draft)
            raise RollbackError

        refusal = await self._problem(draft, work)
        return DryRun(stored, refusal) if refusal is None else DryRun(draft.change, refusal)

    async def _problem(self, draft: Draft, work: Callable[[Connection], None]) -> Refused | None:
        try:
            await self._backend.database.transact(work)
        except AgentsPausedError as error:
            return paused_refusal(error)
        except LimitReachedError as error:
            return refusal_for(error.exceeded)
        except TwinError as error:
            return self._behind_twin(draft, error)
        except IntegrityError:
            outcome = await self._conflict(draft)
            return outcome if isinstance(outcome, Refused) else None
        except NotAllowedError as error:  # by a policy that is not in force
            return Refused(error.message, hint=error.hint)
        except RollbackError:
            pass
        return None

    def _set_aside(self, connection: Connection, draft: Draft) -> None:
        """Withdraw what a request sets aside. Raises `SetAsideRefusedError`, `StaleChangeError`."""
        request = draft.request
        if request.sets_aside is None:
            return
        word = Statement(request.actor, reason=request.reason, evidence=request.sets_aside.evidence)
        try:
            votes_of(self._backend, draft.scope).set_aside(connection, request.sets_aside.change_id, word)
        except NotAllowedError as error:
            raise SetAsideRefusedError(error) from None

    def _insert(self, connection: Connection, draft: Draft) -> Change:
        """Store a change, held or let through by a grant, and return it."""
        backend, request = self._backend, draft.request
        change = draft.change
        agent_pause.check(connection, request.actor)
        if is_grant_request(change.operation):
            agent_pause.check(connection, change.agent)
        if change.ruling.grant_terms is not None:
            change = use_grant(connection, change, backend.clock.now(), warned=bool(draft.preview.warning))
        body = requested(request, draft.preview, change.ruling)
        repository.insert(connection, change, key=request.key, body=body)
        insert_members(connection, change.id, draft.members)
        check_twins(connection, change, backend.clock.now(), waiting=True)
        check_scheduled_twin(connection, change)
        repository.remind_at(connection, change.id, first_attention(change, backend.timing))
        limits = backend.policy.read_limits(connection)
        quotas.check_stored(connection, limits, change, draft.account, backend.clock.now())
        return change

    def _behind_twin(self, draft: Draft, error: TwinError) -> Refused:
        """Return the refusal of a create behind another one of its hostname, or of what is scheduled already."""
        if not self._backend.workspaces.shows(error.twin, draft.scope.team):
            return OTHER_WORKSPACE
        if error.twin.state.open:
            return busy_refusal(error.twin, draft.request.actor, draft.request.origin.front)
        return Refused(error.message, hint=error.hint, change=error.twin)

    async def _conflict(self, draft: Draft) -> Outcome:
        """The key or the server is taken: return the same request's change, or the refusal naming the first change."""
        request, workspaces = draft.request, self._backend.workspaces

        def work(connection: Connection) -> tuple[Change | None, Change | None]:
            same = repository.by_key(connection, request.key) if request.key else None
            return same, repository.by_lock(connection, draft.change.target.key)

        try:
            same, first = await self._backend.database.read(work)
        except UnreadableRowError as error:  # no id: it may be another workspace's
            return Refused("Another change is first on this server, unreadable by this version.", hint=error.hint)
        if same is not None:
            return outcome_of(ChangeReader(draft.scope, workspaces).visible(same))
        if first is None:  # it ended this instant
            return Refused("Another change was just finished on this server.", hint="Ask again.")
        if not workspaces.shows(first, draft.scope.team):
            return OTHER_WORKSPACE
        return busy_refusal(first, request.actor, request.origin.front)


def new_change(  # noqa: PLR0913 - everything a change is made of
    operation: Operation, request: Request, seen: Preview, ruling: Ruling, now: datetime, timing: Timing
) -> Change:
    """Make the change that a decided request becomes."""
    held = ruling.decision in {Decision.CONFIRM, Decision.APPROVE}
    agreed = State.APPROVED if seen.schedule is None else State.SCHEDULED
    return Change(
        id=f"chg_{secrets.token_hex(6)}",
        version=1,
        state=State.HELD if held else agreed,
        operation=operation.name,
        arguments=seen.arguments,
        target=seen.target,
        actor=request.actor,
        origin=request.origin,
        reason=worded(request.reason),
        ruling=_ruling_of(ruling, seen),
        digest=seen.digest(ruling.policy),
        created_at=now,
        expires_at=_hold_end(seen.schedule, now + timedelta(seconds=hold_seconds(ruling, timing))) if held else None,
        updated_at=now,
        cost=seen.cost,
        facts=seen.facts,
        effect=f"{operation.effect} {seen.warning}".strip(),
        schedule=seen.schedule,
    )


def _ruling_of(ruling: Ruling, seen: Preview) -> Ruling:
    """Return a ruling as a change keeps it: what runs later is neither granted nor run without its votes."""
    if seen.schedule is None:
        return replace(ruling, monthly=seen.monthly)
    return replace(ruling, monthly=seen.monthly, grant_terms=None, overrides=())


def _hold_end(schedule: Schedule | None, usual: datetime) -> datetime:
    """Return until when people may decide: no longer than the change may be sent."""
    return usual if schedule is None else min(usual, schedule.run_until)


def votes_of(backend: Backend, scope: Scope) -> Votes:
    """Return the decisions that people within a scope may make, by the policy as it was read last."""
    recheck, stewards = Recheck(backend.policy, backend.timing), backend.policy.latest_stewards(scope.team)
    return Votes(ChangeReader(scope, backend.workspaces), backend.clock, backend.redactor, recheck, stewards)
