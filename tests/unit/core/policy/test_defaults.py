"""The policy of a set-up that has none of its own, written out."""

import pytest

from vpsops.core.identity.actors import Approvers
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.defaults import default_rules

READS = ("default-reads", {"read"}, None, Decision.ALLOW, 0)
PEOPLE = ("default-people", {"change", "disruptive"}, {"person"}, Decision.CONFIRM, 0)
AGENTS = ("default-agents", {"change", "disruptive"}, {"agent"})
DESTRUCTIVE = ("default-destructive", {"destructive"}, None)


@pytest.mark.parametrize(
    ("channel", "agents", "destructive"),
    [("C1", (Decision.APPROVE, 1), (Decision.APPROVE, 1)), ("", (Decision.CONFIRM, 0), (Decision.DENY, 0))],
)
def test_it_is_these_four_rules(channel: str, agents: tuple[Decision, int], destructive: tuple[Decision, int]) -> None:
    """One person of the approval channel decides; without a channel no one can."""
    rules = default_rules(channel)
    votes = [rule.votes if rule.decision is Decision.APPROVE else 0 for rule in rules]
    results = [
        (rule.id, set(rule.match.risk or ()), set(rule.match.actor) if rule.match.actor else None, rule.decision, count)
        for rule, count in zip(rules, votes, strict=True)
    ]
    assert results == [READS, PEOPLE, (*AGENTS, *agents), (*DESTRUCTIVE, *destructive)]
    for rule in rules:
        assert rule.match == RuleConditions(risk=rule.match.risk, actor=rule.match.actor), "it asks for nothing else"
        assert rule.approvers == (Approvers(channels=("C1",)) if rule.decision is Decision.APPROVE else Approvers())
