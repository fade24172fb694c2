"""The key `override` of a rule: what it takes, what it changes between policies, and how it is explained."""

import pytest

from tests.unit.core.break_glass.test_overrides import FACTS, RULES, policy
from vpsops.cli.policy.commands import explain_decision
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.policy import parse_policy
from vpsops.core.policy_register.consequence import Direction, consequences

LIST = 'override = ["S0ONCALL", "U2"]'


@pytest.mark.parametrize("word", ["C0APPROVALS", "oncall", "@alice", "*", ""])
def test_it_takes_groups_and_people_alone(word: str) -> None:
    """A channel may be open to anyone who joins it, and a name is no id."""
    with pytest.raises(ConfigurationError):
        policy(override=f'override = ["{word}"]')


def test_it_goes_with_approve_only() -> None:
    with pytest.raises(ConfigurationError, match="override goes with"):
        parse_policy('[[rule]]\nid = "a"\ndecision = "confirm"\noverride = ["U1"]\n', "vpsops.toml")


def test_explain_says_who_may() -> None:
    assert "U2, S0ONCALL may run their own change without votes" in explain_decision(policy(), FACTS)
    assert "without votes" not in explain_decision(policy(override=""), FACTS)


def test_the_version_of_a_policy_has_it() -> None:
    """Whoever is added or leaves makes another policy, which is applied and recorded as one."""
    versions = {policy().version, policy(override="").version, policy(override='override = ["S0ONCALL"]').version}
    assert len(versions) == 3


def test_a_list_that_is_added_is_milder() -> None:
    """`vpsops policy diff` names the requests that people may then run without votes."""
    effects = consequences(policy(override=""), policy()).items
    assert {effect.direction for effect in effects} == {Direction.MILDER}
    assert "may override" in effects[0].after


def test_a_rule_that_takes_the_way_through_away_is_not_pointless() -> None:
    """Beside an equal rule with a list it is what holds people back."""
    strict = RULES.replace(LIST, "").partition('[[rule]]\nid = "servers"')[2]
    parse_policy(RULES + '\n[[rule]]\nid = "strict"' + strict, "vpsops.toml")
