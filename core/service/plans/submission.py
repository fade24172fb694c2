"""Requests for plans: one question about many servers, decided by the strictest rule over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from vpsops.core.authorization.refusals import IdentifiedActor, policy_refusal, refusal_of
from vpsops.core.authorization.submission import facts, reachable_places, with_places, with_warning
from vpsops.core.changes.preview import Preview
from vpsops.core.changes.requests import DryRun, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.text import bound, count_text, one_line
from vpsops.core.limits.account import read_account
from vpsops.core.limits.guard import refusal_for
from vpsops.core.limits.model import AccountSnapshot, Exceeded
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.traits import RUNBOOK, plan_of, word_of
from vpsops.core.plans.groups import too_many_down
from vpsops.core.plans.model import PlanMember
from vpsops.core.plans.names import SHOWN, listed_names
from vpsops.core.plans.requests import PlanRequest, check_options, plan_facts, plan_preview, plannable
from vpsops.core.plans.selection import Selection
from vpsops.core.plans.steps import StepPart
from vpsops.core.plans.strictness import part_rulings, strictest
from vpsops.core.policy import Policy
from vpsops.core.policy.decision import Decision, PartRuling, Ruling
from vpsops.core.runbooks.requests import RunbookRequest, redacted_runbook, runbook_preview
from vpsops.core.schedule.model import Schedule
from vpsops.core.schedule.resolution import resolve
from vpsops.core.service.admission import Admission
from vpsops.core.service.backend import Backend
from vpsops.core.service.change_store import ChangeStore, Draft, PolicyReplacedError, new_change
from vpsops.core.service.plans.runbook_selection import RunbookSelection
from vpsops.core.service.plans.selection import PlannedPart, PlannedServers, PlanSelection
from vpsops.core.service.submissions import Submissions, undocumented_limit
from vpsops.core.wayscloud.requests.transport import RequestLane

LONGEST_WARNING: Final = 400


AnyPlan = PlanRequest | RunbookRequest


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A request for a plan with its identified actor and its servers."""

    entry: Operation  # as the plan is stored
    planned: AnyPlan
    human: IdentifiedActor
    servers: PlannedServers

    @property
    def request(self) -> Request:
        """The request; its operation is that of each member, or a runbook's."""
        return self.planned.request

    @property
    def as_asked(self) -> Request:
        """The request with the words that its servers were named by, for a record."""
        if isinstance(self.planned, RunbookRequest):
            return self.request
        arguments = {**self.request.arguments, "servers": self.planned.selection.words}
        return replace(self.request, arguments=arguments)

    @property
    def word(self) -> str:
        """What is done, for people."""
        if isinstance(self.planned, RunbookRequest):
            return f"run {self.planned.runbook.name} on"
        return word_of(self.request.operation)

    @property
    def words(self) -> str:
        """The words that select the servers."""
        if isinstance(self.planned, RunbookRequest):
            return " ".join(dict.fromkeys(step.selection.words for step in self.planned.steps))
        return self.planned.selection.words


@dataclass(frozen=True, slots=True)
class DecidedPlan:
    """A plan as it would be stored, or why it would be refused; `preview` holds all that is shown of it."""

    preview: Preview
    ruling: Ruling
    members: tuple[PlanMember, ...]
    refusal: Refused | None = None
    exceeded: Exceeded | None = None
    rulings: tuple[Ruling, ...] = ()  # about each member, in their order


class PlanSubmissions:
    """Decides requests for plans; `Gate` calls it."""

    __slots__ = ("_admission", "_backend", "_store", "_submissions")

    def __init__(self, backend: Backend, admission: Admission, submissions: Submissions) -> None:
        self._backend = backend
        self._admission = admission
        self._submissions = submissions
        self._store = ChangeStore(backend, admission)

    async def submit(self, planned: AnyPlan, scope: Scope) -> Outcome:
        """Hold a plan, start it or refuse it; raises as `Gate.submit_plan` does."""
        backend = self._backend
        await backend.policy.refresh()
        await backend.offers.refresh()
        request = self._submissions.prepared(planned.request, scope)
        exceeded = await self._admission.count(request.actor)
        if exceeded is not None:
            return await self._admission.refuse_for_rate(request, exceeded)
        settled = await self._submissions.beforehand(request, scope)
        if settled is not None:
            return settled
        prepared = await self._prepared(self._clean(planned, request), scope)
        if prepared.human.refusal is not None:
            return await self._admission.refuse(prepared.as_asked, prepared.human.refusal)
        refusal = _withheld(prepared) or _unselected(prepared, backend.policy.latest_limits().max_many)
        if isinstance(refusal, Exceeded):
            return await self._admission.refuse_for_limit(prepared.as_asked, refusal)
        if refusal is not None:
            return await self._admission.refuse(prepared.as_asked, refusal)
        policy = backend.policy.latest()
        while True:
            try:
                return await self._decide_by(policy, prepared, scope)
            except PolicyReplacedError as error:
                policy = error.policy

    async def dry_run(self, planned: AnyPlan, scope: Scope) -> DryRun:
        """Decide a request for a plan as `submit` does; ask no one and store nothing. Raises as `submit` does."""
        await self._backend.offers.refresh()
        request = self._submissions.prepared(planned.request, scope)
        prepared = await self._prepared(self._clean(planned, request), scope)
        limits = self._backend.policy.latest_limits()
        missing = prepared.human.refusal or _withheld(prepared) or _unselected(prepared, limits.max_many)
        decided = self._decided(self._backend.policy.latest(), prepared)
        draft = await self._draft(prepared, decided, scope)
        refusal = refusal_for(missing) if isinstance(missing, Exceeded) else missing
        if refusal is None and decided.exceeded is not None:
            refusal = refusal_for(decided.exceeded)
        refusal = refusal or decided.refusal
        run = DryRun(draft.change, refusal) if refusal is not None else await self._store.dry_run(draft)
        servers = {seen.target.id: seen.target for seen in prepared.servers.previews}
        servers |= prepared.servers.now
        return replace(run, parts=_parts(prepared, decided.rulings), servers=tuple(servers.values()))

    def _clean(self, planned: AnyPlan, request: Request) -> AnyPlan:
        """Return a request with words fit to be stored and shown: those for its servers, its probe, a file's too."""
        redactor = self._backend.redactor
        if isinstance(planned, RunbookRequest):
            return RunbookRequest(request, redacted_runbook(planned.runbook, redactor))
        selection, options = planned.selection, planned.options
        names = tuple(redactor.name(name) for name in selection.names)
        filters = {key: redactor.name(value) for key, value in selection.filters.items()}
        options = replace(options, probe=redactor.name(options.probe))
        return replace(planned, request=request, selection=Selection(names, filters), options=options)

    async def _prepared(self, planned: AnyPlan, scope: Scope) -> PreparedPlan:
        is_runbook = isinstance(planned, RunbookRequest)
        entry = RUNBOOK if is_runbook else plan_of(plannable(planned.request.operation))
        most = self._backend.policy.latest_limits().max_many
        check_options(planned.options, most)
        human = await self._submissions.identified(planned.request)
        planned = replace(planned, request=replace(planned.request, actor=human.actor))
        servers = PlannedServers()
        if human.refusal is None:
            servers = await self._selection(planned, scope).find(most)
        return PreparedPlan(entry, planned, human, servers)

    def _selection(self, planned: AnyPlan, scope: Scope) -> PlanSelection | RunbookSelection:
        if isinstance(planned, RunbookRequest):
            return RunbookSelection(self._backend, planned, scope)
        return PlanSelection(self._backend, plannable(planned.request.operation), planned, scope)

    async def _account(self, previews: Sequence[Preview], scope: Scope) -> AccountSnapshot | None:
        """Return the account where a member has a price and a limit is about it."""
        billed = next((OPERATIONS[seen.operation] for seen in previews if OPERATIONS[seen.operation].billed), None)
        if billed is None:
            return None
        api = self._backend.api_for(OPERATOR, lane=RequestLane.WORK)
        return await read_account(api, self._backend.policy.latest_limits(), billed, named=scope.servers)

    async def _decide_by(self, policy: Policy, prepared: PreparedPlan, scope: Scope) -> Outcome:
        decided, request = self._decided(policy, prepared), prepared.request
        if decided.refusal is not None:
            return await self._admission.refuse_change(request, decided.preview, decided.ruling, decided.refusal)
        if decided.exceeded is not None:
            return await self._admission.refuse_for_limit(request, decided.exceeded)
        return await self._store.store(await self._draft(prepared, decided, scope))

    async def _draft(self, prepared: PreparedPlan, decided: DecidedPlan, scope: Scope) -> Draft:
        backend, operation = self._backend, prepared.entry
        timing = backend.policy.timing_from(backend.timing)
        request = replace(prepared.request, operation=operation.name)
        change = new_change(operation, request, decided.preview, decided.ruling, backend.clock.now(), timing)
        change = replace(change, traceparent=backend.telemetry.tracer.current())
        account = await self._account(prepared.servers.previews, scope)
        return Draft(change, request, decided.preview, account, scope, decided.members)

    def _decided(self, policy: Policy, prepared: PreparedPlan) -> DecidedPlan:
        """Decide about every member, and about the plan by the strictest of these rulings."""
        request, human, previews = prepared.request, prepared.human, prepared.servers.previews
        schedule = self._schedule(policy, prepared)
        now = self._backend.clock.now()
        at = max(now, schedule.run_at) if schedule is not None else now
        rulings = [self._ruling(policy, request, preview, at) for preview in previews]
        # a step that comes after another is decided about its server as it is, too
        present = [replace(seen, target=prepared.servers.now.get(seen.target.id, seen.target)) for seen in previews]
        also = [self._ruling(policy, request, seen, at) for seen in present if prepared.servers.parts]
        ruling = strictest([*rulings, *also]) if rulings else Ruling(Decision.DENY, policy=policy.version)
        each = tuple(strictest(pair) for pair in zip(rulings, also, strict=True)) if also else tuple(rulings)
        members = _members(prepared.servers, policy.version)
        seen = _preview(prepared, members).scheduled(schedule)
        limits = self._backend.policy.latest_limits()
        down = too_many_down(members, limits.max_unavailable)
        undocumented = (undocumented_limit(limits, OPERATIONS[preview.operation]) for preview in previews)
        exceeded = next(filter(None, undocumented), None) or (
            _shares_exceeded(limits.max_unavailable, down) if down else None
        )
        if ruling.decision is Decision.DENY:
            return DecidedPlan(seen, ruling, members, _denied(prepared, each), rulings=each)
        ruling = with_places(with_warning(ruling, seen), prepared.entry, request.actor, slack=human.slack)
        refusal = refusal_of(ruling, human, request.origin, can_confirm=request.can_confirm)
        places = reachable_places(ruling, request.actor, can_confirm=request.can_confirm, slack=human.slack)
        return DecidedPlan(seen, replace(ruling, confirm_in=places), members, refusal, exceeded, each)

    def _schedule(self, policy: Policy, prepared: PreparedPlan) -> Schedule | None:
        """Return the schedule that a request wishes for; raises `InvalidInputError` where its servers share none."""
        later, previews = prepared.request.later, prepared.servers.previews
        if later is None or not previews:
            return None
        now = self._backend.clock.now()
        schedules = {resolve(later, now, policy.calendar, preview.target) for preview in previews}
        if len(schedules) > 1:
            raise InvalidInputError("These servers have different windows.", hint="Name a time, or ask in parts.")
        return schedules.pop()

    def _ruling(self, policy: Policy, request: Request, seen: Preview, at: datetime) -> Ruling:
        operation = OPERATIONS[seen.operation]
        ruling = policy.decide(facts(operation, request.actor, request.origin, seen.target, seen.monthly, at))
        return self._backend.workspaces.ruling_of(ruling, request.origin.team)


def _members(servers: PlannedServers, version: str) -> tuple[PlanMember, ...]:
    parts: Sequence[PlannedPart | None] = servers.parts or [None] * len(servers.previews)
    members = []
    for number, (seen, planned) in enumerate(zip(servers.previews, parts, strict=True), 1):
        digest, part = seen.digest(version), None
        if planned is not None:
            part = replace(planned.part, alternatives=tuple(other.digest(version) for other in planned.others))
        members.append(PlanMember(number, seen.operation, seen.arguments, seen.target, digest, part=part))
    return tuple(members)


def _preview(prepared: PreparedPlan, members: Sequence[PlanMember]) -> Preview:
    servers, options = prepared.servers, prepared.planned.options
    if isinstance(prepared.planned, RunbookRequest):
        return runbook_preview(prepared.planned, members, servers.previews, servers.left_out, servers.lack)
    own = {preview.target.id: preview.facts for preview in servers.previews}
    shown = plan_facts(members, servers.left_out, options, own, servers.lack)
    warnings = dict.fromkeys(preview.warning for preview in servers.previews if preview.warning)
    seen = plan_preview(OPERATIONS[prepared.request.operation], members, options, shown)
    return replace(seen, warning=bound(" ".join(warnings), LONGEST_WARNING))


def _withheld(prepared: PreparedPlan) -> Refused | None:
    """Return the refusal of a plan for named servers that who asks may neither read nor change."""
    withheld = prepared.servers.withheld
    if not withheld:
        return None
    refusal = policy_refusal(withheld[0].ruling)
    names = _named([server.hostname for server in withheld])
    return replace(refusal, reason=f"{refusal.reason} It is about {names}, so none of the plan was done.")


def _unselected(prepared: PreparedPlan, most: int) -> Refused | Exceeded | None:
    """Return why a selection makes no plan: nothing is left of it, or too much."""
    servers, words = prepared.servers, prepared.words
    if servers.selected > most:
        why = f"{count_text(servers.selected, 'server')} match."
        return Exceeded("max_many", str(most), why, "Narrow the selection, or ask for the servers in parts.")
    if servers.previews:
        return None
    left = "; ".join(server.words for server in servers.left_out[:SHOWN])
    if left:
        return Refused(f"No server is left to {prepared.word}: {bound(left, 1500)}. Nothing was done.")
    lack = f" {servers.lack}" if servers.lack else ""
    return Refused(
        f"No server matches {one_line(words, 200)}.{lack} Nothing was done.",
        hint="List the servers to see what there is.",
    )


def _parts(prepared: PreparedPlan, rulings: Sequence[Ruling]) -> tuple[PartRuling, ...]:
    """Return what is decided about each step of a runbook; of a plan, about the servers that are decided alike."""
    servers = prepared.servers
    if not servers.parts:
        names: dict[Ruling, list[str]] = {}
        for seen, ruling in zip(servers.previews, rulings, strict=True):
            names.setdefault(ruling, []).append(seen.target.hostname)
        return part_rulings((listed_names(alike), ruling) for ruling, alike in names.items())
    ordered = sorted(
        zip((planned.part for planned in servers.parts), servers.previews, rulings, strict=True),
        key=lambda each: (each[0].number, each[0].compensates),
    )
    return part_rulings((_title(part, seen), ruling) for part, seen, ruling in ordered)


def _title(part: StepPart, seen: Preview) -> str:
    return f"step {part.number}{', if it fails' if part.compensates else ''}, {word_of(seen.operation)}"


def _denied(prepared: PreparedPlan, rulings: Sequence[Ruling]) -> Refused:
    """Return the refusal of a plan for the servers that a rule denies, by name, with the others to ask for."""
    pairs = list(zip(prepared.servers.previews, rulings, strict=True))
    denied = [(preview, ruling) for preview, ruling in pairs if ruling.decision is Decision.DENY]
    if not denied:
        return Refused("There is no server to decide about. Nothing was done.")
    names = list(dict.fromkeys(preview.target.hostname for preview, _ in denied))
    rest = [preview.target.hostname for preview, ruling in pairs if ruling.decision is not Decision.DENY]
    rest = [] if prepared.servers.parts else rest
    refusal = policy_refusal(denied[0][1])
    reason = f"{refusal.reason} It is about {_named(names)}, so none of the plan was done."
    again = f"Ask for the others alone: {prepared.word} {' '.join(rest[:SHOWN])}" if rest else ""
    more = " …" if len(rest) > SHOWN else ""
    return Refused(reason, hint=f"{refusal.hint} {again}{more}".strip())


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _shares_exceeded(shares: Sequence[tuple[str, int]], why: str) -> Exceeded:
    value = ", ".join(f"{key}={most}" for key, most in shares)
    return Exceeded("max_unavailable", value, f"{why}.", "Ask for fewer of these servers at a time.")
