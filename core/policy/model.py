"""Rules and the decision they come to; pure.

Every rule that matches speaks, and the strictest decision wins (deny > approve > confirm > allow). No match
is deny. What is not known fails closed: a condition on an unknown price or region holds for a rule
that asks for more, and does not hold for a rule that allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from core.changes.model import Actor, Approvers, Decision, Ruling, Target
from core.operations.registry import Risk
from core.policy.hours import Hours
from core.wayscloud.models import canonical_region


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may look at. `target` is absent for an operation on no server; `cost` is a month's price."""

    operation: str
    risk: Risk
    actor: Actor
    origin: str
    now: datetime
    target: Target | None = None
    region: str = ""
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The conditions of a rule; an empty one holds always, and all must hold."""

    operation: frozenset[str] = frozenset()
    risk: frozenset[str] = frozenset()
    server: frozenset[str] = frozenset()
    actor: frozenset[str] = frozenset()
    group: frozenset[str] = frozenset()
    person: frozenset[str] = frozenset()
    origin: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    cost_above: float | None = None
    hours: Hours | None = None
    outside_hours: Hours | None = None

    def holds(self, facts: Facts, *, unknown: bool) -> bool:
        """Say whether every condition holds; `unknown` is what one on an unknown fact comes to."""
        return (
            (not self.operation or facts.operation in self.operation)
            and (not self.risk or facts.risk.value in self.risk)
            and (not self.actor or facts.actor.kind.value in self.actor)
            and (not self.origin or facts.origin in self.origin)
            and (not self.person or bool(self.person & facts.actor.identities))
            and (not self.group or bool(self.group & {one.lower() for one in facts.actor.groups}))
            and self._holds_server(facts)
            and self._holds_region(facts, unknown)
            and self._holds_cost(facts, unknown)
            and (self.hours is None or self.hours.hold(facts.now))
            and (self.outside_hours is None or not self.outside_hours.hold(facts.now))
        )

    def _holds_server(self, facts: Facts) -> bool:
        if not self.server:
            return True
        if facts.target is None:
            return False
        names = (facts.target.hostname.lower(), facts.target.id.lower())
        return any(fnmatchcase(name, pattern) for name in names if name for pattern in self.server)

    def _holds_region(self, facts: Facts, unknown: bool) -> bool:
        if not self.region:
            return True
        if facts.target is None:
            return False
        return canonical_region(facts.region) in self.region if facts.region else unknown

    def _holds_cost(self, facts: Facts, unknown: bool) -> bool:
        if self.cost_above is None:
            return True
        if facts.operation != "create":
            return False
        return unknown if facts.cost is None else facts.cost > self.cost_above

    def covers(self, other: "Match") -> bool:
        """Say whether this holds whenever the other does, as far as the written conditions show."""
        sets = ("operation", "risk", "server", "actor", "group", "person", "origin", "region")
        wider = all(not getattr(self, one) or _within(getattr(other, one), getattr(self, one)) for one in sets)
        dearer = self.cost_above is None or (other.cost_above is not None and other.cost_above >= self.cost_above)
        times = (self.hours in {None, other.hours}) and (self.outside_hours in {None, other.outside_hours})
        return wider and dearer and times


def _within(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return "*" in outer or (bool(inner) and inner <= outer)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy; `line` is where it stands in its file."""

    id: str
    match: Match
    decision: Decision
    votes: int = 0
    approvers: Approvers = field(default_factory=Approvers)
    reason: str = ""
    expires: float = 0.0  # seconds that a hold waits for votes; 0 for the default
    line: int = 0

    def speaks(self, facts: Facts) -> bool:
        """Say whether the rule is about this request."""
        return self.match.holds(facts, unknown=self.decision is not Decision.ALLOW)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force; `version` changes with any of them."""

    rules: tuple[Rule, ...]
    version: str

    def decide(self, facts: Facts) -> Ruling:
        """Return the decision and the rules that spoke, the decisive ones first."""
        spoke = [rule for rule in self.rules if rule.speaks(facts)]
        if not spoke:
            return Ruling(Decision.DENY, reason="No rule allows it.", policy=self.version)
        strictest = max((rule.decision for rule in spoke), key=lambda decision: decision.rank)
        decisive = [rule for rule in spoke if rule.decision is strictest]
        names = [rule.id for rule in decisive] + [rule.id for rule in spoke if rule.decision is not strictest]
        return Ruling(
            decision=strictest,
            rules=tuple(names),
            votes=max(rule.votes for rule in decisive),
            approvers=_together(decisive),
            reason=next((rule.reason for rule in decisive if rule.reason), ""),
            policy=self.version,
            requirements=_requirements(decisive),
            expires=min((rule.expires for rule in decisive if rule.expires), default=0.0),
        )


def _requirements(decisive: Sequence[Rule]) -> tuple[Approvers, ...]:
    """Several approve rules at once: whoever votes must be acceptable to each."""
    return tuple(dict.fromkeys(rule.approvers for rule in decisive if rule.decision is Decision.APPROVE))


def _together(decisive: Sequence[Rule]) -> Approvers:
    every = _requirements(decisive)
    return Approvers(
        groups=tuple(dict.fromkeys(one for approvers in every for one in approvers.groups)),
        people=tuple(dict.fromkeys(one for approvers in every for one in approvers.people)),
        channels=tuple(dict.fromkeys(one for approvers in every for one in approvers.channels)),
    )
