"""Requests for changes: checked, decided by policy and limits, and stored before a person is asked."""

from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.refusals import IdentifiedActor, identify, paused_refusal, refusal_of
from vpsops.core.authorization.submission import checked, facts, new_change, operation_named, with_warning
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import clean_request
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview, preview
from vpsops.core.changes.requests import DryRun, Outcome, Refused, Request, outcome_of
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.account import read_account
from vpsops.core.limits.guard import out_of_sight, refusal_for
from vpsops.core.limits.model import Exceeded, Limits
from vpsops.core.operations import Operation
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy
from vpsops.core.policy.decision import Ruling
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_store import ChangeStore, Draft, PolicyReplacedError


@dataclass(frozen=True, slots=True)
class IdentifiedRequest:
    """A request with its identified actor."""

    request: Request
    human: IdentifiedActor


class Submissions:
    """Decides requests for changes; `Gate` calls it."""

    __slots__ = ("_admission", "_backend", "_store")

    def __init__(self, backend: Backend, admission: Admission) -> None:
        self._backend = backend
        self._admission = admission
        self._store = ChangeStore(backend, admission)

    async def submit(self, request: Request, scope: Scope) -> Outcome:
        """Hold a change, start it or refuse it; raises as `Gate.submit` does."""
        await self._backend.policy.refresh()
        request = self._prepared(request, scope)
        operation = operation_named(request.operation)
        exceeded = await self._admission.count(request.actor)
        if exceeded is not None:
            return await self._admission.refuse_for_rate(request, exceeded)
        arguments = checked(operation, request.arguments)
        settled = await self._beforehand(request, scope)
        if settled is not None:
            return settled
        identified = await identify(self._backend.accounts, request.actor, request.named_in)
        if identified.refusal is not None:
            return await self._admission.refuse(request, identified.refusal)
        request = replace(request, actor=identified.actor)
        seen = await preview(self._backend.api_for(scope).for_work(), operation, arguments)
        policy = self._backend.policy.latest()
        while True:
            try:
                return await self._decide_by(policy, operation, IdentifiedRequest(request, identified), seen, scope)
            except PolicyReplacedError as error:  # between its decision and its storing
                policy = error.policy

    def _prepared(self, request: Request, scope: Scope) -> Request:
        request = clean_request(request, self._backend.redactor)
        return replace(request, origin=self._backend.workspaces.stamped(request.origin, scope.team))

    async def _decide_by(
        self, policy: Policy, operation: Operation, identified: IdentifiedRequest, seen: Preview, scope: Scope
    ) -> Outcome:
        backend, request = self._backend, identified.request
        ruling = self._ruling(policy, operation, request, seen)
        refusal = refusal_of(ruling, identified.human, can_confirm=request.can_confirm)
        if refusal is not None:
            return await self._admission.refuse_change(request, seen, ruling, refusal)
        limits = backend.policy.latest_limits()
        exceeded = _undocumented(backend.policy.latest_limits(), operation) or _forbidden_by(
            limits, seen.target, request.actor, scope
        )
        if exceeded is not None:
            return await self._admission.refuse_for_limit(request, exceeded)
        return await self._store.store(await self._draft(operation, request, seen, ruling, scope))

    async def _draft(
        self, operation: Operation, request: Request, seen: Preview, ruling: Ruling, scope: Scope
    ) -> Draft:
        backend = self._backend
        limits = backend.policy.latest_limits()
        account = await read_account(backend.api.for_work(), limits, operation, named=scope.servers)
        timing = backend.policy.timing_from(backend.timing)
        change = new_change(operation, request, seen, ruling, backend.clock.now(), timing)
        return Draft(change, request, seen, account, scope)

    def _ruling(self, policy: Policy, operation: Operation, request: Request, seen: Preview) -> Ruling:
        ruling = policy.decide(facts(operation, request, seen.target, seen.monthly, self._backend.clock.now()))
        return with_warning(self._backend.workspaces.ruling_of(ruling, request.origin.team), seen)

    async def dry_run(self, request: Request, scope: Scope) -> DryRun:
        """Decide a request for a change as `submit` does, without a question or a message, and store nothing.

        What a storing would meet (limits that count, the pause, another change on the server) is met in a transaction
        that is rolled back. Raises as `submit` does.
        """
        backend = self._backend
        request = self._prepared(request, scope)
        operation = operation_named(request.operation)
        human = await identify(backend.accounts, request.actor, request.named_in)
        arguments = checked(operation, request.arguments)
        seen = await preview(backend.api_for(scope).for_work(), operation, arguments)
        request = replace(request, actor=human.actor)
        ruling = self._ruling(backend.policy.latest(), operation, request, seen)
        refusal = human.refusal or refusal_of(ruling, human, can_confirm=request.can_confirm)
        exceeded = _undocumented(backend.policy.latest_limits(), operation) or _forbidden_by(
            backend.policy.latest_limits(), seen.target, request.actor, scope
        )
        if refusal is None and exceeded is not None:
            refusal = refusal_for(exceeded)
        if refusal is None:
            draft = await self._draft(operation, request, seen, ruling, scope)
            return DryRun(draft.change, await self._store.problem(draft))
        timing = backend.policy.timing_from(backend.timing)
        return DryRun(new_change(operation, request, seen, ruling, backend.clock.now(), timing), refusal)

    async def _beforehand(self, request: Request, scope: Scope) -> Outcome | None:
        """Return what became of the same request before, or why none is taken now, before anything is read.

        The store checks once more. A process with another policy than the one in force refuses, and its engine starts
        all the same, so that its heartbeat shows it to the others.
        """

        def work(connection: Connection) -> Change | None:
            known = repository.by_key(connection, request.key) if request.key else None
            if known is None:
                self._backend.policy.check(connection)
                agent_pause.check_unlocked(connection, request.actor)
            return known

        try:
            known = await self._backend.database.read(work)
        except AgentsPausedError as error:
            return await self._admission.refuse(request, paused_refusal(error))
        except NotAllowedError as error:
            await self._backend.engine.start()
            return await self._admission.refuse(request, Refused(error.message, hint=error.hint))
        return None if known is None else outcome_of(ChangeReader(scope, self._backend.workspaces).visible(known))


def _undocumented(limits: Limits, operation: Operation) -> Exceeded | None:
    return limits.forbids(operation.name, documented=operation.documented)


def _forbidden_by(limits: Limits, target: Target, actor: Actor, scope: Scope) -> Exceeded | None:
    """Return the limit that keeps a server from being created or changed here."""
    hidden = None if target.id else out_of_sight(scope.servers, target.hostname)
    return hidden or limits.protects(target, actor)
