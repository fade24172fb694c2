"""Facts and rules that the policy's tests share."""

from datetime import UTC, datetime

from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, PolicyContext, Rule
from vpsops.core.policy.model import policy_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday
PERSON = Actor(ActorKind.PERSON, "U1", "alice", "U1", groups=("S1",))
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "slack:U1", groups=("S2",))
DB = Target("id-1", "db01.example.com", region="oslo")


def asked(
    operation: str = "stop", actor: Actor = AGENT, target: Target | None = DB, cost: float | None = None
) -> PolicyContext:
    """Return the facts of a request at noon; `target` is left out for an operation on no server."""
    entry = OPERATIONS[operation]
    about = target if entry.takes_server or not entry.reads else None
    return PolicyContext(operation, entry.risk, actor, "mcp", NOON, about, about.region if about else "", cost)


def rules(*rules_text: Rule) -> Policy:
    """Return a policy of these rules."""
    return policy_of(rules_text)
