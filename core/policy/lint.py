"""Whether a rule's keys fit together, and the rules each other: a rule without any effect is a mistake."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from vpsops.core.identity.actors import ActorKind
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.registry import Risk
from vpsops.core.policy.config_schema import WrittenRule
from vpsops.core.policy.context import BILLED, GRANTABLE
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.model import ASKING, Rule

READ = Risk.READ.value
DESTRUCTIVE = Risk.DESTRUCTIVE.value
RANK = {decision: decision.rank for decision in Decision}  # every rule is compared with every other


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A problem: its description, its key, and the remedy."""

    key: str
    message: str
    hint: str = ""


def rule_problems(rule: WrittenRule) -> Iterator[ConfigProblem]:
    """Yield the contradictions within a rule."""
    yield from _only_with(rule)
    yield from _without_approval(rule)
    yield from _risks(rule)
    yield from _asked_reads(rule)
    yield from _without_meaning(rule, ("server", "region", "label"), about_a_server, "is not about a server")
    yield from _without_meaning(rule, ("cost_above",), lambda operation: operation.name in BILLED, "has no price")
    yield from _votes(rule)
    yield from _grants(rule)


def about_a_server(operation: Operation) -> bool:
    """Return whether an operation has a server, existing or requested."""
    return operation.takes_server or not operation.reads


def _only_with(rule: WrittenRule) -> Iterator[ConfigProblem]:
    for key in ("votes", "approvers", "expires", "grant", "override"):
        if rule.decision != "approve" and rule.is_set(key):
            yield ConfigProblem(key, f'{key} goes with decision = "approve" only.')
    if rule.decision != "confirm" and rule.is_set("confirm_in"):
        yield ConfigProblem("confirm_in", 'confirm_in goes with decision = "confirm" only.')
    if rule.decision == "deny" and rule.is_set("during_freeze"):
        yield ConfigProblem("during_freeze", "during_freeze goes with a decision that lets a change happen.")
    timed = rule.hours or rule.outside_hours
    if timed and not rule.time_zone:
        key = "hours" if rule.hours else "outside_hours"
        yield ConfigProblem(key, "hours need a time_zone.", 'For example time_zone = "Europe/Oslo".')
    if rule.time_zone is not None and not timed:
        yield ConfigProblem("time_zone", "time_zone goes with hours or outside_hours only.")


def _without_approval(rule: WrittenRule) -> Iterator[ConfigProblem]:
    """A rule for people alone may let them destroy something without another person; it says so in words."""
    if not rule.destructive_without_approval:
        return
    key = "destructive_without_approval"
    if rule.decision not in {"allow", "confirm"}:
        yield ConfigProblem(key, f'{key} goes with decision = "allow" or "confirm" only.')
    if rule.actor != ("person",):
        hint = 'Add actor = "person": what an agent asks to destroy is approved by a person who is not its own.'
        yield ConfigProblem(key, f"{key} is for people alone.", hint)
    named = {OPERATIONS[name].risk.value for name in rule.operation} or set(rule.risk) or {DESTRUCTIVE}
    if DESTRUCTIVE not in named:
        yield ConfigProblem(key, "it is about nothing destructive.", f"Leave out {key}.")


def needs_approval_rule(rule: Rule) -> bool:
    """Return whether a rule allows or confirms destructive operations alone, which without its key it cannot."""
    destructive = {name for name, operation in OPERATIONS.items() if operation.risk is Risk.DESTRUCTIVE}
    reached = reach(rule)
    milder = rule.decision.rank < Decision.APPROVE.rank and not rule.destructive_without_approval
    return milder and bool(reached) and reached <= destructive | {f"any other {DESTRUCTIVE}"}


def _risks(rule: WrittenRule) -> Iterator[ConfigProblem]:
    """An operation with a risk that is not named, or a named risk that no operation has, never matches."""
    if not (rule.operation and rule.risk):
        return
    for name in rule.operation:
        risk = OPERATIONS[name].risk.value
        if risk not in rule.risk:
            yield ConfigProblem(
                "risk", f"{name} has the risk {risk}, so it never matches.", "Leave out the one or the other."
            )
    had = {OPERATIONS[name].risk.value for name in rule.operation}
    for risk in rule.risk:
        if risk not in had:
            yield ConfigProblem(
                "risk", f"none of its operations has the risk {risk}.", "Leave out the one or the other."
            )


def _asked_reads(rule: WrittenRule) -> Iterator[ConfigProblem]:
    if Decision(rule.decision) not in ASKING:
        return
    hint = "A read is allowed or denied, without a question."
    if READ in rule.risk:
        yield ConfigProblem("risk", f"a read cannot be decided by {rule.decision}.", hint)
    for name in rule.operation:
        if OPERATIONS[name].reads:
            yield ConfigProblem("operation", f"{name} is a read and cannot be decided by {rule.decision}.", hint)


def _without_meaning(
    rule: WrittenRule, keys: Sequence[str], applies: Callable[[Operation], bool], why: str
) -> Iterator[ConfigProblem]:
    for key in (key for key in keys if rule.is_set(key)):
        for name in rule.operation:
            if not applies(OPERATIONS[name]):
                yield ConfigProblem(key, f"{name} {why}, so it never matches.")
        for risk in rule.risk:
            having = [operation for operation in OPERATIONS.values() if operation.risk.value == risk]
            if having and not rule.operation and not any(applies(operation) for operation in having):
                yield ConfigProblem(key, f"what has the risk {risk} {why}, so it never matches.")


def _votes(rule: WrittenRule) -> Iterator[ConfigProblem]:
    named = rule.approvers
    if named is None:
        return
    if not (named.groups or named.people or named.channels):
        yield ConfigProblem("approvers", "approvers is empty.", 'For example approvers = { groups = ["S0ONCALL"] }.')
        return
    people = {person.lower() for person in named.people}
    if not (named.groups or named.channels) and len(people) < (rule.votes or 1):
        yield ConfigProblem("votes", f"it wants {rule.votes} votes of {len(people)} people.")


def _grants(rule: WrittenRule) -> Iterator[ConfigProblem]:
    """A grant is for agents, and never for what destroys or has a price."""
    if rule.grant is None:
        return
    if rule.actor and ActorKind.AGENT.value not in rule.actor:
        yield ConfigProblem("grant", "grant is for agents, and the rule is about people only.")
    operations = rule.operation or [
        name for name, operation in OPERATIONS.items() if not rule.risk or operation.risk.value in rule.risk
    ]
    if GRANTABLE.isdisjoint(operations):
        hint = "What destroys or has a price takes votes each time."
        yield ConfigProblem("grant", "none of its operations can be granted.", hint)


def reach(rule: Rule) -> frozenset[str]:
    """Return the operations a rule can be about; `any other …` means those of later versions."""
    named = rule.match.operation
    known = {name: operation.risk.value for name, operation in OPERATIONS.items() if not named or name in named}
    later = {} if named else {f"any other {risk.value}": risk.value for risk in Risk}
    every = (known | later).items()
    changes_only = rule.decision in ASKING
    return frozenset(
        name
        for name, risk in every
        if (not rule.match.risk or risk in rule.match.risk) and not (changes_only and risk == READ)
    )


def makes_pointless(cover: Rule, rule: Rule) -> bool:
    """Return whether a rule changes nothing beside another one, which matches whenever it does.

    A stricter one always does that. One as strict does where it asks for no less (votes, approvers,
    expiry) and the rule has no reason of its own to show; of two equal ones, the later is pointless.
    """
    if RANK[cover.decision] < RANK[rule.decision] or not _covers(cover, rule) or _waives_more(cover, rule):
        return False
    if cover.decision is not rule.decision:
        return cover.decision is Decision.DENY or set(rule.during_freeze) <= set(cover.during_freeze)
    later = cover.line < rule.line or not _covers(rule, cover)
    return later and _asks_no_less(cover, rule) and _tells_nothing_new(cover, rule)


def _waives_more(cover: Rule, rule: Rule) -> bool:
    """Return whether the key of a rule lets people destroy something that its cover alone would not."""
    milder = cover.decision.rank < Decision.APPROVE.rank
    return milder and rule.destructive_without_approval and not cover.destructive_without_approval


def _covers(cover: Rule, rule: Rule) -> bool:
    return cover.match.covers(rule.match) and reach(rule) <= reach(cover)


def _asks_no_less(cover: Rule, rule: Rule) -> bool:
    sooner = not rule.expires or 0 < cover.expires <= rule.expires
    narrower = not rule.confirm_in or (bool(cover.confirm_in) and set(cover.confirm_in) <= set(rule.confirm_in))
    through = set(rule.during_freeze) <= set(cover.during_freeze)  # else it alone lets the change through a freeze
    least = sooner and narrower and through and cover.grant is None  # beside a rule without one nothing can be granted
    fewer = not cover.override or cover.override == rule.override
    return cover.approvers == rule.approvers and cover.votes >= rule.votes and least and fewer


def _tells_nothing_new(cover: Rule, rule: Rule) -> bool:
    return rule.decision is Decision.ALLOW or rule.reason in {"", cover.reason}
