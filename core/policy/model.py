"""Rules and the decision that follows from them.

Every rule that matches counts, and the strictest decision wins (deny > approve > confirm > allow). No
match is deny. An unknown fact fails closed: a rule with a condition on it can make a
decision stricter, and can never be the only reason to let something happen. So a decision on
unknown facts is at least as strict as the decision on the same facts, whatever they turn out to be.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vpsops.core.identity.actors import ActorKind, Approvers, union_of
from vpsops.core.operations.registry import Risk
from vpsops.core.policy.calendar import Calendar
from vpsops.core.policy.conditions import EMAIL, Check, RuleConditions
from vpsops.core.policy.context import NormalizedContext, PolicyContext
from vpsops.core.policy.decision import Decision, GrantTerms, Ruling

ASKING = frozenset({Decision.CONFIRM, Decision.APPROVE})
LONGEST_REASON = 600
NO_CALENDAR = Calendar()
SHORT_VERSION = 12
NEEDS_APPROVAL = 'What cannot be undone needs an approval, and no rule with decision = "approve" is about it.'


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the policy; `line` is its line in the file. A rule that requires people is about changes only."""

    id: str
    match: RuleConditions
    decision: Decision
    votes: int = 0
    approvers: Approvers = field(default_factory=Approvers)
    reason: str = ""
    expires: float = 0.0  # seconds that a hold waits for votes; 0 for the default
    confirm_in: tuple[str, ...] = ()  # where an agent's human may confirm: "client", "slack"; empty for the default
    destructive_without_approval: bool = False  # for people only: their destructive requests need no other person
    during_freeze: tuple[str, ...] = ()  # the freezes that do not hold back what it is about
    grant: GrantTerms | None = None  # what its approvers may grant
    override: Approvers = field(default_factory=Approvers)  # who may run their own change without the votes
    line: int = 0

    def checks(self) -> tuple[tuple[str, Check], ...]:
        """Return all that must hold, by name: reads need no approval, so a rule that requires one skips them."""
        asks: tuple[tuple[str, Check], ...] = (("risk", _changes),) if self.decision in ASKING else ()
        return asks + self.match.checks()

    def may_decide(self, facts: PolicyContext) -> bool:
        """Return whether its decision can be the one on a request: without an approval nothing destructive is allowed.

        The exception has a key of its own, and is for people alone.
        """
        if facts.risk is not Risk.DESTRUCTIVE or self.decision.rank >= Decision.APPROVE.rank:
            return True
        return self.destructive_without_approval and facts.actor.kind is ActorKind.PERSON


def _changes(seen: NormalizedContext) -> bool:
    return seen.facts.risk is not Risk.READ


@dataclass(frozen=True, slots=True)
class RuleEvaluation:
    """A rule's result for a request: the conditions that do not hold, and those that cannot be known."""

    rule: Rule
    failed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def speaks(self) -> bool:
        """Return whether the rule counts; one that allows needs to match for certain."""
        return not self.failed and not (self.unknown and self.rule.decision is Decision.ALLOW)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force; `version` changes with any of them, and not with their order."""

    rules: tuple[Rule, ...]
    version: str
    calendar: Calendar = NO_CALENDAR
    _checks: tuple[tuple[Rule, tuple[tuple[str, Check], ...]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = sorted(self.rules, key=lambda rule: rule.id)
        object.__setattr__(self, "_checks", tuple((rule, rule.checks()) for rule in by_id))

    @property
    def groups(self) -> frozenset[str]:
        """Every group that a rule's condition names, in lower case."""
        return frozenset[str]().union(*(rule.match.group for rule in self.rules))

    @property
    def by_email(self) -> bool:
        """Return whether a rule's condition names a person by an e-mail address."""
        return any(EMAIL.fullmatch(name) for rule in self.rules for name in rule.match.person)

    @property
    def has_label_conditions(self) -> bool:
        """Return whether a rule's condition names a label."""
        return any(rule.match.label for rule in self.rules)

    def decide(self, facts: PolicyContext) -> Ruling:
        """Return the decision and the rules that matched, the decisive ones first."""
        seen = NormalizedContext.of(facts)
        heard = [
            RuleEvaluation(rule, (), unknown)
            for rule, checks in self._checks
            if (unknown := _ask(checks, seen)) is not None
        ]
        spoken = [match for match in heard if match.speaks]
        ruling = _ruling(spoken, self.version)
        ruling = ruling if ruling.grant_terms is None or facts.is_grantable else replace(ruling, grant_terms=None)
        return self._frozen(seen, spoken) or (ruling if _is_enough(ruling, heard, facts) else _refusal(ruling))

    def _frozen(self, seen: NormalizedContext, spoken: Sequence[RuleEvaluation]) -> Ruling | None:
        """Return the denial of a change during a freeze that no rule which matches for certain overrides; else None."""
        if seen.facts.risk is Risk.READ:
            return None
        certain = (match.rule for match in spoken if not match.unknown)
        overridden = {name for rule in certain for name in rule.during_freeze}
        holding = [freeze for freeze in self.calendar.frozen(seen) if freeze.name not in overridden]
        if not holding:
            return None
        names = tuple(f"freeze {freeze.name}" for freeze in holding)
        return Ruling(Decision.DENY, names, reason=_bounded(" ".join(f.text for f in holding)), policy=self.version)

    def hear(self, facts: PolicyContext) -> list[RuleEvaluation]:
        """Return every rule's evaluation of a request, to explain a decision; `decide` has the same result."""
        seen = NormalizedContext.of(facts)
        return [_hear(rule, checks, seen) for rule, checks in self._checks]


def _is_enough(ruling: Ruling, heard: Sequence[RuleEvaluation], facts: PolicyContext) -> bool:
    """Return whether a ruling may stand: a rule that matches for certain may decide by itself."""
    certain = (match.rule for match in heard if not match.unknown)
    return ruling.decision is Decision.DENY or any(rule.may_decide(facts) for rule in certain)


def _refusal(ruling: Ruling) -> Ruling:
    return Ruling(Decision.DENY, ruling.rules, reason=NEEDS_APPROVAL, policy=ruling.policy)


def _ask(checks: Sequence[tuple[str, Check]], seen: NormalizedContext) -> tuple[str, ...] | None:
    """Return the conditions that cannot be known, or None as soon as one does not hold."""
    unknown: tuple[str, ...] = ()
    for name, check in checks:
        answer = check(seen)
        if answer is None:
            unknown += (name,)
        elif not answer:
            return None
    return unknown


def _hear(rule: Rule, checks: Sequence[tuple[str, Check]], seen: NormalizedContext) -> RuleEvaluation:
    answers = [(name, check(seen)) for name, check in checks]
    failed = dict.fromkeys(name for name, answer in answers if answer is False)
    return RuleEvaluation(rule, tuple(failed), tuple(name for name, answer in answers if answer is None))


def _ruling(heard: Sequence[RuleEvaluation], version: str) -> Ruling:
    if not heard:
        return Ruling(Decision.DENY, reason="No rule allows it.", policy=version)
    strictest = max((match.rule.decision for match in heard), key=lambda decision: decision.rank)
    if strictest is not Decision.DENY and all(match.unknown for match in heard):
        names = tuple(match.rule.id for match in heard)
        return Ruling(Decision.DENY, names, reason=f"No rule allows it for certain. {_doubt(heard)}", policy=version)
    decisive = [match for match in heard if match.rule.decision is strictest]
    others = [match for match in heard if match.rule.decision is not strictest]
    return _spoken(decisive, others, version)


def _spoken(decisive: Sequence[RuleEvaluation], others: Sequence[RuleEvaluation], version: str) -> Ruling:
    rules = [match.rule for match in decisive]
    requirements = tuple(dict.fromkeys(rule.approvers for rule in rules if rule.decision is Decision.APPROVE))
    return Ruling(
        decision=rules[0].decision,
        rules=tuple(match.rule.id for match in (*decisive, *others)),
        votes=max(rule.votes for rule in rules),
        approvers=union_of(requirements),
        reason=_reason(decisive),
        policy=version,
        requirements=requirements,
        expires=min((rule.expires for rule in rules if rule.expires), default=0.0),
        confirm_in=_confirm_in(rules),
        grant_terms=_grant_terms(rules),
        overrides=_overrides(rules),
    )


def _grant_terms(rules: Sequence[Rule]) -> GrantTerms | None:
    """Return what all decisive rules let approvers grant; several rules leave no pattern of servers."""
    named = [rule.grant for rule in rules if rule.grant is not None]
    if not named or len(named) < len(rules):
        return None
    restricted = [frozenset(terms.states) for terms in named if terms.states]
    states = frozenset.intersection(*restricted) if restricted else frozenset[str]()
    if restricted and not states:
        return None
    servers = named[0].servers if len(named) == 1 else ()
    return GrantTerms(
        min(terms.seconds for terms in named), min(terms.uses for terms in named), servers, tuple(sorted(states))
    )


def _overrides(rules: Sequence[Rule]) -> tuple[Approvers, ...]:
    """Return the lists that an asker has to be on to run a change without votes; none unless every rule has one."""
    lists = tuple(dict.fromkeys(rule.override for rule in rules))
    return lists if all(lists) else ()


def _confirm_in(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Return the places that all rules with a list of places name; rules that share none leave Slack."""
    named = [rule.confirm_in for rule in rules if rule.confirm_in]
    shared = tuple(place for place in named[0] if all(place in places for places in named)) if named else ()
    return shared or (("slack",) if named else ())


def _reason(decisive: Sequence[RuleEvaluation]) -> str:
    """Return every decisive rule's reason once, and the unknown facts that counted against the request."""
    reasons = list(dict.fromkeys(match.rule.reason for match in decisive if match.rule.reason))
    if all(match.unknown for match in decisive):
        reasons.append(_doubt(decisive))
    return _bounded(" ".join(reasons))


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _doubt(heard: Sequence[RuleEvaluation]) -> str:
    names = dict.fromkeys(DOUBTS.get(name, name) for match in heard for name in match.unknown)
    return f"Not known, so held against it: {', '.join(names)}."


DOUBTS = {
    "cost_above": "the price",
    "region": "the region",
    "group": "the asker's groups",
    "person": "the human behind the agent",
    "server": "the server",
    "label": "the server's labels",
}


def policy_of(rules: Sequence[Rule], calendar: Calendar = NO_CALENDAR) -> Policy:
    """Return a policy of rules, with the version that follows from their contents; lines and order aside."""
    entries = sorted((_canonical(rule) for rule in rules), key=lambda canonical_rule: str(canonical_rule["id"]))
    canonical = json.dumps(entries, sort_keys=True)
    return Policy(tuple(rules), version_of(canonical + calendar.canonical), calendar)


def version_of(text: str) -> str:
    """Return the version of a canonical text: its whole SHA-256, so that no two texts have the same."""
    return f"pol_{hashlib.sha256(text.encode()).hexdigest()}"


def short_version(version: str) -> str:
    """Return the beginning of a version, for display only."""
    return version[:SHORT_VERSION]


def _canonical(rule: Rule) -> dict[str, object]:
    names = [name for name in RuleConditions.__slots__ if name not in (() if rule.match.label else ("label",))]
    match = {name: getattr(rule.match, name) for name in names if name != "hours"}
    hours = rule.match.hours
    return {
        "id": rule.id,
        "match": {name: sorted(value) if isinstance(value, frozenset) else value for name, value in match.items()},
        "hours": [hours.zone.key, f"{hours.minutes:x}"] if hours else None,
        "decision": rule.decision.value,
        "votes": rule.votes,
        "approvers": [sorted(rule.approvers.groups), sorted(rule.approvers.people), sorted(rule.approvers.channels)],
        "expires": rule.expires,
        "reason": rule.reason,
        **({"confirm_in": sorted(rule.confirm_in)} if rule.confirm_in else {}),
        **({"destructive_without_approval": True} if rule.destructive_without_approval else {}),
        **({"during_freeze": sorted(rule.during_freeze)} if rule.during_freeze else {}),
        **({"grant": [rule.grant.seconds, rule.grant.uses, sorted(rule.grant.states)]} if rule.grant else {}),
        **({"override": [sorted(rule.override.groups), sorted(rule.override.people)]} if rule.override else {}),
    }
