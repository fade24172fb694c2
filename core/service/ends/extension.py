"""Gives a server a later end: by its owner or those who may settle the change that made it, by policy and limits.

The policy is asked as for a create, since the server is paid for longer: by the price that was decided on, or by that
of the plan that the server was moved to since. A person's own word is the confirmation that
it may ask for; where it asks for approval, one of those who approve extends it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.submission import facts
from vpsops.core.changes.approvals import settlers
from vpsops.core.changes.audit_entries import clean_actor, person
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import target_of
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import Scope
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.common.text import moment
from vpsops.core.common.timings import LIFETIME_LONGEST_SECONDS
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import ServerEnd
from vpsops.core.ends.withdrawal import withdraw_for_keeping
from vpsops.core.identity.actors import ActorKind, is_among
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.families.lifetimes import lifetime_seconds
from vpsops.core.operations.prices import monthly
from vpsops.core.operations.server_lookup import locate_server
from vpsops.core.operations.target import Target
from vpsops.core.policy.decision import Decision
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.submissions import Submissions
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import Plan, ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.transport import RequestLane

KEEP = "keep"
CREATE = "create"


def no_end(name: str) -> InvalidInputError:
    """Return the error for a server that has no end."""
    return InvalidInputError(f"{name} has no end.", hint="Nothing stops it by itself, so there is nothing to extend.")


@dataclass(frozen=True, slots=True)
class OtherPrice:
    """What a server costs a month with another plan than it was made with; None where that is not known."""

    monthly: float | None


@dataclass(frozen=True, slots=True)
class KeptServer:
    """A request to keep a server for so many seconds more, and the server as it is."""

    request: Request
    target: Target
    seconds: int
    other_price: OtherPrice | None = None


@dataclass(frozen=True, slots=True)
class Extensions:
    """Decides requests to keep servers for longer; `Gate` calls it."""

    backend: Backend
    admission: Admission
    submissions: Submissions

    async def keep(self, request: Request, scope: Scope) -> ServerEnd:
        """Give a server a later end: `lifetime` counts from its end, or from now where that has passed.

        `request.arguments` are `server` and `lifetime`; `actor.groups` are as for a vote. Raises `InvalidInputError`,
        `NotAllowedError` with the reason, `StaleChangeError`, `WayscloudError`, `StorageError`.
        """
        backend = self.backend
        await backend.policy.refresh()
        request = self.submissions.prepared(request, scope)
        seconds = lifetime_seconds(str(request.arguments.get("lifetime", "")))
        exceeded = await self.admission.count(request.actor)
        if exceeded is not None:
            refusal = await self.admission.refuse_for_rate(request, exceeded)
            raise NotAllowedError(refusal.reason, hint=refusal.hint)
        human = await self.submissions.identified(request)
        if human.refusal is not None:
            refusal = await self.admission.refuse(request, human.refusal)
            raise NotAllowedError(refusal.reason, hint=refusal.hint)
        request = replace(request, actor=replace(human.actor, groups=request.actor.groups))
        api = backend.api_for(scope, lane=RequestLane.WORK)
        server = await locate_server(api, str(request.arguments.get("server", "")))
        target = target_of(server)
        asked = KeptServer(request, target, seconds, await self._other_price(api, server))
        await backend.engine.start()
        try:
            return await backend.database.transact(lambda entry: self._keep(entry, asked, scope))
        except NotAllowedError as error:
            await self.admission.record_refused_decision(target.id, request.actor, error, scope=scope)
            raise

    async def _other_price(self, api: Wayscloud, server: Server) -> OtherPrice | None:
        """Return what a server costs a month that has another plan than it was made with; None for the same plan."""
        end = await self.backend.database.read(lambda connection: ends.find(connection, server.id))
        if end is None or end.plan.lower() == (server.plan or "").lower():
            return None
        try:
            plans = await api.list_plans()
        except WayscloudError:
            plans = ProviderList[Plan]([])
        plan = next((each for each in plans if each.code.lower() == (server.plan or "").lower()), None)
        price = monthly(server, plan)
        return OtherPrice(price.amount if price is not None else None)

    def _keep(self, connection: Connection, asked: KeptServer, scope: Scope) -> ServerEnd:
        backend, now = self.backend, self.backend.clock.now()
        target, actor = asked.target, asked.request.actor
        backend.policy.check(connection)
        agent_pause.check(connection, actor)
        end = ends.find(connection, target.id)
        if end is None or not end.is_open:
            raise no_end(target.hostname)
        made = ChangeReader(scope, backend.workspaces).load(connection, end.change_id)
        self._check_may(connection, made, asked, now)
        ends_at = max(now, end.ends_at) + timedelta(seconds=asked.seconds)
        self._check_bounds(connection, end, target, ends_at, now)
        by = clean_actor(actor, backend.redactor)
        withdraw_for_keeping(connection, end, {"by": person(by), "reason": "the server is kept"}, now)
        return lifecycle.keep(connection, end, ends_at, by, now)

    def _check_may(self, connection: Connection, made: Change, kept: KeptServer, now: datetime) -> None:
        """Raise `NotAllowedError` unless this actor may keep the server under the policy in force."""
        request, actor, backend = kept.request, kept.request.actor, self.backend
        stewards = backend.policy.read_stewards(connection, made.origin.team)
        is_person = actor.kind is ActorKind.PERSON
        decides = is_person and all(is_among(settler, actor) for settler in settlers(made, stewards))
        if not (actor.same_human(made.actor) or decides):
            who = f"{made.actor.cited} may, and those who may approve it."
            raise NotAllowedError("You are not among those who may keep this server.", hint=who)
        price = made.ruling.monthly if kept.other_price is None else kept.other_price.monthly
        asked = facts(OPERATIONS[CREATE], actor, request.origin, kept.target, price, now)
        ruling = backend.policy.read(connection).decide(asked)
        ruling = backend.policy.read_workspaces(connection).ruling_of(ruling, request.origin.team)
        rules = f"Rules: {', '.join(ruling.rules) or 'none matched'}."
        if ruling.decision is Decision.DENY:
            raise NotAllowedError(f"The policy refuses to keep it for longer. {ruling.reason}".strip(), hint=rules)
        if not is_person and ruling.decision is not Decision.ALLOW:
            raise NotAllowedError(
                "A person has to keep this server for longer.", hint="Its owner writes: vpsops keep, or /vps keep."
            )
        required = ruling.requirements or (ruling.approvers,)
        approves = is_person and not actor.same_human(made.actor) and all(is_among(each, actor) for each in required)
        if ruling.decision is Decision.APPROVE and not approves:
            raise NotAllowedError(
                "The policy asks for an approval of what is paid for longer, so one of those who approve keeps it.",
                hint=rules,
            )

    def _check_bounds(
        self, connection: Connection, end: ServerEnd, target: Target, ends_at: datetime, now: datetime
    ) -> None:
        """Raise `NotAllowedError` for an end beyond `max_life`, or further ahead than an end may be."""
        life = (ends_at - end.made_at).total_seconds()
        limits = self.backend.policy.read_limits(connection)
        for named in (target, replace(target, hostname=end.hostname)):  # as it is called, and as it was made
            exceeded, longest = limits.outlives(named, life), limits.longest_life(named)
            if exceeded is not None and longest is not None:
                until = moment(end.made_at + timedelta(seconds=longest[1]))
                raise NotAllowedError(exceeded.text, hint=f"It may be kept until {until}.")
        if (ends_at - now).total_seconds() > LIFETIME_LONGEST_SECONDS:
            raise InvalidInputError("A server is kept for at most 366 days ahead.", hint="Name a shorter time.")
