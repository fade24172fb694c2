"""What a user may do here by the policy: what is certain, and what depends on the server."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vpsops.bot.blocks.text import channel_link, escape_untrusted, is_user_id, user_mention
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.operations import OPERATIONS, Operation
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, PolicyContext
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.model import RuleEvaluation

SOMEWHERE: Final = Target("", "")
NAMED: Final = 6
ABOUT: Final = frozenset({"server", "region", "cost_above"})
SHORT: Final = {
    Decision.ALLOW: "at once",
    Decision.CONFIRM: "you confirm",
    Decision.APPROVE: "needs approval",
    Decision.DENY: "refused",
}


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
    aware = operation.takes_server or operation.name == "create"
    heard = policy.hear(facts(SOMEWHERE, None)) if aware else []
    depends = {
        item.rule.id: item.rule.decision
        for item in heard
        if item.rule.id not in known and _for_some(item) and _matters(item.rule.decision, anywhere)
    }
    return Right(operation, anywhere, depends)


def _for_some(heard: RuleEvaluation) -> bool:
    """Say whether a rule may speak for one server and not for another; one that allows must be sure of all else."""
    if heard.failed or ABOUT.isdisjoint(heard.unknown):
        return False
    return heard.rule.decision is not Decision.ALLOW or ABOUT.issuperset(heard.unknown)


def _matters(decision: Decision, ruling: Ruling) -> bool:
    """A rule for some servers matters where it is stricter, or where nothing else lets it happen at all."""
    return decision.rank > ruling.decision.rank or not ruling.rules


def right_words(right: Right) -> str:
    """Say what one may do, as escaped mrkdwn."""
    ruling = right.ruling
    stricter = ", ".join(
        f"{SHORT[decision]} ({escape_untrusted(rule, 60)})" for rule, decision in right.depends.items()
    )
    if not ruling.rules and right.depends:
        return f"only for some: {stricter}"
    rules = f" ({escape_untrusted(', '.join(ruling.rules), 160)})" if ruling.rules else ""
    return f"{_decision_text(right.operation, ruling)}{rules}" + (f"; for some: {stricter}" if stricter else "")


def _decision_text(operation: Operation, ruling: Ruling) -> str:
    match ruling.decision:
        case Decision.ALLOW:
            return "you may" if operation.reads else "runs at once"
        case Decision.CONFIRM:
            return "you confirm"
        case Decision.APPROVE:
            plural = "s" if ruling.votes != 1 else ""
            return f"needs {ruling.votes} approval{plural} by {approvers_words(ruling.approvers)}"
        case Decision.DENY:
            return f"refused: {escape_untrusted(ruling.reason or 'no rule allows it', 160)}"


def approvers_words(approvers: Approvers) -> str:
    """Name the approvers as escaped mrkdwn that notifies no one."""
    people = [user_mention(person.upper() if is_user_id(person.upper()) else person) for person in approvers.people]
    groups = [f"group {escape_untrusted(group, 40)}" for group in approvers.groups]
    channels = [f"members of {channel_link(channel.upper())}" for channel in approvers.channels]
    every = [*groups, *channels, *people]
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more or "nobody"
