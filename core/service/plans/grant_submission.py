"""Requests for grants: held for the votes that the agent's own change would need on each server; and their end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
from sqlalchemy.engine import Connection

from vpsops.core.authorization.refusals import IdentifiedActor, identify, refusal_of
from vpsops.core.authorization.submission import facts
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import clean_actor, worded
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview, target_of
from vpsops.core.changes.requests import Outcome, Refused, Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.text import count_text, one_line
from vpsops.core.grants import lifecycle
from vpsops.core.grants.agents import find_agent
from vpsops.core.grants.model import Grant, check_ender
from vpsops.core.grants.queries import known_agents, load
from vpsops.core.grants.requests import (
    GrantOffer,
    GrantRequest,
    asked_terms,
    asker_in,
    combined_ruling,
    grantable,
    member_of,
)
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.limits.model import Exceeded
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.server_lookup import clean
from vpsops.core.operations.target import Target
from vpsops.core.operations.traits import grant_request_of
from vpsops.core.plans.selection import Selection, candidates, separate_names
from vpsops.core.policy import Policy
from vpsops.core.policy.context import is_glob
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_store import ChangeStore, Draft, PolicyReplacedError, new_change
from vpsops.core.service.submissions import Submissions, undocumented_limit
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.transport import RequestLane

AT_ONCE: Final = 8
"""Servers that are read at the same time for one request."""
NO_AGENT: Final = "A grant is for an agent, and none is named."
OTHER_AGENT: Final = "An agent asks for a grant for itself alone."
SAME: Final = "The same grant is asked for already, and waits for its votes."


@dataclass(frozen=True, slots=True)
class PreparedGrant:
    """A request for a grant with those whom it is about, and its servers as they are read now."""

    asked: GrantRequest
    operation: Operation
    human: IdentifiedActor
    agent: IdentifiedActor
    origin: Origin  # of the agent's requests
    offer: GrantOffer  # without terms and servers until it is decided
    targets: tuple[Target, ...]

    @property
    def request(self) -> Request:
        """The request as it is stored."""
        return replace(self.asked.request, operation=grant_request_of(self.operation).name)


@dataclass(frozen=True, slots=True)
class DecidedGrant:
    """A request as it would be stored, and the strictest ruling over its servers."""

    offer: GrantOffer
    ruling: Ruling

    @property
    def preview(self) -> Preview:
        """All that is shown of it."""
        return self.offer.preview


class GrantSubmissions:
    """Decides requests for grants, and who ends one; `Gate` calls it."""

    __slots__ = ("_admission", "_backend", "_store", "_submissions")

    def __init__(self, backend: Backend, admission: Admission, submissions: Submissions) -> None:
        self._backend = backend
        self._admission = admission
        self._submissions = submissions
        self._store = ChangeStore(backend, admission)

    async def submit(self, asked: GrantRequest, scope: Scope) -> Outcome:
        """Hold a request for a grant, or refuse it; raises as `Gate.ask_grant` does."""
        await self._backend.policy.refresh()
        asked = replace(asked, servers=tuple(separate_names(asked.servers)))
        request = self._submissions.prepared(asked.request, scope)
        as_asked = replace(request, arguments={"agent": asked.agent, "servers": " ".join(asked.servers)})
        exceeded = await self._admission.count(request.actor)
        if exceeded is not None:
            return await self._admission.refuse_for_rate(as_asked, exceeded)
        operation = grantable(request.operation)
        settled = await self._submissions.beforehand(request, scope)
        if settled is not None:
            return settled
        human = await self._submissions.identified(request)
        if human.refusal is not None:
            return await self._admission.refuse(as_asked, human.refusal)
        asked = replace(asked, request=replace(request, actor=human.actor))
        prepared = await self._prepared(asked, operation, human, scope)
        most = self._backend.policy.latest_limits().max_many
        if len(prepared.targets) > most:
            why = f"{count_text(len(prepared.targets), 'server')} are meant."
            return await self._admission.refuse_for_limit(
                as_asked, Exceeded("max_many", str(most), why, "Name fewer servers.")
            )
        policy = self._backend.policy.latest()
        while True:
            try:
                return await self._decide_by(policy, prepared, scope)
            except PolicyReplacedError as error:
                policy = error.policy

    async def end(self, grant_id: str, actor: Actor, evidence: str, scope: Scope) -> Grant:
        """End a grant; raises as `Gate.end_grant` does."""
        backend = self._backend
        by = clean_actor(actor, backend.redactor)

        def work(connection: Connection) -> Grant:
            grant = load(connection, grant_id, backend.visibility(scope))
            sources = repository.select(connection, CHANGES.c.id == grant.source)
            check_ender(grant, actor, asker_in(next(iter(sources), None)))
            words = worded(backend.redactor.text(evidence))
            return lifecycle.end_grant(connection, grant, by, words, backend.clock.now())

        try:
            return await backend.database.transact(work)
        except NotAllowedError as error:
            await self._admission.record_refused_decision(grant_id, actor, error, scope=scope)
            raise

    async def _prepared(
        self, asked: GrantRequest, operation: Operation, human: IdentifiedActor, scope: Scope
    ) -> PreparedGrant:
        request = asked.request
        offer = GrantOffer(operation, human.actor, request.origin, GrantTerms(asked.seconds, asked.uses or 0), ())
        agent = human
        if asked.agent:
            if request.actor.kind is not ActorKind.PERSON:
                raise InvalidInputError(OTHER_AGENT, hint="Leave the agent out.")
            teams = self._backend.visibility(scope).teams
            agents = await self._backend.database.read(lambda connection: known_agents(connection, teams))
            redactor = self._backend.redactor
            seen = find_agent(agents, redactor.name(asked.agent), redactor.name(asked.human))
            agent = await identify(self._backend.accounts, seen.actor, seen.origin, "")
            offer = replace(offer, agent=agent.actor, origin=seen.origin, seen=seen)
        elif request.actor.kind is not ActorKind.AGENT:
            raise InvalidInputError(NO_AGENT, hint="Name the agent as it calls itself.")
        targets = await self._targets(asked, scope) if agent.refusal is None else ()
        return PreparedGrant(asked, operation, human, agent, offer.origin, offer, targets)

    async def _targets(self, asked: GrantRequest, scope: Scope) -> tuple[Target, ...]:
        """Return the servers that are meant, each read in full; more than the largest plan are not read."""
        if not asked.servers:
            raise InvalidInputError("No servers are named.", hint="Name servers, or write the pattern of a rule.")
        api = self._backend.api_for(scope, lane=RequestLane.WORK)
        selected = candidates(Selection(asked.servers), await api.list_servers())
        explicit = selected.explicit
        servers = [server for server in selected.servers if server.id in explicit or self._reads(asked, server)]
        if not servers:
            words = one_line(" ".join(asked.servers), 200)
            raise InvalidInputError(f"No server matches {words}.", hint="List the servers to see what there is.")
        if len(servers) <= self._backend.policy.latest_limits().max_many:
            servers = await _read_in_full(api, servers)
        return tuple(map(target_of, servers))

    def _reads(self, asked: GrantRequest, server: Server) -> bool:
        request, now = asked.request, self._backend.clock.now()
        context = facts(OPERATIONS["get"], request.actor, request.origin, target_of(server), None, now)
        return self._backend.policy.latest().decide(context).decision is Decision.ALLOW

    async def _decide_by(self, policy: Policy, prepared: PreparedGrant, scope: Scope) -> Outcome:
        request, backend = prepared.request, self._backend
        if prepared.agent.refusal is not None:
            return await self._admission.refuse(request, prepared.agent.refusal)
        decided = self._decided(policy, prepared)  # first: a limit would say something of a server that is refused
        limits = backend.policy.latest_limits()
        agent = prepared.agent.actor
        limited = (limits.protects(target, agent) for target in prepared.targets)
        exceeded = undocumented_limit(limits, prepared.operation) or next(filter(None, limited), None)
        if exceeded is not None:
            return await self._admission.refuse_for_limit(request, exceeded)
        preview, ruling = decided.preview, decided.ruling
        refusal = refusal_of(ruling, prepared.human, request.origin, can_confirm=False) or refusal_of(
            ruling, prepared.agent, prepared.origin, can_confirm=False
        )
        refusal = refusal or await self._repeated(preview.digest(policy.version), scope)
        if refusal is not None:
            return await self._admission.refuse_change(request, preview, ruling, refusal)
        timing, entry = backend.policy.timing_from(backend.timing), grant_request_of(prepared.operation)
        change = new_change(entry, request, preview, ruling, backend.clock.now(), timing)
        change = replace(change, traceparent=backend.telemetry.tracer.current())
        return await self._store.store(Draft(change, request, preview, None, scope, decided.offer.members))

    def _decided(self, policy: Policy, prepared: PreparedGrant) -> DecidedGrant:
        """Decide about the agent's own change of each server; raises `InvalidInputError` where one is not granted."""
        targets = prepared.targets
        rulings = [self._ruling(policy, prepared, target) for target in targets]
        patterns = _patterns(prepared.asked.servers, rulings)
        named = [(target.hostname, ruling) for target, ruling in zip(targets, rulings, strict=True)]
        terms = replace(asked_terms(prepared.asked, named), servers=patterns)
        members = tuple(
            member_of(number, prepared.operation, target, policy.version) for number, target in enumerate(targets, 1)
        )
        return DecidedGrant(replace(prepared.offer, terms=terms, members=members), combined_ruling(rulings))

    def _ruling(self, policy: Policy, prepared: PreparedGrant, target: Target) -> Ruling:
        """Return the ruling on the agent's own change of a server."""
        actor: Actor = prepared.agent.actor
        context = facts(prepared.operation, actor, prepared.origin, target, None, self._backend.clock.now())
        return self._backend.workspaces.ruling_of(policy.decide(context), prepared.origin.team)

    async def _repeated(self, digest: str, scope: Scope) -> Refused | None:
        """Return the refusal of what is asked for already."""

        def find(connection: Connection) -> list[Change]:
            return repository.select(connection, CHANGES.c.digest == digest, repository.in_states(State.HELD))

        first = next(iter(await self._backend.database.read(find)), None)
        if first is None or not self._backend.workspaces.shows(first, scope.team):
            return None
        return Refused(SAME, hint=f"Look at {first.id}.", change=first)


def _patterns(names: Sequence[str], rulings: Sequence[Ruling]) -> tuple[str, ...]:
    """Return the patterns that a grant is for; raises `InvalidInputError` for any but those of the rule itself."""
    if not any(map(is_glob, names)):
        return ()
    asked = tuple(sorted({clean(name).lower().rstrip(".") for name in names}))
    rules = {ruling.grant_terms.servers for ruling in rulings if ruling.grant_terms is not None}
    if rules == {asked}:
        return asked
    own = " or ".join(sorted(" ".join(patterns) for patterns in rules if patterns))
    hint = f"Name servers, or write all patterns of the rule: {own}." if own else "Name servers: the rule names none."
    raise InvalidInputError(f"No rule lets its approvers grant {one_line(' '.join(names), 100)}.", hint=hint)


async def _read_in_full(api: Wayscloud, servers: Sequence[Server]) -> list[Server]:
    """Read servers by themselves, in their order; raises `WayscloudError` where one cannot be read."""
    full: dict[str, Server] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def read(ident: str) -> None:
        async with limiter:
            full[ident] = await api.get_server(ident)

    async with anyio.create_task_group() as group:
        for server in servers:
            group.start_soon(read, server.id)
    return [full[server.id] for server in servers]
