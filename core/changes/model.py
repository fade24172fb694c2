r"""The life of a change, as a table and frozen values.

    requested -> held -> approved -> sending -> watching -> succeeded
        |         |         |           |           \-> failed
        |         |         |           |-> unknown -> watching | succeeded | failed | needs_person
        |         |         |           |           \-> approved again when refused for now, and checks find no trace
        |         |         |           \-> failed, or approved again when surely not sent
        |         |         \-> superseded, failed, cancelled, needs_person when the database went back,
        |         |             succeeded when what it removes is gone already
        |         \-> denied, expired, cancelled, superseded
        \-> approved (allowed at once)

Between held and approved a change with a schedule is `scheduled`: it has all the consent it needs, waits for its time
without its server, and is approved then, or expires, is superseded or cancelled (`vpsops.core.schedule.model`).
A plan, which is one question about many servers, sends nothing itself: it goes from approved to watching, and its
members are changes of their own. Nor does a request for a grant, which succeeds as the grant opens.

`sending` is committed before the call leaves: a change found in it without a living owner has an
unknown outcome, which is checked and never repeated. A write that the provider refused has one as well, until checks
have found no trace of an effect.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Self, TypeVar

from vpsops.core.common.errors import Remedy
from vpsops.core.common.json_types import Json
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.identity.serialization import actor_of
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import Target, is_grant_request, is_plan
from vpsops.core.policy.decision import Ruling
from vpsops.core.schedule.model import Schedule


class State(StrEnum):
    """Where a change is."""

    REQUESTED = "requested"
    HELD = "held"
    SCHEDULED = "scheduled"
    APPROVED = "approved"
    SENDING = "sending"
    WATCHING = "watching"
    UNKNOWN = "unknown"
    NEEDS_PERSON = "needs_person"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """Say whether nothing follows."""
        return not STEPS[self]

    @property
    def open(self) -> bool:
        """Say whether the change may still act or is acting on its server."""
        return bool(STEPS[self])


STEPS: Mapping[State, frozenset[State]] = {
    State.REQUESTED: frozenset({State.HELD, State.SCHEDULED, State.APPROVED}),
    State.HELD: frozenset(
        {State.SCHEDULED, State.APPROVED, State.DENIED, State.EXPIRED, State.CANCELLED, State.SUPERSEDED}
    ),
    State.SCHEDULED: frozenset(
        {
            State.APPROVED,
            State.EXPIRED,
            State.CANCELLED,
            State.SUPERSEDED,
            State.NEEDS_PERSON,  # vpsops.core.continuity.continuity_monitor
        }
    ),
    State.APPROVED: frozenset(
        {
            State.SENDING,
            State.SUPERSEDED,
            State.SUCCEEDED,  # what it removes was gone already
            State.FAILED,
            State.CANCELLED,
            State.EXPIRED,  # it had a schedule, and was not sent in time
            State.NEEDS_PERSON,  # vpsops.core.continuity.continuity_monitor
            State.UNKNOWN,  # what a refused send may have done is seen after all
            State.WATCHING,  # a plan alone
        }
    ),
    State.SENDING: frozenset({State.WATCHING, State.SUCCEEDED, State.FAILED, State.UNKNOWN, State.APPROVED}),
    State.WATCHING: frozenset({State.SUCCEEDED, State.FAILED, State.NEEDS_PERSON}),
    # to approved alone where the provider refused it for now, and checks found no trace of it
    State.UNKNOWN: frozenset({State.WATCHING, State.SUCCEEDED, State.FAILED, State.NEEDS_PERSON, State.APPROVED}),
    State.NEEDS_PERSON: frozenset({State.SUCCEEDED, State.FAILED, State.WATCHING}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.DENIED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
    State.SUPERSEDED: frozenset(),
}


WITHOUT_SCHEDULE: Final = frozenset({(State.HELD, State.APPROVED)})
WITH_SCHEDULE: Final = frozenset({(State.HELD, State.SCHEDULED), (State.APPROVED, State.EXPIRED)})
"""Steps of the table that depend on whether a change has a schedule."""
NOT_OF_PLANS = frozenset({State.SENDING})
"""The states that a plan never has: its members are sent."""


AnyState = TypeVar("AnyState", bound=StrEnum)


class IllegalStepError(Exception):
    """A step the table does not have."""


def check_step(before: State, after: State) -> None:
    """Raise `IllegalStepError` unless the table has this step."""
    check_table(STEPS, before, after)


def check_table(steps: Mapping[AnyState, frozenset[AnyState]], before: AnyState, after: AnyState) -> None:
    """Raise `IllegalStepError` unless a table of steps has this one: of changes, grants, reviews or members."""
    if after not in steps[before]:
        raise IllegalStepError(f"{before} -> {after}")


class Verdict(StrEnum):
    """What a vote says."""

    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class GrantWish:
    """What a voter would grant with an approval: for how many seconds, on this server or on all those of the rule."""

    seconds: float
    on_rule: bool = False

    @property
    def stored(self) -> dict[str, Json]:
        """The wish as a vote and its record hold it."""
        return {"seconds": self.seconds, "on_rule": self.on_rule}

    @classmethod
    def from_stored(cls, stored: Json) -> Self | None:
        """Return a stored wish; None where there is none, or one that this version cannot read."""
        if not isinstance(stored, Mapping):
            return None
        seconds, on_rule = stored.get("seconds"), stored.get("on_rule")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isinstance(on_rule, bool):
            return None
        return cls(float(seconds), on_rule)


@dataclass(frozen=True, slots=True)
class Vote:
    """One eligible person's word on a hold."""

    voter: Actor
    verdict: Verdict
    reason: str
    evidence: str
    at: datetime
    grant: GrantWish | None = None  # what the voter would grant, where the change was not all


@dataclass(frozen=True, slots=True)
class ChangeOverride:
    """That its asker ran a change without the votes it needed: why, by which names of the rules, and its review."""

    by: Actor
    reason: str
    among: tuple[str, ...]
    at: datetime
    reviewer: Actor | None = None
    note: str = ""
    reviewed_at: datetime | None = None


AGENT: Final = "agent"
"""Key of the arguments of a request for a grant: the agent that would be granted."""
OVERRIDDEN = "overridden"
REVIEWED = "review_closed"
"""The events of a run without votes, and of the end of its review."""
REFUSAL = "refusal"
KNOWN = "known"
"""Keys of a result while a change is under way: the provider's no, and which servers there were before a create."""
MISSED = "missed"
"""Key of the result of a change that was agreed to and not sent within its schedule."""
REMEDY = "remedy"
"""Key of the result of a change that ended for an unmet precondition: the operation that would meet it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A provider's no to a write that left; `again` says that it may be sent again once checks find no trace of it.

    `doubtful` says that it may have been said after the effect, to a request that a proxy repeated.
    """

    message: str
    again: bool
    doubtful: bool = False

    @property
    def stored(self) -> dict[str, Json]:
        """The refusal as a result holds it."""
        return {"message": self.message, "again": self.again, "doubtful": self.doubtful}


@dataclass(frozen=True, slots=True)
class Change:
    """One requested run of an operation that alters something, with its whole present state."""

    id: str
    version: int
    state: State
    operation: str
    arguments: Mapping[str, Json]
    target: Target
    actor: Actor
    origin: Origin
    reason: str
    ruling: Ruling
    digest: str
    created_at: datetime
    expires_at: datetime | None
    updated_at: datetime
    votes: tuple[Vote, ...] = ()
    cost: str = ""  # a month's price of a create, in words
    effect: str = ""
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    result: Mapping[str, Json] = field(default_factory=dict)
    note: str = ""  # why it ended as it did, or what is known of it, for people
    overdue: bool = False  # sent, and still going past its usual time
    sends: int = 0  # how often its write left, or may have left
    last_uptime: int | None = None
    confirmed: str = ""  # how its human's own yes came, in words
    facts: tuple[Fact, ...] = ()  # all that is shown of it beside target, cost and effect
    not_before: datetime | None = None  # until when the provider asked to wait, while it is approved
    traceparent: str = ""  # the trace context that it was requested in; empty without traces
    schedule: Schedule | None = None  # when it may be sent; at once without one
    override: ChangeOverride | None = None  # set once its asker ran it without the votes
    plan: str = ""  # the id of the plan that it is a member of
    group_names: Mapping[str, str] = field(default_factory=dict, compare=False)  # Slack's, for words; not stored

    @property
    def refusal(self) -> Refusal | None:
        """The provider's no to the last send, while checks verify it or it may be sent again."""
        stored = self.result.get(REFUSAL)
        if not isinstance(stored, Mapping):
            return None
        again, doubtful = (stored.get(key) is True for key in ("again", "doubtful"))
        return Refusal(str(stored.get("message") or ""), again, doubtful)

    @property
    def remedy(self) -> Remedy | None:
        """The operation to ask for first, where the change ended because a precondition was not met."""
        return Remedy.from_stored(self.result.get(REMEDY))

    @property
    def approvals(self) -> int:
        """How many have approved."""
        return sum(vote.verdict is Verdict.APPROVE for vote in self.votes)

    @property
    def agent(self) -> Actor:
        """Who it is for: its asker, or the agent that a request for a grant names; raises where that is unreadable."""
        if not is_grant_request(self.operation):
            return self.actor
        named = self.arguments.get(AGENT)
        return actor_of(named if isinstance(named, Mapping) else {})

    @property
    def deferred(self) -> bool:
        """Whether it is approved and waits because the provider asked to."""
        return self.state is State.APPROVED and self.not_before is not None

    @property
    def agreed(self) -> State:
        """The state in which it has all the consent it needs: scheduled, or approved where it may be sent at once."""
        return State.APPROVED if self.schedule is None else State.SCHEDULED

    @property
    def missed(self) -> bool:
        """Whether it had all the consent it needed, and its time passed before it could be sent."""
        return self.state is State.EXPIRED and self.result.get(MISSED) is True

    @property
    def unseen(self) -> bool:
        """Whether the provider accepted it and its API shows nothing by which it could be seen."""
        return self.result.get("unseen") is True

    @property
    def seconds(self) -> float | None:
        """How long it took from the sending to the settled end, in seconds."""
        if self.sent_at is None or self.settled_at is None:
            return None
        return (self.settled_at - self.sent_at).total_seconds()


@dataclass(frozen=True, slots=True)
class ChangeStep:
    """A step that was stored: the change before it (None for a new one), after it, and its event in the trail."""

    before: Change | None
    after: Change
    event: str


def check_move(change: Change, after: State) -> None:
    """Raise `IllegalStepError` unless the table has this step, and the change may take it.

    An unclear outcome leads back to approved only where the provider said that it had not taken the write on. A plan
    is never sent, and nothing else is watched without it.
    """
    check_step(change.state, after)
    if (change.state, after) in WITHOUT_SCHEDULE and change.schedule is not None:
        raise IllegalStepError(f"{change.state} -> {after} with a schedule")
    if (change.state, after) in WITH_SCHEDULE and change.schedule is None:
        raise IllegalStepError(f"{change.state} -> {after} without a schedule")
    if (change.state, after) == (State.APPROVED, State.WATCHING) and not is_plan(change.operation):
        raise IllegalStepError(f"{change.state} -> {after} unsent")
    if after in NOT_OF_PLANS and is_plan(change.operation):
        raise IllegalStepError(f"{change.state} -> {after} of a plan")
    refusal = change.refusal
    if change.state is State.UNKNOWN and after is State.APPROVED and not (refusal is not None and refusal.again):
        raise IllegalStepError(f"{change.state} -> {after} without a refusal")


def shown_facts(cost: str, facts: Sequence[Fact]) -> list[Json]:
    """Return what the digest holds of a price and of the facts, in their order."""
    return [cost, *([fact.label, fact.value] for fact in facts)]


def digest_of(  # noqa: PLR0913 - all that is shown
    operation: str,
    arguments: Mapping[str, Json],
    target: Target,
    facts: Sequence[Json],
    policy: str,
    schedule: Schedule | None = None,
) -> str:
    """Hash what was shown: operation, canonical arguments, the server's identity and state, policy version, schedule.

    `facts` holds live facts that are not the target's own, such as a plan's price.
    """
    system = [target.system] if target.system else []
    digest_input = {
        "operation": operation,
        "arguments": arguments,
        "target": [target.id, target.hostname, target.state, target.region, target.address, target.plan, *system],
        "facts": list(facts),
        "policy": policy,
        **({"schedule": schedule.stored} if schedule is not None else {}),
    }
    canonical = json.dumps(digest_input, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
