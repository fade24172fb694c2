"""Help lists what the caller may do here, by the policy alone."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import HOSTILE
from tests.unit.bot.messages.test_change_card import assert_safe
from vpsops.bot.features.permissions import right_words
from vpsops.bot.messages.help import command_groups, help_page
from vpsops.bot.protocol.command_catalog import LISTED
from vpsops.bot.slack_api.block_limits import fit_post
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, PolicyContext, Rule, parse_policy
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.defaults import default_rules
from vpsops.core.policy.model import policy_of
from vpsops.core.policy.rights import rights

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE", groups=("T0ACME", "S0WEB"))
POLICY = parse_policy(
    """
[[rule]]
id = "everyone-reads"
risk = "read"
decision = "allow"

[[rule]]
id = "starts"
operation = "start"
group = "S0WEB"
decision = "allow"

[[rule]]
id = "web-team"
operation = "reboot"
group = "S0WEB"
decision = "confirm"

[[rule]]
id = "databases"
operation = "reboot"
server = "db*"
decision = "approve"
votes = 2
approvers = { groups = ["S0ONCALL"], people = ["U0HEAD"], channels = ["C0OPS"] }

[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
votes = 2
approvers = { groups = ["S0ONCALL"], people = ["U0HEAD"], channels = ["C0OPS"] }

[[rule]]
id = "cheap"
operation = "create"
server = "test-*"
decision = "confirm"

[[rule]]
id = "secret"
operation = "regions"
decision = "deny"
reason = "Ask <!channel>."
""",
    "vpsops.toml",
)


def right_words_by_operation(policy: Policy = POLICY, actor: Actor = ALICE) -> dict[str, str]:
    return {name: right_words(value) for name, value in rights(policy, actor, "slack", NOON).items()}


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("list", "you may (everyone-reads)"),
        ("start", "runs at once (starts)"),
        ("reboot", "you confirm (web-team); for some: needs approval (databases)"),
        ("stop", "needs 2 approvals by members of <#C0OPS>, a user group, <@U0HEAD> (stops)"),
        ("create", "only for some: you confirm (cheap)"),
        ("regions", "refused: Ask &lt;!channel&gt;. (secret, everyone-reads)"),
    ],
)
def test_each_operation_says_what_the_caller_may(operation: str, words: str) -> None:
    """At once, after a confirmation or votes, for some servers only, or not at all; with the rules that decide."""
    assert right_words_by_operation()[operation] == words


def test_groups_that_are_not_known_give_nothing() -> None:
    """Without proven membership of the group the answer is the gate's: a refusal."""
    stranger = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB")
    assert "refused" in right_words_by_operation(actor=stranger)["start"]


def test_the_default_policy_is_told_in_its_words() -> None:
    """Without a file people read at once and confirm their own changes."""
    words = right_words_by_operation(policy_of(default_rules("C0APPROVALS")))
    assert words["list"] == "you may (default-reads)"
    assert words["reboot"] == "you confirm (default-people)"


@settings(max_examples=examples(30))
@given(st.text(max_size=300) | st.just(HOSTILE))
def test_help_is_safe_and_fits_whatever_the_rules_say(words: str) -> None:
    """A rule's own text is data, and the longest rights still make a message."""
    for topic in ("", words, *LISTED, *command_groups()):
        assert_safe(fit_post(help_page(topic, right_words_by_operation())))


def test_help_names_the_right_beside_the_command() -> None:
    """Both its group and the command's own page show it, and the first page does not."""
    rights = right_words_by_operation()
    for name, operation in OPERATIONS.items():
        assert rights[name] in str(help_page(operation.toolset, rights).blocks)
    assert rights["stop"] not in str(help_page("", rights).blocks)
    assert "For you, here: needs 2 approvals" in str(help_page("stop", right_words_by_operation()).blocks)


MATCHES = st.builds(
    RuleConditions,
    group=st.sampled_from([frozenset[str](), frozenset({"s0web"}), frozenset({"s0not"})]),
    server=st.sampled_from([frozenset[str](), frozenset({"db*"}), frozenset({"web01", "db02"})]),
    region=st.sampled_from([frozenset[str](), frozenset({"no"})]),
)
RULES = st.lists(st.tuples(MATCHES, st.sampled_from(Decision)), min_size=1, max_size=5)
WHO = Approvers(people=("u1", "u2"))


@settings(max_examples=examples(60))
@given(RULES, st.sampled_from(["db01.example.com", "web01.example.com", "x"]), st.sampled_from(["oslo", "stockholm"]))
def test_what_help_says_is_what_the_gate_decides(
    written: list[tuple[RuleConditions, Decision]], hostname: str, region: str
) -> None:
    """For any server, the decision is the one that help names, or one of those that it lists for some."""
    policy = policy_of(
        [Rule(f"r{number}", match, decision, 2, WHO) for number, (match, decision) in enumerate(written)]
    )
    text = rights(policy, ALICE, "slack", NOON)["reboot"]
    target = Target("id-1", hostname, region=region)
    facts = PolicyContext("reboot", OPERATIONS["reboot"].risk, ALICE, "slack", NOON, target, region)
    assert policy.decide(facts).decision in {text.ruling.decision, *text.depends.values()}
