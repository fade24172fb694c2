"""What holds for all policies and all requests."""

import fnmatch
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.policy.facts import AGENT, DB, PERSON, asked, rules
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, Rule
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.hours import Hours
from vpsops.core.policy.lint import makes_pointless

STRANGER = Actor(ActorKind.AGENT, "mcp:y", "y")  # neither its human nor any group is known
UNKNOWN = Target("id-1", "", region="")
PROD = Target("web-9", "db01", region="SE", labels=("Env=prod", "team=x"))
TARGETS = [DB, UNKNOWN, Target("", "web01", region=""), PROD, Target("w", "web01.a", labels=())]
PATTERNS = ["*", "db*", "web*", "db01*", "db01", "db01.example.com", "*.example.com", "w", "web-9"]
HOURS = [None, Hours.parse(["Tue 11:00-13:00"], [], "UTC"), Hours.parse(["Mon-Fri"], ["12:00-12:30"], "UTC")]


def some(values: list[str], most: int = 2) -> st.SearchStrategy[frozenset[str]]:
    return st.sets(st.sampled_from(values), max_size=most).map(frozenset)


MATCHES = st.builds(
    RuleConditions,
    operation=some(["stop", "create", "list", "get"]),
    risk=some(["read", "change", "disruptive"]),
    server=some(PATTERNS),
    actor=some(["person", "agent"], 1),
    group=some(["s1", "s2"], 1),
    person=some(["u1", "u2"], 1),
    region=some(["NO", "SE"], 1),
    label=some(["env=prod", "env=dev", "team"]),
    cost_above=st.sampled_from([None, 0.0, 100.0]),
    hours=st.sampled_from(HOURS),
)
APPROVERS = st.sampled_from([Approvers(groups=("S1",)), Approvers(people=("U8", "U9"))])


@st.composite
def a_rule(draw: st.DrawFn, ident: str = "more", line: int = 99) -> Rule:
    decision = draw(st.sampled_from(list(Decision)))
    rule = Rule(ident, draw(MATCHES), decision, reason=draw(st.sampled_from(["", "Because."])), line=line)
    if decision is not Decision.APPROVE:
        return rule
    expires = draw(st.sampled_from([0.0, 60.0, 3600.0]))
    return replace(rule, votes=draw(st.integers(1, 2)), approvers=draw(APPROVERS), expires=expires)


@st.composite
def any_rules(draw: st.DrawFn) -> list[Rule]:
    return [draw(a_rule(f"r{number}", number + 1)) for number in range(draw(st.integers(0, 5)))]


FACTS = st.builds(
    asked,
    st.sampled_from(["stop", "create", "list", "reboot", "get"]),
    st.sampled_from([PERSON, AGENT, STRANGER]),
    st.sampled_from(TARGETS),
    st.sampled_from([None, 50.0, 150.0]),
)


def means(word: str, target: Target) -> bool:
    """Return by a second, slow implementation whether a word of a rule matches a server."""
    if not set(word) & set("*?["):
        return word in {target.id, target.hostname, target.hostname.split(".")[0]}
    names = [target.hostname] if "." in word else [target.hostname, target.hostname.split(".")[0]]
    return any(fnmatch.fnmatchcase(name, word) for name in names)


def is_labelled(word: str, target: Target) -> bool:
    """Return by a second implementation whether a server has a label that a word of a rule means."""
    return any(label.lower() == word or label.lower().startswith(f"{word}=") for label in target.labels or ())


def matches(rule: Rule, facts: PolicyContext) -> bool:
    """Return by a second, slow implementation whether a rule matches facts that are all known."""
    match, actor, target = rule.match, facts.actor, facts.target
    reads_ask_nobody = facts.risk.value == "read" and rule.decision in {Decision.CONFIRM, Decision.APPROVE}
    where = {"oslo": "NO", "SE": "SE"}.get(facts.region, "")
    return not reads_ask_nobody and all(
        [
            facts.operation in match.operation or not match.operation,
            facts.risk.value in match.risk or not match.risk,
            actor.kind.value in match.actor or not match.actor,
            bool({group.lower() for group in actor.groups} & match.group) or not match.group,
            bool({actor.id.lower(), actor.human.lower()} & match.person) or not match.person,
            not match.server or (target is not None and any(means(word, target) for word in match.server)),
            not match.region or where in match.region,
            not match.label or (target is not None and any(is_labelled(word, target) for word in match.label)),
            match.cost_above is None or (facts.operation == "create" and (facts.cost or 0) > match.cost_above),
            match.hours is None or match.hours.hold(facts.now),
        ]
    )


KNOWN = st.builds(
    asked,
    st.sampled_from(["stop", "create", "list", "reboot", "get"]),
    st.sampled_from([PERSON, AGENT]),
    st.sampled_from([replace(DB, labels=("env=dev",)), PROD]),
    st.sampled_from([50.0, 150.0]),
)


@given(any_rules(), KNOWN)
@pytest.mark.requirement("strictest-wins")
def test_the_strictest_matching_rule_wins_and_exactly_the_matching_rules_are_named(
    drawn: list[Rule], facts: PolicyContext
) -> None:
    """With all facts known a plain reading of the rules decides the same; no match is deny."""
    policy = rules(*drawn)
    ruling = policy.decide(facts)
    matching = [item for item in drawn if matches(item, facts)]
    assert sorted(ruling.rules) == sorted(item.id for item in matching)
    assert ruling.decision.rank == max((item.decision.rank for item in matching), default=Decision.DENY.rank)
    decisive = {item.id for item in matching if item.decision is ruling.decision}
    assert set(ruling.rules[: len(decisive)]) == decisive
    assert {item.rule.id for item in policy.hear(facts) if item.speaks} == set(ruling.rules)


@given(any_rules(), FACTS)
def test_explaining_comes_to_the_same_as_deciding(drawn: list[Rule], facts: PolicyContext) -> None:
    """The explanation's deciding rules are those that the ruling names, also where much is unknown."""
    policy = rules(*drawn)
    assert sorted(item.rule.id for item in policy.hear(facts) if item.speaks) == sorted(policy.decide(facts).rules)


@given(any_rules(), FACTS, st.randoms(use_true_random=False))
@pytest.mark.requirement("strictest-wins")
def test_order_never_matters(drawn: list[Rule], facts: PolicyContext, dice: Random) -> None:
    """The same rules in another order are the same policy, with the same texts."""
    shuffled = list(drawn)
    dice.shuffle(shuffled)
    assert rules(*drawn).decide(facts) == rules(*shuffled).decide(facts)


@given(any_rules(), a_rule(), FACTS)
def test_a_rule_more_never_makes_a_decision_milder(drawn: list[Rule], more: Rule, facts: PolicyContext) -> None:
    """Only where no rule matched for certain can a further one let something happen."""
    before, after = rules(*drawn).decide(facts), rules(*drawn, more).decide(facts)
    granted = any(item.speaks and not item.unknown for item in rules(*drawn).hear(facts))
    if granted:
        assert is_at_least_as_strict(after, before)


def is_at_least_as_strict(ruling: Ruling, other: Ruling) -> bool:
    if ruling.decision is not other.decision:
        return ruling.decision.rank > other.decision.rank
    return ruling.votes >= other.votes and set(ruling.requirements) >= set(other.requirements)


@st.composite
def unknown_and_known(draw: st.DrawFn) -> tuple[PolicyContext, PolicyContext]:
    """Return facts with something unknown, and the same with what it may turn out to be."""
    facts = draw(FACTS)
    actor, target = facts.actor, facts.target
    actor = replace(
        actor,
        human=actor.human or draw(st.sampled_from(["U1", "U2"])),
        groups=actor.groups or draw(st.sampled_from([("S1",), ("S2",), ("S3",)])),
    )
    if target is not None:
        hostname = target.hostname or draw(st.sampled_from(["db01.example.com", "web01", "x"]))
        labels = draw(st.sampled_from([(), ("env=prod",), ("env=dev", "team=x"), ("a=b",)]))
        target = replace(target, hostname=hostname, region=target.region or draw(st.sampled_from(["oslo", "SE", "DE"])))
        target = replace(target, labels=labels if target.labels is None else target.labels)
    cost = facts.cost if facts.cost is not None else draw(st.sampled_from([0.0, 50.0, 150.0]))
    region = target.region if target else ""
    return facts, replace(facts, actor=actor, target=target, region=region, cost=cost)


@given(any_rules(), unknown_and_known())
@pytest.mark.requirement("unknown-is-strict")
def test_what_is_unknown_is_decided_as_strictly_as_whatever_it_may_be(
    drawn: list[Rule], pair: tuple[PolicyContext, PolicyContext]
) -> None:
    """Hiding a fact never gains a caller anything."""
    unknown, known = pair
    assert is_at_least_as_strict(rules(*drawn).decide(unknown), rules(*drawn).decide(known))


@given(any_rules())
def test_two_rules_never_make_each_other_pointless(drawn: list[Rule]) -> None:
    """One of them always stays."""
    for rule in drawn:
        for other in drawn:
            if rule is not other:
                assert not (makes_pointless(rule, other) and makes_pointless(other, rule))
