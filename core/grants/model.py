"""The life of a grant, and whether it holds for a change, as a table and frozen values.

open -> open (a use), used_up, expired, ended
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import Change, GrantWish, Verdict, check_table
from vpsops.core.common.errors import NotAllowedError, UnknownGrantError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import count_text, duration, moment
from vpsops.core.common.timings import CERTAIN_SECONDS, GRANT_STEPS_SECONDS
from vpsops.core.identity.actors import Actor, ActorKind, Origin, is_among
from vpsops.core.operations.target import Target
from vpsops.core.plans.names import listed_names
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling

SERVER: Final = "server"
"""The argument that names a change's server: the only one that may differ between the uses of a grant."""
NO_TERMS: Final = "No rule lets its approvers grant this operation."


class GrantState(StrEnum):
    """Where a grant is."""

    OPEN = "open"
    USED_UP = "used_up"
    EXPIRED = "expired"
    ENDED = "ended"

    @property
    def words(self) -> str:
        """Return the state as people read it."""
        return self.value.replace("_", " ")


STEPS: Final[Mapping[GrantState, frozenset[GrantState]]] = {
    GrantState.OPEN: frozenset({GrantState.OPEN, GrantState.USED_UP, GrantState.EXPIRED, GrantState.ENDED}),
    GrantState.USED_UP: frozenset(),
    GrantState.EXPIRED: frozenset(),
    GrantState.ENDED: frozenset(),
}


def check_step(before: GrantState, after: GrantState) -> None:
    """Raise `IllegalStepError` unless the table has this step."""
    check_table(STEPS, before, after)


@dataclass(frozen=True, slots=True)
class GrantStep:
    """A step of a grant that was stored, to be counted."""

    state: GrantState
    operation: str
    event: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Trust in one agent of one human, for one operation with its arguments, on one server or those of a rule."""

    id: str
    state: GrantState
    source: str  # the change that was approved with it
    agent: Actor
    origin: Origin
    operation: str
    arguments: Mapping[str, Json]  # all but the server
    target: Target
    servers: tuple[str, ...]  # the rule's patterns; empty for the target alone
    states: tuple[str, ...]
    ruling: Ruling  # as the source was decided
    uses: int
    used: int
    opened_at: datetime
    until: datetime
    ended_at: datetime | None = None
    note: str = ""  # why it ended, for people
    opened_beat: float | None = None  # the last heartbeat before it opened, in the lease clock's seconds

    def date_by(self, beat: float | None, now: datetime) -> datetime:
        """Return the date to compare its end with: `now`, or what the heartbeats since it was opened make of it.

        The later of both, so that a date that is set back lengthens nothing. `beat` is the last heartbeat of all.
        """
        if beat is None or self.opened_beat is None:
            return now
        passed = beat - self.opened_beat - CERTAIN_SECONDS
        return max(now, self.opened_at + timedelta(seconds=max(passed, 0.0)))

    @property
    def servers_text(self) -> str:
        """Return the servers that it is for: their hostnames, or the patterns of its rule."""
        named = listed_names([member.hostname for member in self.target.members])
        return ", ".join(self.servers) or named or self.target.hostname

    @property
    def server_ids(self) -> frozenset[str]:
        """Return the ids of the servers that it is for; those of a rule's patterns are not listed."""
        return frozenset(member.id for member in self.target.members) or frozenset({self.target.id})

    @property
    def uses_text(self) -> str:
        """Return how much of it is used: `3 of 20 used`."""
        return f"{self.used} of {self.uses} used"

    def is_open(self, now: datetime) -> bool:
        """Return whether it may let another change through."""
        return self.state is GrantState.OPEN and now < self.until


@dataclass(frozen=True, slots=True)
class GrantExtent:
    """What all votes on a change agree to grant: the shortest time, and the fewest servers."""

    seconds: float
    servers: tuple[str, ...]


def common_extent(change: Change) -> GrantExtent | None:
    """Return what the approvals of a change grant together; None unless each of them asked for a grant."""
    terms = change.ruling.grant_terms
    wishes = [vote.grant for vote in change.votes if vote.verdict is Verdict.APPROVE]
    if terms is None or not wishes:
        return None
    asked = [wish for wish in wishes if wish is not None]
    if len(asked) < len(wishes) or any(misfit(wish, terms) for wish in asked):
        return None
    on_rule = all(wish.on_rule for wish in asked)
    return GrantExtent(min(wish.seconds for wish in asked), terms.servers if on_rule else ())


def misfit(wish: GrantWish, terms: GrantTerms | None) -> str:
    """Return why approvers cannot grant what one of them asks for; empty where they can."""
    if terms is None:
        return NO_TERMS
    if not 0 < wish.seconds <= terms.seconds:
        return f"The rule lets its approvers grant {duration(terms.seconds)} at most."
    if wish.on_rule and not terms.servers:
        return "The rule names no servers, so only this server can be granted."
    return ""


def check_ender(grant: Grant, actor: Actor, asker: Actor | None) -> None:
    """Raise `NotAllowedError` unless an approver, the agent's human, this very agent, or its asker ends a grant.

    `asker` is the person who asked for it, where one did. An end only narrows what agents may do.
    """
    if actor.same_human(grant.agent) and (actor.kind is ActorKind.PERSON or actor.id == grant.agent.id):
        return
    if asker is not None and actor.kind is ActorKind.PERSON and actor.same_human(asker):
        return
    required = grant.ruling.requirements or (grant.ruling.approvers,)
    if actor.kind is ActorKind.PERSON and all(is_among(approvers, actor) for approvers in required):
        return
    raise NotAllowedError(
        "You are not among those who may end this grant.", hint="Its approvers, its human and its asker may."
    )


def offered_seconds(terms: GrantTerms) -> tuple[float, ...]:
    """Return the times that approvers are offered: the usual ones that the cap allows, and the cap."""
    return tuple(sorted({*(seconds for seconds in GRANT_STEPS_SECONDS if seconds < terms.seconds), terms.seconds}))


def own_arguments(change: Change) -> dict[str, Json]:
    """Return the arguments of a change without its server."""
    return {name: value for name, value in change.arguments.items() if name != SERVER}


def new_grant(ident: str, change: Change, what: GrantExtent, now: datetime) -> Grant:
    """Return the grant that the votes on a change open; its time counts from the last of them."""
    terms = change.ruling.grant_terms
    if terms is None:
        raise ValueError("a grant needs the terms of its rule")
    return Grant(
        id=ident,
        state=GrantState.OPEN,
        source=change.id,
        agent=change.actor,
        origin=change.origin,
        operation=change.operation,
        arguments=own_arguments(change),
        target=change.target,
        servers=what.servers,
        states=terms.states,
        ruling=change.ruling,
        uses=terms.uses,
        used=0,
        opened_at=now,
        until=now + timedelta(seconds=what.seconds),
    )


def mismatch(grant: Grant, change: Change, now: datetime) -> str:
    """Return why a grant does not let a decided change of the same human through; empty where it does."""
    reasons = (
        ended_text(grant, now),
        _other_agent(grant, change),
        "it is for another operation" if change.operation != grant.operation else "",
        "its arguments are others" if own_arguments(change) != grant.arguments else "",
        _other_rules(grant, change.ruling),
        _other_server(grant, change.target),
        _other_state(grant.states, change.target),
        _other_state(change.ruling.grant_terms.states if change.ruling.grant_terms else (), change.target),
    )
    return next((reason for reason in reasons if reason), "")


def ended_text(grant: Grant, now: datetime) -> str:
    """Return why a grant lets nothing more through, or empty text."""
    if grant.state is GrantState.ENDED:
        return f"it was ended: {grant.note}".rstrip(".")
    if grant.state is GrantState.USED_UP or grant.used >= grant.uses:
        return f"its {count_text(grant.uses, 'use')} are used up"
    return "" if grant.is_open(now) else f"its time ended at {moment(grant.until)}"


def _other_agent(grant: Grant, change: Change) -> str:
    """Compare all that identifies an agent; its name is its own claim, its token is not."""
    agent, actor = grant.agent, change.actor
    if (actor.kind, actor.id) != (agent.kind, agent.id):
        return "it is for another agent or client of this person"
    if (actor.human, actor.account) != (agent.human, agent.account):
        return "it is for another person's agent"
    origin, given = change.origin, grant.origin
    if (origin.front, origin.team) != (given.front, given.team):
        return "it is for requests from another place"
    return "" if origin.credential == given.credential else "the agent's token has changed"


def _other_rules(grant: Grant, ruling: Ruling) -> str:
    """A grant stands for the votes of its own rules, under the policy that they were read from."""
    asked = grant.ruling
    if ruling.policy != asked.policy:
        return "another policy is in force"
    return "" if _is_voted(asked, ruling) else "other rules decide about this server now"


def _is_voted(asked: Ruling, ruling: Ruling) -> bool:
    """Return whether the votes on a grant are all that a ruling asks for, and its terms allow no less."""
    granted, terms = asked.grant_terms, ruling.grant_terms
    if ruling.decision is not Decision.APPROVE or terms is None or granted is None:
        return False
    needed, given = ruling.requirements or (ruling.approvers,), asked.requirements or (asked.approvers,)
    among = all(
        set(getattr(ruling.approvers, kind)) <= set(getattr(asked.approvers, kind))
        for kind in ("groups", "people", "channels")
    )
    voted = among and max(ruling.votes, 1) <= max(asked.votes, 1) and set(needed) <= set(given)
    within = granted.seconds <= terms.seconds and granted.uses <= terms.uses
    return voted and within and granted.servers in {(), terms.servers}


def _other_server(grant: Grant, target: Target) -> str:
    """A server that is not certainly meant is not meant."""
    if grant.servers:
        patterns, name = ServerPatterns.of(grant.servers), target.hostname.lower().rstrip(".")
        known = "" if name == target.id.lower() else name
        if patterns.hold(target.id.lower(), known) is not True:
            return f"it is for {grant.servers_text}"
    elif not target.id or target.id not in grant.server_ids:
        return f"it is for {grant.servers_text}"
    return ""


def _other_state(states: Sequence[str], target: Target) -> str:
    if states and target.state.lower() not in states:
        return f"the server is {target.state or 'in an unknown state'}, and it holds while {' or '.join(states)}"
    return ""


def unknown_grant(grant_id: str) -> UnknownGrantError:
    """Return the error for a grant that is not there, or not to be seen."""
    return UnknownGrantError(f"There is no grant {grant_id[:40]}.", hint="List the open grants to see their ids.")
