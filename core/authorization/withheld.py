"""Servers that the policy keeps from a requester: refused before a precondition says anything of them."""

from dataclasses import dataclass, replace
from math import inf, nextafter

from vpsops.core.authorization.refusals import policy_refusal
from vpsops.core.changes.preview import Located, Preview, withheld_preview
from vpsops.core.changes.requests import Refused
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.policy import Policy, PolicyContext
from vpsops.core.policy.decision import Decision, Ruling


@dataclass(frozen=True, slots=True)
class Withheld:
    """A request about a server that its requester may not read, and the ruling that refuses it."""

    preview: Preview
    ruling: Ruling
    refusal: Refused


def withheld(policy: Policy, operation: Operation, context: PolicyContext, located: Located) -> Withheld | None:
    """Return what refuses a request where the policy allows its requester neither the operation nor a read.

    The preconditions of an operation answer with facts of its server ("is running already"), so they are for a
    requester who may read it. `context` has no price, as it is not known before the preconditions are: what the policy
    allows at some price is not refused here.
    """
    seen = withheld_preview(operation, located)
    ruling = withholding(policy, context) if seen is not None else None
    return None if seen is None or ruling is None else Withheld(seen, ruling, policy_refusal(ruling))


def withholding(policy: Policy, context: PolicyContext) -> Ruling | None:
    """Return the ruling that keeps a server from a requester, None for one that they may read or change."""
    ruling = policy.decide(context)
    if ruling.decision is not Decision.DENY or not _denies_at_any_price(policy, context):
        return None
    read = OPERATIONS["get"]
    may_read = policy.decide(replace(context, operation=read.name, risk=read.risk)).decision is Decision.ALLOW
    return None if may_read else ruling


def _denies_at_any_price(policy: Policy, context: PolicyContext) -> bool:
    bounds = (rule.match.cost_above for rule in policy.rules)
    prices = (0.0, *(nextafter(bound, inf) for bound in bounds if bound is not None))
    return all(policy.decide(replace(context, cost=price)).decision is Decision.DENY for price in prices)
