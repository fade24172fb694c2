"""The gate: the only way to cause an effect.

A request is read, checked against live state, decided by policy and stored before anybody is asked
or anything is sent. Confirmations and votes are checked here and nowhere else; what is approved runs
in the background and is followed by its id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.audit import chain
from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError, Pause, PauseSwitch
from vpsops.core.authorization.change_reader import ChangeReader
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.authorization.refusals import IdentifiedRequest, identify, paused_refusal, refusal_of
from vpsops.core.authorization.submission import checked, facts, new_change, operation_named, with_warning
from vpsops.core.authorization.votes import Statement, Votes
from vpsops.core.changes import repository
from vpsops.core.changes.approvals import first_attention
from vpsops.core.changes.audit_entries import asked_for, clean_actor, clean_request, not_allowed, requested, worded
from vpsops.core.changes.model import Change, Verdict
from vpsops.core.changes.preview import Preview, preview, target_of
from vpsops.core.changes.queries import MAX_CHANGES, ChangePage, ChangeQuery
from vpsops.core.changes.requests import Done, DryRun, Outcome, Refused, Request, outcome_of
from vpsops.core.changes.scope import ServerFilter, Visibility
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import NotAllowedError, UnreadableRowError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.common.redaction import Redactor
from vpsops.core.common.timings import Timing
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.accounts import AccountDirectory
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.limits import quotas
from vpsops.core.limits.account import read_account
from vpsops.core.limits.guard import CallLimiter, out_of_sight, refusal_for
from vpsops.core.limits.model import AccountSnapshot, Exceeded, Limits
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.registry import Arguments, ServerArguments
from vpsops.core.operations.server_lists import list_servers
from vpsops.core.operations.server_lookup import locate_server
from vpsops.core.operations.servers import ListArguments
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import CHANGES
from vpsops.core.wayscloud.answers.models import Server
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.workspaces.model import Workspaces

logger = structlog.get_logger(__name__)


class PolicyReplacedError(Exception):
    """Another policy is in force than the one that a change was decided by; carries it."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy.version)
        self.policy = policy


class RollbackError(Exception):
    """Ends the transaction of a dry run."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Submit, confirm, vote, cancel, and follow what became of it."""

    database: Database
    api: Wayscloud
    clock: Clock
    timing: Timing
    policy: PolicyInForce
    engine: Engine
    guard: CallLimiter = field(default_factory=CallLimiter)
    sight: ServerFilter = field(default_factory=ServerFilter)  # which servers are there at all for who uses this gate
    accounts: AccountDirectory | None = None  # knows the humans behind agents
    redactor: Redactor = field(default_factory=Redactor)  # prepares every word that comes in
    team: str = ""  # the workspace whose changes alone are there for who uses this gate; empty for all

    async def submit(self, request: Request) -> Outcome:
        """Decide a request: run a read at once, hold or start a change, or refuse.

        Raises `InvalidInputError` and its kin where the request makes no sense, `WayscloudError` where
        the provider cannot be read, `StorageError` where nothing could be stored.
        """
        await self.policy.refresh()
        request = clean_request(request, self.redactor)
        request = replace(request, origin=self.workspaces.stamped(request.origin, self.team))
        operation = operation_named(request.operation)
        too_fast = await self.admit(request)
        if too_fast is not None:
            return too_fast
        arguments = checked(operation, request.arguments)
        if operation.reads:
            return await self._read(operation, arguments, request)
        settled = await self._beforehand(request)
        if settled is not None:
            return settled
        identified = await identify(self.accounts, request)
        request = identified.request
        if identified.refusal is not None:
            return await self._on_record(request, identified.refusal)
        seen = await preview(self.api.for_work(), operation, arguments)
        policy = self.policy.latest()
        while True:
            try:
                return await self._decide_by(policy, operation, identified, seen)
            except PolicyReplacedError as error:  # between its decision and its storing
                policy = error.policy

    async def _decide_by(
        self, policy: Policy, operation: Operation, identified: IdentifiedRequest, seen: Preview
    ) -> Outcome:
        request, now = identified.request, self.clock.now()
        ruling = self._ruling(policy, operation, request, seen)
        refusal = refusal_of(ruling, identified)
        if refusal is not None:
            await self._audit_refusal(request, seen, ruling, refusal)
            return refusal
        limits = self.policy.latest_limits()
        exceeded = self._off_limits(seen.target, request.actor, limits)
        if exceeded is not None:
            return await self.limited(request, exceeded)
        account = await read_account(self.api.only(None).for_work(), limits, operation, named=self.sight)
        change = new_change(operation, request, seen, ruling, now, self.policy.timing_from(self.timing))
        return await self._store(change, request, seen, account)

    def _ruling(self, policy: Policy, operation: Operation, request: Request, seen: Preview) -> Ruling:
        ruling = policy.decide(facts(operation, request, seen.target, seen.monthly, self.clock.now()))
        return with_warning(self.workspaces.ruling_of(ruling, request.origin.team), seen)

    async def dry_run(self, request: Request) -> DryRun:
        """Decide a request for a change as `submit` does, without asking or telling anybody, and store nothing.

        What a storing would meet (limits that count, the pause, another change on the server) is met in a transaction
        that is rolled back. Raises as `submit` does.
        """
        request = clean_request(request, self.redactor)
        request = replace(request, origin=self.workspaces.stamped(request.origin, self.team))
        operation = operation_named(request.operation)
        identified = await identify(self.accounts, request)
        seen = await preview(self.api.for_work(), operation, checked(operation, request.arguments))
        request, limits, now = identified.request, self.policy.latest_limits(), self.clock.now()
        ruling = self._ruling(self.policy.latest(), operation, request, seen)
        change = new_change(operation, request, seen, ruling, now, self.policy.timing_from(self.timing))
        refusal = identified.refusal or refusal_of(ruling, identified)
        exceeded = self._off_limits(seen.target, request.actor, limits)
        if refusal is None and exceeded is not None:
            refusal = refusal_for(exceeded)
        if refusal is None:
            account = await read_account(self.api.only(None).for_work(), limits, operation, named=self.sight)
            refusal = await self._rolled_back(change, request, seen, account)
        return DryRun(change, refusal)

    async def _rolled_back(
        self, change: Change, request: Request, seen: Preview, account: AccountSnapshot | None
    ) -> Refused | None:
        """Return why a change could not be stored now, after storing it in a transaction that is rolled back."""

        def work(connection: Connection) -> None:
            self.policy.check(connection)
            self._insert(connection, change, request, seen)
            quotas.check_stored(connection, self.policy.read_limits(connection), change, account, self.clock.now())
            raise RollbackError

        try:
            await self.database.transact(work)
        except AgentsPausedError as error:
            return paused_refusal(error)
        except LimitReachedError as error:
            return refusal_for(error.exceeded)
        except IntegrityError:
            outcome = await self._in_the_way(change, request)
            return outcome if isinstance(outcome, Refused) else None
        except NotAllowedError as error:  # by a policy that is not in force
            return Refused(error.message, hint=error.hint)
        except RollbackError:
            pass
        return None

    async def _beforehand(self, request: Request) -> Outcome | None:
        """Return what became of the same request before, or why none is taken now, before anything is looked at.

        The store looks once more. A process with another policy than the one in force refuses, and its engine starts
        all the same, so that its heartbeat tells others of it.
        """

        def work(connection: Connection) -> Change | None:
            known = repository.by_key(connection, request.key) if request.key else None
            if known is None:
                self.policy.check(connection)
                agent_pause.check_unlocked(connection, request.actor)
            return known

        try:
            known = await self.database.read(work)
        except AgentsPausedError as error:
            return await self._on_record(request, paused_refusal(error))
        except NotAllowedError as error:
            await self.engine.start()
            return await self._on_record(request, Refused(error.message, hint=error.hint))
        return None if known is None else outcome_of(self._reader.visible(known))

    async def _read(self, operation: Operation, arguments: Arguments, request: Request) -> Outcome:
        target: Target | None = None
        api = self.api.shared()
        if isinstance(arguments, ServerArguments):
            target = target_of(await locate_server(api, arguments.server))
            arguments = ServerArguments(server=target.id)
        ruling = self.policy.latest().decide(facts(operation, request, target, None, self.clock.now()))
        if ruling.decision is not Decision.ALLOW:
            refusal = Refused(
                reason=f"The policy does not let you run {operation.name} here. {ruling.reason}".strip(),
                hint=f"Rules: {', '.join(ruling.rules) or 'none matched'}.",
            )
            return await self._on_record(request, refusal, {"rules": list(ruling.rules), "policy": ruling.policy})
        if isinstance(arguments, ListArguments):
            return Done(result=await list_servers(api, arguments, partial(self._may_show, request)))
        return Done(result=await operation.run(api, arguments, None))

    async def _may_show(self, request: Request, server: Server) -> bool:
        """Say whether the policy allows reading a server in full."""
        about = facts(OPERATIONS["get"], request, target_of(server), None, self.clock.now())
        return self.policy.latest().decide(about).decision is Decision.ALLOW

    async def _audit_refusal(self, request: Request, seen: Preview, ruling: Ruling, refusal: Refused) -> None:
        body = {**requested(request, seen, ruling), "why": refusal.reason}
        now = self.clock.now().timestamp()
        await self.database.transact(lambda connection: chain.append(connection, now, "refused", None, body))

    async def _store(self, change: Change, request: Request, seen: Preview, account: AccountSnapshot | None) -> Outcome:
        await self.engine.start()

        def work(connection: Connection) -> None:
            self.policy.check(connection)
            policy = self.policy.read(connection)
            if policy.version != change.ruling.policy:
                raise PolicyReplacedError(policy)
            self._insert(connection, change, request, seen)
            limits = self.policy.read_limits(connection)
            quotas.check_stored(connection, limits, change, account, self.clock.now())
            self.engine.claim(connection, change)

        try:
            await self.database.transact(work)
        except AgentsPausedError as error:
            return await self._on_record(request, paused_refusal(error))
        except LimitReachedError as error:
            return await self.limited(request, error.exceeded)
        except IntegrityError:
            outcome = await self._in_the_way(change, request)
            if isinstance(outcome, Refused):
                await self._audit_refusal(request, seen, change.ruling, outcome)
            return outcome
        self.engine.run_claimed(change.id)
        return outcome_of(change)

    def _insert(self, connection: Connection, change: Change, request: Request, seen: Preview) -> None:
        agent_pause.check(connection, request.actor)
        repository.insert(connection, change, key=request.key, body=requested(request, seen, change.ruling))
        remind = first_attention(change, self.timing)
        if remind is not None:
            connection.execute(CHANGES.update().where(CHANGES.c.id == change.id).values(remind_at=remind.timestamp()))

    def seeing(self, sight: ServerFilter) -> "Gate":
        """Return this gate for somebody who sees some servers only: the others, and their changes, are not there."""
        if not sight:
            return self
        both = self.sight.narrowed(sight)
        return replace(self, sight=both, api=self.api.only(lambda one: both.sees(one.id, one.hostname)))

    def within(self, team: str) -> "Gate":
        """Return this gate for one Slack workspace: the changes of the others are not there."""
        return replace(self, team=team)

    @property
    def workspaces(self) -> Workspaces:
        """The workspaces in force, as they were read last."""
        return self.policy.latest_workspaces()

    @property
    def stewards(self) -> Approvers:
        """Who sees approvals, as it was read last: they may let agents go on and settle changes."""
        return self.policy.latest_stewards(self.team)

    @property
    def teams(self) -> frozenset[str]:
        """The workspaces whose changes alone are there for who uses this gate; empty for all."""
        return self.workspaces.seen_from(self.team)

    async def admit(self, request: Request) -> Refused | None:
        """Count a call against its principal's rate; returns why it is one too many, or nothing."""
        await self.policy.refresh()
        exceeded, first = self.guard.admit(self.policy.latest_limits(), request.actor, self.clock.monotonic())
        if exceeded is None:
            return None
        if first:
            return await self.limited(request, exceeded)
        refusal = refusal_for(exceeded)  # of those in a row only the first is on record
        logger.info("call_refused", limit=exceeded.limit, operation=request.operation, error_id=refusal.error_id)
        return refusal

    async def limited(self, request: Request, exceeded: Exceeded) -> Refused:
        """Refuse for a limit, on record: which, its value, and the id that the asker is told."""
        refusal = refusal_for(exceeded)
        about = {"limit": exceeded.limit, "value": exceeded.value, "error": refusal.error_id}
        return await self._on_record(request, refusal, about)

    async def _on_record(self, request: Request, refusal: Refused, about: Mapping[str, Json] | None = None) -> Refused:
        body = {**asked_for(clean_request(request, self.redactor)), "why": refusal.reason, **(about or {})}
        now = self.clock.now().timestamp()
        await self.database.transact(lambda connection: chain.append(connection, now, "refused", None, body))
        return refusal

    def _off_limits(self, target: Target, actor: Actor, limits: Limits) -> Exceeded | None:
        hidden = None if target.id else out_of_sight(self.sight, target.hostname)
        return hidden or limits.protects(target, actor)

    async def _in_the_way(self, change: Change, request: Request) -> Outcome:
        """The key or the server is taken: the same request again, or another change is first."""

        def work(connection: Connection) -> tuple[Change | None, Change | None]:
            same = repository.by_key(connection, request.key) if request.key else None
            return same, repository.by_lock(connection, change.target.key)

        try:
            same, first = await self.database.read(work)
        except UnreadableRowError as error:  # no id: it may be another workspace's
            return Refused("Another change is first on this server, unreadable by this version.", hint=error.hint)
        if same is not None:
            return outcome_of(self._reader.visible(same))
        if first is None:  # it ended this instant
            return Refused("Another change was just finished on this server.", hint="Ask again.")
        if not self.workspaces.shows(first, self.team):
            return Refused("Another workspace's change is first on this server.", hint="Ask again once it is done.")
        return Refused(
            f"{first.id} is first: {first.operation} {first.target.hostname} by {first.actor.cited} is {first.state}.",
            hint=f"Wait for it, or cancel {first.id}, then ask again.",
            change=first,
        )

    async def confirm(self, change_id: str, actor: Actor, digest: str, *, evidence: str = "") -> Change:
        """Let the asker's own human say yes to exactly what was shown, and run it; `evidence` is how they said it.

        Raises `NotAllowedError` for anybody else, `StaleChangeError` when the change is not held any more or
        another thing was shown, `UnknownChangeError`.
        """
        word = Statement(actor, digest, evidence=evidence)

        def work(connection: Connection) -> Change:
            self.policy.check(connection)
            return self._votes.confirm(connection, change_id, word)

        return await self._decide(change_id, actor, work)

    async def vote(  # noqa: PLR0913 - one vote, all of it named
        self, change_id: str, voter: Actor, verdict: Verdict, digest: str, *, reason: str = "", evidence: str = ""
    ) -> Change:
        """Record one eligible person's vote on exactly what was shown; the last one needed starts the run.

        `voter.groups` holds the groups and channels the voter was found in at the click, `evidence`
        how. Raises `NotAllowedError` with the reason, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(voter, digest, reason, evidence)

        def work(connection: Connection) -> Change:
            if verdict is Verdict.APPROVE:
                self.policy.check(connection)
            return self._votes.vote(connection, change_id, word, verdict)

        return await self._decide(change_id, voter, work)

    async def cancel(self, change_id: str, actor: Actor, *, reason: str = "") -> Change:
        """Withdraw one's own change before it is sent.

        Raises `NotAllowedError`, `StaleChangeError`, `UnknownChangeError`.
        """
        word = Statement(actor, reason=reason)
        return await self._allowed(change_id, actor, lambda one: self._votes.cancel(one, change_id, word))

    async def resolve(self, change_id: str, actor: Actor, *, happened: bool, evidence: str = "") -> Change:
        """Let a person settle what no look-up could: it happened, or it did not.

        The asker's human may, and whoever may approve the change (`voting.settlers`), with `actor.groups` and
        `evidence` as for a vote. Raises `NotAllowedError` for anybody else, `StaleChangeError` unless it waits for a
        person.
        """
        word = Statement(actor, evidence=evidence)

        def work(connection: Connection) -> Change:
            votes = replace(self._votes, stewards=self.policy.read_stewards(connection, self.team))
            return votes.resolve(connection, change_id, word, happened=happened)

        return await self._allowed(change_id, actor, work)

    async def agents_paused(self) -> Pause:
        """Return whether agents are paused, and by whom."""
        return await self.database.read(agent_pause.read)

    async def pause_agents(
        self, actor: Actor, *, paused: bool, reason: str = "", evidence: str = "", seen: float | None = None
    ) -> Pause:
        """Pause all agents, or let them go on; return what holds now.

        While they are paused no change of an agent is taken, agreed to or sent; reads and denials go on.
        `actor.groups` and `evidence` are as for a vote, `seen` is the time of the pause that was shown, in
        seconds since 1970. Raises `NotAllowedError` for an agent and for whoever may not resume, `StaleChangeError`.
        """
        by, words = clean_actor(actor, self.redactor), worded(self.redactor.text(reason))
        asked = PauseSwitch(Pause(paused, by, self.clock.now(), words), worded(self.redactor.text(evidence)), seen)

        def work(connection: Connection) -> Pause:
            stewards = Approvers() if paused else self.policy.read_stewards(connection, self.team)
            return agent_pause.switch_pause(connection, asked, stewards)

        return await self.database.transact(work)

    async def get(self, change_id: str) -> Change:
        """Return a change; raises `UnknownChangeError`."""
        return await self._reader.get(change_id)

    async def changes(self, *, open_only: bool = False, actor: Actor | None = None, limit: int = 20) -> list[Change]:
        """Return changes, newest first."""
        query = ChangeQuery(open_only, person=actor.id if actor else "", limit=min(limit, MAX_CHANGES))
        return list((await self.page_of_changes(query)).changes)

    async def page_of_changes(self, query: ChangeQuery) -> ChangePage:
        """Return a page of changes, newest first; it may be short although more pages follow."""
        return await self._reader.page(query)

    @property
    def visibility(self) -> Visibility:
        """Whose changes, about which servers, are there for who uses this gate."""
        return self._reader.visibility

    async def wait(self, change_id: str, *, seconds: float, until: Callable[[Change], bool] | None = None) -> Change:
        """Return the change once `until` holds (by default: nothing more happens soon), or after `seconds`."""
        return await self._reader.wait(change_id, seconds=seconds, until=until)

    @property
    def _reader(self) -> ChangeReader:
        return ChangeReader(self.database, self.clock, self.sight, self.workspaces, self.team)

    @property
    def _votes(self) -> Votes:
        recheck = Recheck(self.policy, self.timing)
        return Votes(self._reader, self.clock, self.redactor, recheck, self.stewards)

    async def _decide(self, change_id: str, actor: Actor, work: Callable[[Connection], Change]) -> Change:
        await self.engine.start()
        change = await self._allowed(change_id, actor, lambda one: self.engine.claim(one, work(one)))
        self.engine.run_claimed(change_id)
        return change

    async def _allowed(self, change_id: str, actor: Actor, work: Callable[[Connection], Change]) -> Change:
        """Do it; that somebody may not is on record."""
        try:
            return await self.database.transact(work)
        except NotAllowedError as error:
            await self.record_refusal(change_id, actor, error)
            raise

    async def record_refusal(self, change_id: str, actor: Actor, error: VpsopsError) -> None:
        """Record that somebody's decision about a change was not taken, and why."""
        by = clean_actor(actor, self.redactor)
        body, now = not_allowed(change_id, by, self.team, error), self.clock.now().timestamp()
        await self.database.transact(lambda connection: chain.append(connection, now, "refused", None, body))
