"""The rule key `grant`: what can be written, what cannot, and what follows for a ruling."""

from datetime import UTC, datetime

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, PolicyContext, parse_policy
from vpsops.core.policy.context import GRANTABLE
from vpsops.core.policy.decision import GrantTerms

HEAD = '[[rule]]\nid = "agents"\ndecision = "approve"\napprovers = { groups = ["S_OPS"] }\n'
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "slack:U1")
PERSON = Actor(ActorKind.PERSON, "U1", "ann", "U1")
NOW = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)


def policy(*lines: str) -> Policy:
    """Return a policy with these lines in its rule."""
    return parse_policy(HEAD + "\n".join(lines), "vpsops.toml")


def terms(rules: Policy, operation: str = "reboot", actor: Actor = AGENT, hostname: str = "web01") -> GrantTerms | None:
    """Return what may be granted."""
    entry = OPERATIONS[operation]
    context = PolicyContext(operation, entry.risk, actor, "mcp", NOW, Target("s1", hostname, "running"), "NO", 10.0)
    return rules.decide(context).grant_terms


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('grant = { max = "2h" }', "grant.uses is missing"),
        ("grant = { uses = 3 }", "grant.max is missing"),
        ('grant = { max = "4m", uses = 3 }', "5m to 24h"),
        ('grant = { max = "25h", uses = 3 }', "5m to 24h"),
        ('grant = { max = "unlimited", uses = 3 }', "5m to 24h"),
        ('grant = { max = "2h", uses = 0 }', "grant.uses"),
        ('grant = { max = "2h", uses = 101 }', "grant.uses"),
        ('grant = { max = "2h", uses = 3, servers = ["*"] }', "unknown key grant.servers"),
        ('grant = "2h"', "grant"),
        ('grant = { max = "2h", uses = 3 }\nactor = "person"', "is about people only"),
        ('grant = { max = "2h", uses = 3 }\nrisk = "destructive"', "none of its operations can be granted"),
        ('grant = { max = "2h", uses = 3 }\noperation = ["create", "delete", "resize"]', "none of its operations"),
    ],
)
def test_what_cannot_be_written(text: str, problem: str) -> None:
    """No cap, no number, no servers of one's own, for people, for what destroys or has a price."""
    with pytest.raises(ConfigurationError) as error:
        policy(text)
    assert problem in str(error.value)


def test_it_goes_with_approve_only() -> None:
    """Where no one votes, no one grants."""
    with pytest.raises(ConfigurationError, match='grant goes with decision = "approve" only'):
        parse_policy('[[rule]]\nid = "a"\ndecision = "confirm"\ngrant = { max = "2h", uses = 3 }\n', "vpsops.toml")


@pytest.mark.parametrize(("written", "seconds"), [("5m", 300.0), ("24h", 86400.0), ("1d", 86400.0), ("90m", 5400.0)])
def test_the_shortest_and_the_longest_cap(written: str, seconds: float) -> None:
    """Both ends are within."""
    assert terms(policy(f'grant = {{ max = "{written}", uses = 100 }}')) == GrantTerms(seconds, 100)


def test_only_agents_and_only_what_neither_destroys_nor_costs() -> None:
    """For anything else there are no terms, whatever the rule is about."""
    rules = policy('grant = { max = "2h", uses = 3 }')
    known = {name for name, entry in OPERATIONS.items() if not entry.reads and terms(rules, name) is not None}
    assert known == GRANTABLE
    assert {"reboot", "stop", "start"} <= GRANTABLE
    assert not GRANTABLE & {"delete", "create", "resize", "snapshot_rollback", "backup_restore", "snapshot_delete"}
    assert terms(rules, actor=PERSON) is None


OTHER = '[[rule]]\nid = "other"\ndecision = "approve"\nvotes = 2\napprovers = { groups = ["S_DBA"] }\n'


def test_every_decisive_rule_has_to_allow_it() -> None:
    """The shortest time and the fewest uses hold, and no pattern is left of two."""
    first = ('server = "web*"', 'grant = { max = "2h", uses = 20 }', OTHER)
    assert terms(policy(*first)) is None
    assert terms(policy(*first, 'grant = { max = "1h", uses = 30 }')) == GrantTerms(3600.0, 20)
    states = 'grant = { max = "1h", uses = 30, states = ["Running", "stopped"] }'
    assert terms(policy(*first, states)) == GrantTerms(3600.0, 20, states=("running", "stopped"))


def test_states_that_two_rules_do_not_share_leave_nothing() -> None:
    """No state is not every state."""
    first = 'grant = { max = "2h", uses = 20, states = ["running"] }'
    assert terms(policy(first, OTHER, 'grant = { max = "2h", uses = 20, states = ["stopped"] }')) is None


def test_the_pattern_of_one_rule() -> None:
    """As its rule writes it, in lower case."""
    shared = terms(policy('server = ["WEB*", "app01."]', 'grant = { max = "2h", uses = 3 }'))
    assert shared == GrantTerms(7200.0, 3, ("app01", "web*"))
    assert shared.words == "up to 2 h, 3 uses"


def test_a_grant_is_part_of_the_version() -> None:
    """So that a change of it ends what was granted before."""
    versions = {
        policy(text).version for text in ("", 'grant = { max = "2h", uses = 3 }', 'grant = { max = "2h", uses = 4 }')
    }
    assert len(versions) == 3
