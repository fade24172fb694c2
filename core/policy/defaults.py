"""The default policy, for a set-up without its own."""

from vpsops.core.identity.actors import Approvers
from vpsops.core.operations.registry import Risk
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.model import Rule

OWN_CHANNEL = "approval_channel"
"""With several workspaces, the approval channel of the one that asks."""
ANY_CHANGE = frozenset({Risk.CHANGE.value, Risk.DISRUPTIVE.value})


def default_rules(approval_channel: str) -> tuple[Rule, ...]:
    """Return the embedded rules.

    Reads for everyone; changes by people are confirmed by themselves; changes by agents need one
    approval in Slack, or the client's own confirmation where no Slack is configured (no
    `approval_channel`); destroying kinds need an approval always.
    """
    approvers = Approvers(channels=(approval_channel,)) if approval_channel else Approvers()
    return (
        Rule("default-reads", RuleConditions(risk=frozenset({Risk.READ.value})), Decision.ALLOW),
        Rule("default-people", RuleConditions(risk=ANY_CHANGE, actor=frozenset({"person"})), Decision.CONFIRM),
        _agents(approvers),
        _destructive(approvers),
    )


def _agents(approvers: Approvers) -> Rule:
    match = RuleConditions(risk=ANY_CHANGE, actor=frozenset({"agent"}))
    if not approvers:
        return Rule("default-agents", match, Decision.CONFIRM)
    return Rule("default-agents", match, Decision.APPROVE, 1, approvers, "An agent asks: a person decides.")


def _destructive(approvers: Approvers) -> Rule:
    match = RuleConditions(risk=frozenset({Risk.DESTRUCTIVE.value}))
    if not approvers:
        return Rule(
            "default-destructive", match, Decision.DENY, reason="It needs an approval, and nobody can give one."
        )
    return Rule("default-destructive", match, Decision.APPROVE, 1, approvers, "It cannot be undone.")
