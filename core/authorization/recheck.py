"""Policy and limits, checked again for a stored change in the transaction that would let it continue.

Nothing here queries the provider: its live state is that of the preview.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from vpsops.core.authorization.policy_comparison import overdue, tightened, unoverridable
from vpsops.core.authorization.submission import facts, hold_seconds, with_places
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.preview import Preview
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings
from vpsops.core.grants.lifecycle import ended_since
from vpsops.core.grants.requests import exceeds, origin_of_agent
from vpsops.core.identity.account_questions import has_answers
from vpsops.core.identity.actors import ActorKind
from vpsops.core.limits import quotas
from vpsops.core.limits.model import AccountSnapshot
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.messaging.posted_messages import has_copies
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target, granted_in, is_grant_request, is_plan, single_operation
from vpsops.core.operations.traits import entry_of_plan
from vpsops.core.plans.model import PlanMember
from vpsops.core.plans.repository import members_of
from vpsops.core.plans.strictness import strictest
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy_register.force import PolicyInForce

STRICTER = "Nothing was sent. {why} It was asked for under other rules: ask again under those in force."

LIMITED = "Nothing was sent. {why}"
UNGRANTABLE = "No grant was opened. {why} Ask again."


class StricterError(Exception):
    """The policy or a limit in force requires more of a change than at its approval."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """The policy and limits in force, for checks of stored changes."""

    policy: PolicyInForce
    timing: Timing

    def at_last_yes(self, connection: Connection, change: Change, now: datetime) -> str:
        """Return the note that ends a change at its last approval; empty where the approval counts.

        What this process cannot run it cannot judge; the process that sends it decides again.
        """
        if is_plan(change.operation):
            if entry_of_plan(change.operation) is None:
                return ""
        elif single_operation(change.operation) not in OPERATIONS:
            return ""
        runs_at = max(now, change.schedule.run_at) if change.schedule else now
        if is_grant_request(change.operation) and (why := self._ungrantable(connection, change, now)):
            return UNGRANTABLE.format(why=why)
        ruling = self._whole_ruling(connection, change, runs_at)
        waited = (now - change.created_at).total_seconds()
        longest = hold_seconds(ruling, self.policy.timing_from(self.timing))
        why = _tightened(change, ruling) or overdue(ruling, waited, longest)
        return self._objection(connection, change, why)

    def at_its_time(self, connection: Connection, change: Change, now: datetime) -> str:
        """Return the note that ends a scheduled change as its time comes; empty where it may go on."""
        ruling = self._whole_ruling(connection, change, now)
        return self._objection(connection, change, _tightened(change, ruling))

    def as_reviewed(self, connection: Connection, change: Change) -> Change:
        """Return a change that ran without votes with the ruling that says who may review that now.

        It is that of the policy in force, as of the time of the run, where it asks for votes; else the change's own.
        """
        return change if change.override is None else self._as_in_force(connection, change, change.override.at)

    def as_settled(self, connection: Connection, change: Change) -> Change:
        """Return a change with an unknown outcome with the ruling that says who, besides its asker, may settle it now.

        Where votes decided about it, it is that of the policy in force, as of its sending, as for a review.
        """
        if change.state is not State.NEEDS_PERSON or change.ruling.decision is not Decision.APPROVE:
            return change
        return self._as_in_force(connection, change, change.sent_at or change.created_at)

    def _as_in_force(self, connection: Connection, change: Change, at: datetime) -> Change:
        ruling = self._whole_ruling(connection, change, at)
        return replace(change, ruling=ruling) if ruling.decision is Decision.APPROVE else change

    def _whole_ruling(self, connection: Connection, change: Change, now: datetime) -> Ruling:
        """Return the ruling on a change as it was shown; of a plan or for a grant, that over all its servers."""
        if is_plan(change.operation):
            return self._plan_ruling(connection, change, now)
        if is_grant_request(change.operation):
            return strictest([ruling for _, ruling in self._granted_rulings(connection, change, now)])
        return self._ruling(connection, change, change.target, change.ruling.monthly, now)

    def _granted_rulings(self, connection: Connection, change: Change, now: datetime) -> list[tuple[Target, Ruling]]:
        """Return the servers of a request for a grant, each with the ruling on its agent's own change of it."""
        agents = replace(
            change, operation=granted_in(change.operation), actor=change.agent, origin=origin_of_agent(change)
        )
        targets = [member.target for member in members_of(connection, change.id)]
        return [(target, self._ruling(connection, agents, target, None, now)) for target in targets]

    def _ungrantable(self, connection: Connection, change: Change, now: datetime) -> str:
        """Return why votes open no grant now: the policy is another one, its terms are, or a limit forbids it."""
        if self.policy.read(connection).version != change.ruling.policy:
            return "Another policy is in force than the one that it was asked under."
        limits = self.policy.read_limits(connection)
        rulings = self._granted_rulings(connection, change, now)
        for target, ruling in rulings:
            exceeded = limits.protects(target, change.agent)
            why = exceeded.text if exceeded is not None else exceeds(change, ruling)
            if why:
                return f"{target.hostname}: {why}"
        return "" if rulings else "Its servers are not known."

    def _objection(self, connection: Connection, change: Change, why: str) -> str:
        if why:
            return STRICTER.format(why=why)
        try:
            quotas.check_agreed(connection, self.policy.read_limits(connection), change)
        except LimitReachedError as error:
            return LIMITED.format(why=error)
        return ""

    def check_sending(
        self, connection: Connection, change: Change, seen: Preview, account: AccountSnapshot | None, now: datetime
    ) -> None:
        """Raise `StricterError` or `LimitReachedError` unless a change may still be sent.

        Call it after the change's own step, as `vpsops.core.limits.quotas` asks for.
        """
        ruling = self._ruling(connection, change, seen.target, seen.monthly, now)
        ended = ended_since(connection, change, ruling.policy, now)
        if ended:
            raise StricterError(f"Nothing was sent. {ended} Ask again.")
        why = tightened(_as_voted(change.ruling), ruling) or unoverridable(change.override, ruling)
        if change.ruling.end and ruling.decision is not Decision.DENY:
            why = ""  # people agreed to the stop as they agreed to the create
        if why:
            raise StricterError(STRICTER.format(why=why))
        limits = self.policy.read_limits(connection)
        quotas.check_agreed(connection, limits, change, seen.target)
        quotas.check_sending(connection, limits, change, account, now)

    def for_member(self, connection: Connection, plan: Change, seen: Preview, now: datetime) -> str:
        """Return why a member of a plan may not begin under the rules and limits in force; empty where it may.

        `seen` is what would be done, to its server as it was read last.
        """
        member = replace(plan, operation=seen.operation)
        why = tightened(plan.ruling, self._ruling(connection, member, seen.target, seen.monthly, now))
        limits = self.policy.read_limits(connection)
        documented = OPERATIONS[seen.operation].documented
        exceeded = limits.protects(seen.target, plan.actor) or limits.forbids(seen.operation, documented=documented)
        return why or (exceeded.text if exceeded is not None else "")

    def _plan_ruling(self, connection: Connection, plan: Change, now: datetime) -> Ruling:
        """Return the strictest ruling over the members of a plan, as they were shown."""
        rulings = [
            self._ruling(connection, replace(plan, operation=member.operation), member.target, _monthly(member), now)
            for member in members_of(connection, plan.id)
        ]
        return strictest(rulings) if rulings else Ruling(Decision.DENY, reason="It has no servers.")

    def _ruling(
        self, connection: Connection, change: Change, target: Target, monthly: float | None, now: datetime
    ) -> Ruling:
        asked = facts(OPERATIONS[change.operation], change.actor, change.origin, target, monthly, now)
        ruling = self.policy.read(connection).decide(asked)
        ruling = self.policy.read_workspaces(connection).ruling_of(ruling, change.origin.team)
        if ruling.decision is not Decision.CONFIRM or change.actor.kind is not ActorKind.AGENT:
            return ruling
        slack = self.policy.settings_from(Settings()).slack_configured
        slack = slack or has_answers(connection) or has_copies(connection)
        return with_places(ruling, OPERATIONS[change.operation], change.actor, slack=slack)


def _monthly(member: PlanMember) -> float | None:
    return member.part.monthly if member.part is not None else None


def _tightened(change: Change, ruling: Ruling) -> str:
    return tightened(change.ruling, ruling) or unoverridable(change.override, ruling)


def _as_voted(ruling: Ruling) -> Ruling:
    """Return a ruling as people voted on it: a grant stands for these votes."""
    return ruling if ruling.grant is None else replace(ruling, decision=Decision.APPROVE)
