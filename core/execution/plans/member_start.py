"""The beginning of one member of a plan: looked at and decided again, then stored as a change of its own, once."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from vpsops.core.authorization import agent_pause
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.authorization import MEMBER_OF
from vpsops.core.authorization.recheck import Recheck
from vpsops.core.changes import repository
from vpsops.core.changes.audit_entries import requested
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview, preview_stored
from vpsops.core.changes.requests import Request
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.continuity.continuity_monitor import ContinuityMonitor
from vpsops.core.execution.notes import difference
from vpsops.core.execution.plans.fleet import FleetList, FleetReader
from vpsops.core.limits import quotas
from vpsops.core.limits.account import read_account
from vpsops.core.limits.model import AccountSnapshot
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import ServerName
from vpsops.core.plans.groups import Shares, group_in_the_way, servers_under_way
from vpsops.core.plans.model import MemberState, PlanMember, begins_no_more, is_running_plan, options_of
from vpsops.core.plans.progress import BeginMember, next_step
from vpsops.core.plans.repository import move_member, read_tally
from vpsops.core.policy.decision import Decision
from vpsops.core.storage.database import Database
from vpsops.core.wayscloud.answers.errors import NotFoundError, WayscloudError
from vpsops.core.wayscloud.client import Wayscloud

GONE: Final = "it is not there any more"
Claim = Callable[[Connection, Change], Change]


@dataclass(frozen=True, slots=True)
class MemberFinding:
    """What was found of a member right before its beginning: what would be sent, or why it does not begin.

    `after` is the state that the member goes to without beginning; None lets it wait. `fleet` is the provider's list,
    where a limit needs it.
    """

    seen: Preview | None = None
    after: MemberState | None = None
    why: str = ""
    change_id: str = ""
    fleet: FleetList | None = None


class MemberBlockedError(Exception):
    """Found in the transaction that would begin a member; carries the state that it goes to instead, and why.

    Without a state it waits.
    """

    def __init__(self, after: MemberState | None, why: str) -> None:
        super().__init__(why)
        self.after = after
        self.why = why


@dataclass(frozen=True, slots=True)
class MemberStart:
    """Begins members of plans in this process."""

    database: Database
    api: Wayscloud
    clock: Clock
    recheck: Recheck
    continuity: ContinuityMonitor
    claim: Claim
    fleet: FleetReader

    async def begin(self, plan: Change, member: PlanMember, running: Sequence[PlanMember]) -> MemberFinding:
        """Begin a member, or return why not; its change is stored and claimed once, whatever process asks.

        Raises `StaleChangeError` where another process was first, `StorageError`.
        """
        finding = await self._look(plan, member, running)
        if finding.seen is None:
            return finding
        seen, fleet = finding.seen, finding.fleet
        try:
            operation, limits = OPERATIONS[member.operation], self.recheck.policy.latest_limits()
            account = await read_account(self.api, limits, operation)
            change = await self.database.transact(
                lambda connection: self._store(connection, plan.id, member.ordinal, seen, account, fleet)
            )
        except WayscloudError as error:
            return MemberFinding(None, MemberState.FAILED, f"the account could not be read: {error.message}")
        except MemberBlockedError as error:
            return MemberFinding(None, error.after, error.why)
        except (LimitReachedError, AgentsPausedError) as error:
            return MemberFinding(None, MemberState.FAILED, error.message)
        except IntegrityError:  # another change took the server in this instant
            return MemberFinding(why="another change is first on the server")
        return replace(finding, change_id=change.id)

    async def _look(self, plan: Change, member: PlanMember, running: Sequence[PlanMember]) -> MemberFinding:
        """Preview a member again: where its server left, or is not as it was shown, it is skipped."""
        operation = OPERATIONS[member.operation]
        try:
            seen = await preview_stored(self.api, operation, member.arguments)
            known = seen if member.target.system else replace(seen, target=replace(seen.target, system=""))
            if known.digest(plan.ruling.policy) in member.digests:
                return await self._look_at_group(plan, member, known, running)
        except NotFoundError:
            return MemberFinding(None, _left_state(member), GONE)
        except InvalidInputError as error:
            after = MemberState.SKIPPED if member.compensates else _left_state(member)
            return MemberFinding(None, after, error.message)
        except WayscloudError as error:
            return MemberFinding(None, MemberState.FAILED, f"it could not be read: {error.message}")
        shown = replace(plan, target=member.target, cost=known.cost, facts=())
        return MemberFinding(None, _left_state(member), f"it changed: {difference(shown, replace(known, facts=()))}")

    async def _look_at_group(
        self, plan: Change, member: PlanMember, seen: Preview, running: Sequence[PlanMember]
    ) -> MemberFinding:
        """Return that a member may begin, or what it waits for: all servers are read where that is not known without.

        A member that runs counts until it answered its probe, whatever became of its change. Raises `WayscloudError`,
        `StorageError`.
        """
        shares = self.recheck.policy.latest_limits().max_unavailable
        if not shares:
            return MemberFinding(seen)
        member, names = replace(member, target=seen.target), plan.target.members
        going = [other.target for other in running] + await self.database.read(servers_under_way)
        waits = group_in_the_way(member, (), going, shares, names)
        if waits:
            return MemberFinding(why=waits)
        fleet = await self.fleet.read()
        waits = group_in_the_way(member, fleet.servers, going, shares, names)
        return MemberFinding(why=waits) if waits else MemberFinding(seen, fleet=fleet)

    def _store(  # noqa: PLR0913 - what one step stores, and what was read for it
        self,
        connection: Connection,
        plan_id: str,
        ordinal: int,
        seen: Preview,
        account: AccountSnapshot | None,
        fleet: FleetList | None,
    ) -> Change:
        """Store a member's change with its claim, where its turn is now by what the database holds."""
        now = self.clock.now()
        self.continuity.verify(connection)
        self.recheck.policy.check(connection)
        plan = repository.load(connection, plan_id, lock=True)
        member = self._in_turn(connection, plan, ordinal, now)
        agent_pause.check(connection, plan.actor)
        why = self.recheck.for_member(connection, plan, seen, now)
        if why:
            raise MemberBlockedError(MemberState.FAILED, why)
        first = repository.by_lock(connection, seen.target.key)
        if first is not None:
            named = first.id if first.origin.team == plan.origin.team else "another change"
            raise MemberBlockedError(_left_state(member), f"busy with {named}")
        change = _stored_change(connection, plan, member, seen, now)
        move_member(connection, plan.id, member, MemberState.RUNNING, now, change_id=change.id)
        limits = self.recheck.policy.read_limits(connection)
        quotas.check_stored(connection, limits, change, account, now)
        member, names = replace(member, target=seen.target), plan.target.members
        self._check_group(connection, limits.max_unavailable, member, change, fleet, names)
        return self.claim(connection, change)

    def _check_group(  # noqa: PLR0913 - a group, and all that is under way in it
        self,
        connection: Connection,
        shares: Shares,
        member: PlanMember,
        change: Change,
        fleet: FleetList | None,
        names: Sequence[ServerName],
    ) -> None:
        """Let a member wait while it would take too many of a group down, with all that is under way.

        Call it after the member's own step, which holds the head of the trail: two plans are counted in turn.
        """
        if not shares:
            return
        if fleet is None:
            raise MemberBlockedError(None, "a limit was set a moment ago, and the servers were not read for it")
        waits = group_in_the_way(member, fleet.servers, fleet.mark.servers_down(connection, change.id), shares, names)
        if waits:
            raise MemberBlockedError(None, waits)

    def _in_turn(self, connection: Connection, plan: Change, ordinal: int, now: datetime) -> PlanMember:
        """Return the member that begins next; raises `NotInTurnError` where it is another one."""
        step = next_step(read_tally(connection, plan), options_of(plan), now, stopping=begins_no_more(plan, now))
        if not is_running_plan(plan) or not isinstance(step, BeginMember) or step.member.ordinal != ordinal:
            raise NotInTurnError
        return step.member


def _left_state(member: PlanMember) -> MemberState:
    """Return the state of a member that cannot begin: in a runbook later steps count on it."""
    return MemberState.SKIPPED if member.part is None else MemberState.FAILED


class NotInTurnError(Exception):
    """The plan moved meanwhile, and another member is next, or none."""


def _stored_change(connection: Connection, plan: Change, member: PlanMember, seen: Preview, now: datetime) -> Change:
    """Store the change of a member, approved, under its place in the plan."""
    change = member_change(plan, member, seen, now)
    request = Request(change.operation, change.arguments, plan.actor, plan.origin, reason=plan.reason)
    body = {**requested(request, seen, change.ruling), MEMBER_OF: plan.id}
    repository.insert(connection, change, key=f"{plan.id}:{member.ordinal}", body=body)
    if change.state is not State.HELD:
        return change
    body = {"why": f"by plan {plan.id}"}
    return repository.step(connection, change, State.APPROVED, now, event="approved", body=body)


def member_change(plan: Change, member: PlanMember, seen: Preview, now: datetime) -> Change:
    """Return the change of a member: approved as its plan is, and by nothing else."""
    operation = OPERATIONS[member.operation]
    allowed = plan.ruling.decision is Decision.ALLOW
    return Change(
        id=f"chg_{secrets.token_hex(6)}",
        version=1,
        state=State.APPROVED if allowed else State.HELD,
        operation=member.operation,
        arguments=seen.arguments,
        target=seen.target,
        actor=plan.actor,
        origin=plan.origin,
        reason=plan.reason,
        ruling=plan.ruling,
        digest=seen.digest(plan.ruling.policy),
        created_at=now,
        expires_at=None,
        updated_at=now,
        cost=seen.cost,
        facts=seen.facts,
        effect=f"{operation.effect} {seen.warning}".strip(),
        traceparent=plan.traceparent,
        plan=plan.id,
    )
