"""What rules come to: the strictest that matches, and deny where nothing does."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes.model import Actor, ActorKind, Approvers, Decision, Target
from core.operations import OPERATIONS
from core.policy import Facts, Policy, Rule, parse_policy
from core.policy.default import default_rules
from core.policy.hours import Hours
from core.policy.load import _makes_pointless, policy_of
from core.policy.model import Match

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday
PERSON = Actor(ActorKind.PERSON, "U1", "alice", "U1", groups=("S1",))
AGENT = Actor(ActorKind.AGENT, "mcp:x", "x", "U1")
DB = Target("id-1", "db01.example.com", region="oslo")


def asked(
    operation: str = "stop", actor: Actor = AGENT, target: Target | None = DB, cost: float | None = None
) -> Facts:
    region = target.region if target else ""
    return Facts(operation, OPERATIONS[operation].risk, actor, "mcp", NOON, target, region, cost)


def rules(*given: Rule) -> Policy:
    return policy_of(given)


MATCHES = st.builds(
    Match,
    operation=st.sets(st.sampled_from(["stop", "create", "list", "reboot"]), max_size=2).map(frozenset),
    risk=st.sets(st.sampled_from(["read", "change", "disruptive"]), max_size=2).map(frozenset),
    server=st.sets(st.sampled_from(["*", "db*", "web*", "db01.example.com"]), max_size=2).map(frozenset),
    actor=st.sets(st.sampled_from(["person", "agent"]), max_size=1).map(frozenset),
    group=st.sets(st.sampled_from(["s1", "s2"]), max_size=1).map(frozenset),
    region=st.sets(st.sampled_from(["NO", "SE"]), max_size=1).map(frozenset),
    cost_above=st.sampled_from([None, 0.0, 100.0]),
)
APPROVERS = st.sampled_from([Approvers(groups=("S1",)), Approvers(people=("U8", "U9"))])


@st.composite
def any_rules(draw: st.DrawFn) -> list[Rule]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        decision = draw(st.sampled_from(list(Decision)))
        rule = Rule(f"r{number}", draw(MATCHES), decision, line=number + 1)
        if decision is Decision.APPROVE:
            rule = replace(rule, votes=draw(st.integers(1, 2)), approvers=draw(APPROVERS))
        found.append(rule)
    return found


def facts_on(operation: str, actor: Actor, target: Target, cost: float | None) -> Facts:
    about_one = OPERATIONS[operation].takes_server or operation == "create"
    return asked(operation, actor, target if about_one else None, cost)


FACTS = st.builds(
    facts_on,
    st.sampled_from(["stop", "create", "list", "reboot", "get"]),
    st.sampled_from([PERSON, AGENT]),
    st.sampled_from([DB, Target("", "web01", region=""), Target("w", "web01", region="SE")]),
    st.sampled_from([None, 50.0, 150.0]),
)


@given(any_rules(), FACTS)
def test_no_match_is_deny_and_the_rules_that_speak_are_named(found: list[Rule], facts: Facts) -> None:
    """Exactly the matching rules speak; the decisive ones come first."""
    ruling = rules(*found).decide(facts)
    speaking = [one for one in found if one.speaks(facts)]
    assert set(ruling.rules) == {one.id for one in speaking}
    strictest = max((one.decision.rank for one in speaking), default=Decision.DENY.rank)
    assert ruling.decision.rank == strictest
    decisive = {one.id for one in speaking if one.decision is ruling.decision}
    assert set(ruling.rules[: len(decisive)]) == decisive


@given(any_rules(), FACTS, st.randoms())
def test_order_never_matters(found: list[Rule], facts: Facts, dice: object) -> None:
    """The same rules in another order decide the same."""
    shuffled = list(found)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = rules(*found).decide(facts), rules(*shuffled).decide(facts)
    assert (one.decision, one.votes, set(one.rules)) == (other.decision, other.votes, set(other.rules))
    assert set(one.requirements) == set(other.requirements)


@given(any_rules(), MATCHES, st.sampled_from(list(Decision)), FACTS)
def test_a_rule_more_never_makes_a_decision_milder(
    found: list[Rule], match: Match, decision: Decision, facts: Facts
) -> None:
    """Only where nothing matched can a further rule allow something."""
    before = rules(*found).decide(facts)
    after = rules(*found, Rule("more", match, decision)).decide(facts)
    assert after.decision.rank >= before.decision.rank or not before.rules


@given(any_rules(), FACTS)
def test_what_is_refused_as_pointless_is_pointless(found: list[Rule], facts: Facts) -> None:
    """Leaving out a rule that the loader would refuse changes no decision, no votes and no requirement."""
    for rule in found:
        if any(_makes_pointless(other, rule) for other in found if other is not rule):
            rest = [one for one in found if one is not rule]
            one, other = rules(*found).decide(facts), rules(*rest).decide(facts)
            assert (one.decision, one.votes, set(one.requirements)) == (
                other.decision,
                other.votes,
                set(other.requirements),
            )
            break


def test_what_is_unknown_fails_closed() -> None:
    """An unknown price or region counts for a rule that asks for more, and not for one that allows."""
    dear = Rule("dear", Match(operation=frozenset({"create"}), cost_above=100.0), Decision.DENY)
    here = Rule("here", Match(region=frozenset({"NO"})), Decision.ALLOW)
    unknown = Target("", "app01", region="")
    assert rules(dear).decide(asked("create", target=unknown)).decision is Decision.DENY
    assert rules(dear).decide(asked("create", target=unknown)).rules == ("dear",)
    assert rules(here).decide(asked("create", target=unknown)).rules == ()
    assert rules(here).decide(asked("create", target=replace(unknown, region="oslo"))).decision is Decision.ALLOW


def test_several_approve_rules_want_voters_acceptable_to_each() -> None:
    """The highest count holds, and every rule's approvers are a requirement of its own."""
    one = Rule("one", Match(), Decision.APPROVE, 1, Approvers(groups=("S1",)), expires=3600)
    two = Rule("two", Match(server=frozenset({"db*"})), Decision.APPROVE, 2, Approvers(people=("U7",)), expires=60)
    ruling = rules(one, two).decide(asked())
    assert (ruling.votes, ruling.expires) == (2, 60)
    assert set(ruling.requirements) == {Approvers(groups=("S1",)), Approvers(people=("U7",))}


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
def test_the_embedded_policy(operation: str, actor: Actor, channel: str, decision: Decision) -> None:
    """People confirm for themselves; agents need a person in Slack where there is one."""
    assert policy_of(default_rules(channel)).decide(asked(operation, actor)).decision is decision


@pytest.mark.parametrize("channel", ["", "C1"])
def test_every_operation_has_an_embedded_rule(channel: str) -> None:
    """No operation falls through to the deny of an unknown one."""
    policy = policy_of(default_rules(channel))
    for name in OPERATIONS:
        for actor in (PERSON, AGENT):
            assert policy.decide(asked(name, actor)).rules, name


def test_servers_match_by_pattern_or_exact_id_whatever_the_case() -> None:
    """A pattern is about hostnames; an id is taken as it is."""
    policy = parse_policy('[[rule]]\nid = "x"\nserver = ["DB0?.*", "id-9"]\ndecision = "allow"\n', "f")
    assert policy.decide(asked()).decision is Decision.ALLOW
    assert policy.decide(asked(target=Target("id-9", "other"))).decision is Decision.ALLOW
    assert policy.decide(asked(target=Target("id-8", "web01"))).decision is Decision.DENY
    assert policy.decide(asked("list", target=None)).decision is Decision.DENY


@pytest.mark.parametrize(
    ("text", "zone", "when", "holds"),
    [
        ("Mon-Fri 08:00-18:00", "Europe/Oslo", "2026-11-24T07:00:00+00:00", True),
        ("Mon-Fri 08:00-18:00", "Europe/Oslo", "2026-11-24T06:59:00+00:00", False),
        ("Mon-Fri 08:00-18:00", "Europe/Oslo", "2026-11-24T17:00:00+00:00", False),
        ("Mon-Fri 08:00-18:00", "Europe/Oslo", "2026-07-24T06:00:00+00:00", True),  # summer time
        ("Sat-Sun 00:00-24:00", "UTC", "2026-11-28T23:59:00+00:00", True),
        ("Fri 22:00-06:00", "UTC", "2026-11-28T05:59:00+00:00", True),  # Saturday morning belongs to Friday's night
        ("Fri 22:00-06:00", "UTC", "2026-11-27T05:00:00+00:00", False),
        ("Fri-Mon 10:00-11:00", "UTC", "2026-11-29T10:30:00+00:00", True),
        ("22:00-06:00", "UTC", "2026-11-24T23:00:00+00:00", True),
    ],
)
def test_hours_follow_the_wall_clock_of_their_zone(text: str, zone: str, when: str, holds: bool) -> None:
    """Days, nights past midnight and summer time are as people mean them."""
    assert Hours.parse(text, zone).hold(datetime.fromisoformat(when)) is holds
