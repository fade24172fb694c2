"""Requests for changes: checked, decided by policy and limits, and stored before a person is asked."""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.refusals import IdentifiedActor, identify, paused_refusal, refusal_of, terminal_refusal
from vpsops.core.authorization.submission import (
    checked,
    facts,
    operation_named,
    reachable_places,
    with_places,
    with_warning,
)
from vpsops.core.authorization.withheld import Withheld, withheld
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import clean_request
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview, locate, preview, target_of
from vpsops.core.changes.requests import DryRun, Outcome, Refused, Request, outcome_of
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.account import read_account
from vpsops.core.limits.guard import out_of_sight, refusal_for
from vpsops.core.limits.model import Exceeded, Limits
from vpsops.core.limits.quotas import outlived
from vpsops.core.messaging.bot_presence import has_bot
from vpsops.core.offers.absences import refusal_text
from vpsops.core.offers.memory import region_of
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import ServerArguments
from vpsops.core.operations.server_lookup import locate_server
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy
from vpsops.core.policy.decision import Ruling
from vpsops.core.schedule.resolution import resolve
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_store import ChangeStore, Draft, PolicyReplacedError, new_change
from vpsops.core.telemetry.metrics import OTHER
from vpsops.core.wayscloud.answers.errors import NotOfferedError
from vpsops.core.wayscloud.requests.transport import RequestLane

UNSET: Final = Settings()
"""No settings of this process, so that only those in force count."""


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
        operation = request.operation if request.operation in OPERATIONS else OTHER
        with self._backend.telemetry.tracer.span("change request", attributes={"vpsops.change.operation": operation}):
            return await self._submit(request, scope)

    async def _submit(self, request: Request, scope: Scope) -> Outcome:
        await self._backend.policy.refresh()
        await self._backend.offers.refresh()
        request = self.prepared(request, scope)
        operation = operation_named(request.operation)
        exceeded = await self._admission.count(request.actor)
        if exceeded is not None:
            return await self._admission.refuse_for_rate(request, exceeded)
        arguments = checked(operation, request.arguments)
        settled = await self.beforehand(request, scope)
        if settled is not None:
            return settled
        identified = await self.identified(request)
        if identified.refusal is not None:
            return await self._admission.refuse(request, identified.refusal)
        request = replace(request, actor=identified.actor)
        seen = await self._previewed(operation, arguments, request, scope)
        if isinstance(seen, Withheld):
            return await self._admission.refuse_change(request, seen.preview, seen.ruling, seen.refusal)
        policy = self._backend.policy.latest()
        while True:
            try:
                return await self._decide_by(policy, operation, IdentifiedRequest(request, identified), seen, scope)
            except PolicyReplacedError as error:  # between its decision and its storing
                policy = error.policy

    async def identified(self, request: Request) -> IdentifiedActor:
        """Return who asks, or why they may change nothing; and whether Slack is there to ask an agent's human."""
        backend, origin = self._backend, request.origin
        identified = await identify(backend.accounts, request.actor, origin, request.named_in)
        served = await self._has_slack()
        slack = backend.policy.settings_from(UNSET).slack_configured or bool(backend.workspaces.known) or served
        refusal = identified.refusal or terminal_refusal(identified, origin, slack=slack)
        asks = request.actor.kind is ActorKind.AGENT and (backend.slack() or served)
        return replace(identified, refusal=refusal, slack=asks)

    async def _has_slack(self) -> bool:
        """Return whether a bot serves this database, or did before: while it is down, no other place is trusted."""
        tick = self._backend.database.tick

        return await self._backend.database.read(lambda connection: has_bot(connection, tick(connection)))

    def prepared(self, request: Request, scope: Scope) -> Request:
        """Return a request with words fit to be stored, and the workspace that it counts for."""
        request = clean_request(request, self._backend.redactor)
        return replace(request, origin=self._backend.workspaces.stamped(request.origin, scope.team))

    async def _decide_by(
        self, policy: Policy, operation: Operation, identified: IdentifiedRequest, seen: Preview, scope: Scope
    ) -> Outcome:
        backend, request = self._backend, identified.request
        seen = self._scheduled(policy, request, seen)
        ruling = self._ruling(policy, operation, request, seen, slack=identified.human.slack)
        refusal = refusal_of(ruling, identified.human, request.origin, can_confirm=request.can_confirm)
        if refusal is not None:
            return await self._admission.refuse_change(request, seen, ruling, refusal)
        limits = backend.policy.latest_limits()
        exceeded = undocumented_limit(backend.policy.latest_limits(), operation) or _forbidden_by(
            limits, seen, request.actor, scope
        )
        if exceeded is not None:
            return await self._admission.refuse_for_limit(request, exceeded)
        absent = self._not_offered(operation, seen)
        if absent is not None:
            return await self._admission.refuse_change(request, seen, ruling, absent)
        slack = identified.human.slack
        places = reachable_places(ruling, request.actor, can_confirm=request.can_confirm, slack=slack)
        ruling = replace(ruling, confirm_in=places)
        return await self._store.store(await self._draft(operation, request, seen, ruling, scope))

    async def _draft(
        self, operation: Operation, request: Request, seen: Preview, ruling: Ruling, scope: Scope
    ) -> Draft:
        backend = self._backend
        limits = backend.policy.latest_limits()
        account = await read_account(
            backend.api_for(OPERATOR, lane=RequestLane.WORK), limits, operation, named=scope.servers
        )
        timing = backend.policy.timing_from(backend.timing)
        change = new_change(operation, request, seen, ruling, backend.clock.now(), timing)
        change = replace(change, traceparent=backend.telemetry.tracer.current())
        return Draft(change, request, seen, account, scope)

    async def _previewed(
        self, operation: Operation, arguments: Arguments, request: Request, scope: Scope
    ) -> Preview | Withheld:
        """Read the live state behind a request, and remember where the API lacks what it needs."""
        backend = self._backend
        api = backend.api_for(scope, lane=RequestLane.WORK)
        try:
            located = await locate(api, await backend.regions.with_ids(api, arguments))
            if located.server is not None:
                now, server = backend.clock.now(), target_of(located.server)
                context = facts(operation, request.actor, request.origin, server, None, now)
                refused = withheld(backend.policy.latest(), operation, context, located)
                if refused is not None:
                    return refused
            seen = await preview(api, operation, located)
            return replace(seen, target=await backend.regions.named_target(api, seen.target))
        except NotOfferedError as error:
            target = await self._target_of(arguments, scope)
            await backend.offers.learn(backend.api_for(OPERATOR, lane=RequestLane.WORK), operation, target, error)
            raise

    async def _target_of(self, arguments: Arguments, scope: Scope) -> Target | None:
        if not isinstance(arguments, ServerArguments):
            return None
        try:
            return target_of(await locate_server(self._backend.api_for(scope, lane=RequestLane.WORK), arguments.server))
        except VpsopsError:
            return None

    def _scheduled(self, policy: Policy, request: Request, seen: Preview) -> Preview:
        """Return a preview with the schedule that a request wishes for; raises as `resolve` does."""
        if request.later is None:
            return seen
        schedule = resolve(request.later, self._backend.clock.now(), policy.calendar, seen.target)
        return seen.scheduled(schedule)

    def _not_offered(self, operation: Operation, seen: Preview) -> Refused | None:
        """Return the refusal of what the API did not offer lately in the region of a change's server."""
        absent = self._backend.offers.latest.own(operation, region_of(seen.target))
        if absent is None:
            return None
        reason, hint = refusal_text(operation, absent, seen.target.region_name)
        return Refused(reason, hint=hint)

    def _ruling(self, policy: Policy, operation: Operation, request: Request, seen: Preview, *, slack: bool) -> Ruling:
        now = self._backend.clock.now()
        runs_at = max(now, seen.schedule.run_at) if seen.schedule else now
        ruling = policy.decide(facts(operation, request.actor, request.origin, seen.target, seen.monthly, runs_at))
        ruling = with_warning(self._backend.workspaces.ruling_of(ruling, request.origin.team), seen)
        return with_places(ruling, operation, request.actor, slack=slack)

    async def dry_run(self, request: Request, scope: Scope) -> DryRun:
        """Decide a request for a change as `submit` does, without a question or a message, and store nothing.

        What a storing would meet (limits that count, the pause, another change on the server) is met in a transaction
        that is rolled back. Raises as `submit` does.
        """
        backend = self._backend
        await backend.offers.refresh()
        request = self.prepared(request, scope)
        operation = operation_named(request.operation)
        human = await self.identified(request)
        arguments = checked(operation, request.arguments)
        request = replace(request, actor=human.actor)
        seen = await self._previewed(operation, arguments, request, scope)
        if isinstance(seen, Withheld):
            refused = human.refusal or seen.refusal
            return self._dry_run_refused(operation, request, seen.preview, seen.ruling, refused)
        seen = self._scheduled(backend.policy.latest(), request, seen)
        ruling = self._ruling(backend.policy.latest(), operation, request, seen, slack=human.slack)
        refusal = human.refusal or refusal_of(ruling, human, request.origin, can_confirm=request.can_confirm)
        exceeded = undocumented_limit(backend.policy.latest_limits(), operation) or _forbidden_by(
            backend.policy.latest_limits(), seen, request.actor, scope
        )
        if refusal is None and exceeded is not None:
            refusal = refusal_for(exceeded)
        refusal = refusal or self._not_offered(operation, seen)
        places = reachable_places(ruling, request.actor, can_confirm=request.can_confirm, slack=human.slack)
        ruling = replace(ruling, confirm_in=places)
        if refusal is None:
            draft = await self._draft(operation, request, seen, ruling, scope)
            return await self._store.dry_run(draft)
        return self._dry_run_refused(operation, request, seen, ruling, refusal)

    def _dry_run_refused(
        self, operation: Operation, request: Request, seen: Preview, ruling: Ruling, refusal: Refused
    ) -> DryRun:
        backend = self._backend
        timing = backend.policy.timing_from(backend.timing)
        return DryRun(new_change(operation, request, seen, ruling, backend.clock.now(), timing), refusal)

    async def beforehand(self, request: Request, scope: Scope) -> Outcome | None:
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


def undocumented_limit(limits: Limits, operation: Operation) -> Exceeded | None:
    """Return the limit that switches off what the provider does not document."""
    return limits.forbids(operation.name, documented=operation.documented)


def _forbidden_by(limits: Limits, seen: Preview, actor: Actor, scope: Scope) -> Exceeded | None:
    """Return the limit that keeps a server from being created or changed here."""
    target = seen.target
    hidden = None if target.id else out_of_sight(scope.servers, target.hostname)
    return hidden or limits.protects(target, actor) or outlived(limits, seen.operation, target, seen.arguments)
