"""A first policy from a few answers: every choice that is offered is a policy that loads."""

from itertools import product

import pytest

from vpsops.cli.setup.policy_text import (
    AGENTS,
    DESTROYING,
    PEOPLE,
    PolicyAnswers,
    choices,
    default_answers,
    policy_text,
)
from vpsops.core.policy import parse_policy


@pytest.mark.parametrize("slack", [True, False])
def test_every_choice_that_is_offered_loads(slack: bool) -> None:
    """Without Slack nothing is offered that needs one, so each policy loads without an approval channel."""
    offered = [list(choices(words, slack=slack)) for words in (PEOPLE, AGENTS, DESTROYING)]
    assert all(("approve" in words) is slack for words in offered)
    for people, agents, destroying in product(*offered):
        text = policy_text(PolicyAnswers(people, agents, destroying))
        policy = parse_policy(text, "vpsops.toml", "C0APPROVALS" if slack else "")
        decisions = [rule.decision.value for rule in policy.rules]
        assert decisions == ["allow", people, agents, destroying]
        assert all("vpsops.toml" in rule.reason for rule in policy.rules if rule.decision.value == "deny")


@pytest.mark.parametrize("slack", [True, False])
def test_the_proposal_is_among_the_choices(slack: bool) -> None:
    """Enter at every question gives what the embedded policy decides."""
    proposed = default_answers(slack=slack)
    assert proposed.people in choices(PEOPLE, slack=slack)
    assert proposed.agents in choices(AGENTS, slack=slack)
    assert proposed.destroying in choices(DESTROYING, slack=slack)


def test_votes_and_protected_servers_are_written() -> None:
    """Several votes only where people approve, and names with odd letters as what they are."""
    text = policy_text(PolicyAnswers(destroying="approve", votes=2, protected=('vpn"1', "db*")))
    (rule,) = [rule for rule in parse_policy(text, "vpsops.toml", "C0APPROVALS").rules if rule.id == "destroying"]
    assert rule.votes == 2
    assert 'protected = ["vpn\\"1", "db*"]' in text
    assert "votes" not in policy_text(PolicyAnswers(votes=2))
