"""Decisions of rules, case by case."""

from dataclasses import replace
from datetime import datetime

import pytest

from tests.unit.core.policy.facts import AGENT, DB, NOON, PERSON, asked, rules
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.operations import OPERATIONS, Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, Rule, parse_policy
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.context import BILLED
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.defaults import default_rules
from vpsops.core.policy.model import policy_of

MAILED = replace(PERSON, aliases=("alice@example.com",))
CREATES = RuleConditions(operation=frozenset({"create"}))
DEAR = RuleConditions(operation=frozenset({"create"}), cost_above=100.0)
APP = Target("", "app01", region="")


def test_an_unknown_fact_counts_for_what_is_stricter() -> None:
    """An unknown price might be high: the rule for expensive servers applies, and states so."""
    policy = rules(
        Rule("any", CREATES, Decision.CONFIRM),
        Rule("dear", DEAR, Decision.DENY, reason="Dear servers are not made here."),
    )
    ruling = policy.decide(asked("create", target=APP))
    assert (ruling.decision, ruling.rules) == (Decision.DENY, ("dear", "any"))
    assert ruling.reason == "Dear servers are not made here. Not known, so held against it: the price."
    assert policy.decide(asked("create", target=APP, cost=99.0)).decision is Decision.CONFIRM
    assert policy.decide(asked("create", target=APP, cost=float("nan"))).decision is Decision.DENY


@pytest.mark.parametrize("decision", [Decision.CONFIRM, Decision.APPROVE])
def test_an_unknown_fact_is_never_the_only_reason_to_let_something_happen(decision: Decision) -> None:
    """Were the price low, nothing would allow it; so nothing does while it is not known."""
    ruling = rules(Rule("dear", DEAR, decision, 1, Approvers(groups=("S1",)))).decide(asked("create", target=APP))
    assert (ruling.decision, ruling.rules) == (Decision.DENY, ("dear",))
    assert ruling.reason == "No rule allows it for certain. Not known, so held against it: the price."


def test_an_unknown_fact_allows_nothing() -> None:
    """A rule that allows in one region needs to know the region."""
    here = rules(Rule("here", RuleConditions(region=frozenset({"NO"})), Decision.ALLOW))
    assert here.decide(asked("create", target=APP)).rules == ()
    assert here.decide(asked("create", target=replace(APP, region="oslo"))).decision is Decision.ALLOW


@pytest.mark.parametrize(
    ("match", "known", "unknown"),
    [
        (RuleConditions(person=frozenset({"u9"})), AGENT, Actor(ActorKind.AGENT, "mcp:x")),
        (RuleConditions(person=frozenset({"u9"})), AGENT, Actor(ActorKind.AGENT, "mcp:x", human="eve@example.com")),
        (RuleConditions(person=frozenset({"eve@example.com"})), MAILED, PERSON),
        (
            RuleConditions(person=frozenset({"eve@example.com"})),
            MAILED,
            Actor(ActorKind.AGENT, "mcp:me@x.org", human="slack:U1"),
        ),
        (RuleConditions(person=frozenset({"mcp:other"})), PERSON, Actor(ActorKind.AGENT, "mcp:x")),
        (RuleConditions(group=frozenset({"s9"})), AGENT, Actor(ActorKind.AGENT, "mcp:x", human="slack:U1")),
        (RuleConditions(group=frozenset({"s9"})), PERSON, Actor(ActorKind.PERSON, "U1", human="U1")),
    ],
)
def test_an_asker_who_is_not_known_passes_no_rule_that_denies(
    match: RuleConditions, known: Actor, unknown: Actor
) -> None:
    """An agent without its human, an asker without groups, or with another kind of id, might match the rule."""
    policy = rules(Rule("all", RuleConditions(), Decision.ALLOW), Rule("not-they", match, Decision.DENY))
    assert policy.decide(asked(actor=known)).decision is Decision.ALLOW
    assert policy.decide(asked(actor=unknown)).decision is Decision.DENY


def test_what_an_operation_does_not_have_is_not_unknown() -> None:
    """A list has no server and no region, and a reboot no price: conditions on them do not hold."""
    policy = rules(
        Rule("all", RuleConditions(), Decision.ALLOW),
        Rule("db", RuleConditions(server=frozenset({"*"})), Decision.DENY),
        Rule("no", RuleConditions(region=frozenset({"SE"})), Decision.DENY),
    )
    assert policy.decide(asked("list")).decision is Decision.ALLOW
    dear = rules(
        Rule("all", RuleConditions(), Decision.ALLOW), Rule("dear", RuleConditions(cost_above=1.0), Decision.DENY)
    )
    assert dear.decide(asked("reboot")).decision is Decision.ALLOW


def test_every_operation_with_a_plan_has_a_price() -> None:
    """A new operation that costs money must be counted among those that have a price."""
    assert {name for name, operation in OPERATIONS.items() if "plan" in operation.arguments.model_fields} == BILLED


def test_rules_that_ask_people_pass_reads_by() -> None:
    """The natural rule "databases need an approval" does not prevent reading a database."""
    db = RuleConditions(server=frozenset({"db*"}))
    policy = rules(
        Rule("all", RuleConditions(), Decision.ALLOW), Rule("db", db, Decision.APPROVE, 1, Approvers(groups=("S1",)))
    )
    assert policy.decide(asked("get")).decision is Decision.ALLOW
    assert policy.decide(asked("stop")).decision is Decision.APPROVE
    denied = rules(Rule("all", RuleConditions(), Decision.ALLOW), Rule("db", db, Decision.DENY))
    assert denied.decide(asked("get")).decision is Decision.DENY


def test_several_approve_rules_want_voters_acceptable_to_each() -> None:
    """The highest count and the shortest expiry hold, and every rule's approvers are a requirement of its own."""
    first = Rule("one", RuleConditions(), Decision.APPROVE, 1, Approvers(groups=("S1",)), "First.", expires=3600)
    two = Rule(
        "two",
        RuleConditions(server=frozenset({"db*"})),
        Decision.APPROVE,
        2,
        Approvers(people=("U7",)),
        "Second.",
        expires=60,
    )
    ruling = rules(two, first).decide(asked())
    assert (ruling.votes, ruling.expires, ruling.rules, ruling.reason) == (2, 60, ("one", "two"), "First. Second.")
    assert ruling.requirements == (Approvers(groups=("S1",)), Approvers(people=("U7",)))
    assert ruling.approvers == Approvers(groups=("S1",), people=("U7",))


def test_reasons_stay_short() -> None:
    """Many rules with long reasons do not fill a card."""
    many = [Rule(f"r{number}", RuleConditions(), Decision.DENY, reason=f"{number}" * 300) for number in range(5)]
    assert len(rules(*many).decide(asked()).reason) == 600


@pytest.mark.parametrize(
    ("operation", "actor", "channel", "decision"),
    [
        ("list", AGENT, "", Decision.ALLOW),
        ("stop", PERSON, "", Decision.CONFIRM),
        ("stop", PERSON, "C1", Decision.CONFIRM),
        ("stop", AGENT, "", Decision.CONFIRM),
        ("stop", AGENT, "C1", Decision.APPROVE),
        ("create", AGENT, "C1", Decision.APPROVE),
    ],
)
@pytest.mark.requirement("policy-without-rules")
def test_the_embedded_policy(operation: str, actor: Actor, channel: str, decision: Decision) -> None:
    """People confirm for themselves; agents need a person in Slack where there is one."""
    assert policy_of(default_rules(channel)).decide(asked(operation, actor)).decision is decision


@pytest.mark.parametrize(("channel", "decision"), [("", Decision.DENY), ("C1", Decision.APPROVE)])
def test_what_destroys_needs_an_approval_always(channel: str, decision: Decision) -> None:
    """Without an eligible approver nothing is destroyed, not even by a person who would confirm."""
    for actor in (PERSON, AGENT):
        facts = replace(asked(actor=actor), operation="delete", risk=Risk.DESTRUCTIVE)
        assert policy_of(default_rules(channel)).decide(facts).decision is decision


@pytest.mark.parametrize("channel", ["", "C1"])
def test_every_operation_has_an_embedded_rule(channel: str) -> None:
    """No known operation falls through to the deny of unknown operations."""
    policy = policy_of(default_rules(channel))
    for name in OPERATIONS:
        for actor in (PERSON, AGENT):
            assert policy.decide(asked(name, actor)).rules, name


@pytest.mark.parametrize(
    ("word", "target", "meant"),
    [
        ("DB0?.*", DB, True),
        ("db01", DB, True),
        ("db0?", DB, True),
        ("db*", DB, True),
        ("*.example.com", DB, True),
        ("db01.example.com", Target("x", "DB01.example.com."), True),
        ("db01.example", DB, False),
        ("example", DB, False),
        ("db01", Target("x", "db011.example.com"), False),
        ("id-1", DB, True),
        ("ID-1", DB, True),
        ("db*", Target("db12-cd34", "web01"), False),
        ("id-*", DB, False),
        ("*", Target("x", ""), True),
        ("[dw]b01", DB, True),
    ],
)
def test_servers_are_meant_by_name_pattern_or_exact_id(word: str, target: Target, meant: bool) -> None:
    """A word without a dot is about the first label too; a pattern is never about an id."""
    policy = parse_policy(f'[[rule]]\nid = "x"\nserver = "{word}"\ndecision = "allow"\n', "f")
    assert (policy.decide(asked(target=target)).decision is Decision.ALLOW) is meant


def test_a_server_whose_name_is_not_known_might_be_the_one() -> None:
    """Only its exact id identifies it for certain."""
    nameless = Target("id-1", "")
    policy = parse_policy('[[rule]]\nid = "x"\nserver = ["db*", "id-1"]\ndecision = "allow"\n', "f")
    assert policy.decide(asked(target=nameless)).decision is Decision.ALLOW
    denying = rules(
        Rule("a", RuleConditions(), Decision.ALLOW), Rule("b", RuleConditions(server=frozenset({"db*"})), Decision.DENY)
    )
    assert denying.decide(asked(target=nameless)).decision is Decision.DENY


def test_regions_mean_the_same_in_any_spelling() -> None:
    """A city, a country and a code are one place, in the rule and in the request."""
    policy = parse_policy('[[rule]]\nid = "x"\nregion = "no"\ndecision = "allow"\n', "f")
    for spelling in ("oslo", "NO", " Norway "):
        facts = replace(asked(), region=spelling)
        assert policy.decide(facts).decision is Decision.ALLOW


def test_a_time_without_a_zone_is_no_time() -> None:
    """Without a zone the hours cannot be checked."""
    with pytest.raises(ValueError, match="no time zone"):
        PolicyContext("stop", asked().risk, AGENT, "mcp", datetime(2026, 11, 24, 12))  # noqa: DTZ001 - that is the point
    assert NOON.tzinfo is not None
