"""What a person may do by the policy: what is certain, and what depends on the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vpsops.core.identity.actors import Actor
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import PolicyContext
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.model import NEEDS_APPROVAL, Policy, RuleEvaluation

SOMEWHERE: Final = Target("", "")
ABOUT: Final = frozenset({"server", "region", "label", "cost_above"})


@dataclass(frozen=True, slots=True)
class Right:
    """What the policy says of one operation; `depends` are the rules that speak for some servers or prices only."""

    operation: Operation
    ruling: Ruling
    depends: Mapping[str, Decision]


def rights(policy: Policy, actor: Actor, origin: str, now: datetime) -> Mapping[str, Right]:
    """Return what a user may do, by operation."""
    return {name: _right(policy, operation, actor, origin, now) for name, operation in OPERATIONS.items()}


def _right(policy: Policy, operation: Operation, actor: Actor, origin: str, now: datetime) -> Right:
    def facts(target: Target | None, cost: float | None) -> PolicyContext:
        return PolicyContext(operation.name, operation.risk, actor, origin, now, target, cost=cost)

    anywhere = policy.decide(facts(None, 0.0))  # no rule about servers, regions or prices speaks
    known = set(anywhere.rules)
    aware = operation.takes_server or operation.makes_server
    heard = policy.hear(facts(SOMEWHERE, None)) if aware else []
    depends = {
        match.rule.id: match.rule.decision
        for match in heard
        if match.rule.id not in known
        and _is_for_some(match)
        and match.rule.may_decide(facts(SOMEWHERE, None))
        and _matters(match.rule.decision, anywhere)
    }
    return Right(operation, anywhere, depends)


def _is_for_some(heard: RuleEvaluation) -> bool:
    """Say whether a rule may speak for one server and not for another; one that allows must be sure of all else."""
    if heard.failed or ABOUT.isdisjoint(heard.unknown):
        return False
    return heard.rule.decision is not Decision.ALLOW or ABOUT.issuperset(heard.unknown)


def _matters(decision: Decision, ruling: Ruling) -> bool:
    """A rule for some servers matters where it is stricter, or where nothing else lets it happen at all."""
    return decision.rank > ruling.decision.rank or not ruling.rules or ruling.reason == NEEDS_APPROVAL
