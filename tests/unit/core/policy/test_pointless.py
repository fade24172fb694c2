"""A rule is refused as pointless only where leaving it out changes nothing, for any request."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.core.policy.facts import AGENT, DB, NOON, PERSON, asked, rules
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, Rule
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.hours import Hours
from vpsops.core.policy.lint import makes_pointless

SETS = {
    "operation": ["stop", "create", "list", "get", "reboot"],
    "risk": ["read", "change", "disruptive"],
    "server": ["*", "db*", "db0[1-3]*", "db01.*", "db01", "db01.example.com", "*.example.com", "w?b*", "web-9", "id-1"],
    "actor": ["person", "agent"],
    "group": ["s1", "s2"],
    "person": ["u1", "u2", "mcp:x"],
    "origin": ["mcp", "slack"],
    "region": ["NO", "SE"],
}
HOURS = [
    None,
    Hours.parse(["Tue 11:00-13:00"], [], "UTC"),
    Hours.parse(["Mon-Fri"], [], "UTC"),
    Hours.parse(["Mon-Sun"], [], "UTC"),
    Hours.parse(["Tue 11:00-13:00"], [], "Europe/Oslo"),
]
TARGETS = [
    DB,
    Target("id-1", "", region=""),
    Target("db01", "web01", region="SE"),  # an id that resembles a hostname
    Target("", "db01", region="oslo"),
    Target("web-9", "db0.db01.org", region=""),
]
ACTORS = [PERSON, AGENT, Actor(ActorKind.AGENT, "mcp:y", "y"), Actor(ActorKind.PERSON, "U2", "bob", "U2")]
OPERATIONS = ["stop", "create", "list", "get"]
REQUESTS: list[PolicyContext] = list(
    dict.fromkeys(
        replace(asked(operation, actor, target, cost), now=NOON + timedelta(hours=hours), origin=origin)
        for operation, actor, target, cost, hours, origin in product(
            OPERATIONS, ACTORS, TARGETS, [None, 50.0, 150.0], [0, 8], ["mcp", "slack"]
        )
        if operation == "create" or cost is None
    )
)


@st.composite
def a_match(draw: st.DrawFn) -> RuleConditions:
    given_keys = draw(st.sets(st.sampled_from(sorted(SETS)), max_size=3))
    sets = {key: frozenset(draw(st.sets(st.sampled_from(SETS[key]), min_size=1, max_size=2))) for key in given_keys}
    return RuleConditions(
        **sets, cost_above=draw(st.sampled_from([None, None, 0.0, 100.0])), hours=draw(st.sampled_from(HOURS))
    )


@st.composite
def one_wider(draw: st.DrawFn, narrow: RuleConditions) -> RuleConditions:
    """Return conditions that may well hold whenever the given ones do: some are dropped, some have another word."""
    changes: dict[str, object] = {}
    for key in draw(st.sets(st.sampled_from([*SETS, "cost_above", "hours"]), max_size=4)):
        if key == "hours":
            changes[key] = draw(st.sampled_from(HOURS))
        elif key == "cost_above":
            changes[key] = draw(st.sampled_from([None, 0.0]))
        elif not getattr(narrow, key) or draw(st.booleans()):
            changes[key] = frozenset()
        else:
            changes[key] = getattr(narrow, key) | {draw(st.sampled_from(SETS[key]))}
    return replace(narrow, **changes)  # type: ignore[arg-type] # each by its own strategy


@st.composite
def a_rule(draw: st.DrawFn, ident: str, line: int, match: RuleConditions, least: Decision = Decision.ALLOW) -> Rule:
    decision = draw(st.sampled_from([decision for decision in Decision if decision.rank >= least.rank]))
    rule = Rule(ident, match, decision, reason=draw(st.sampled_from(["", "", "Because."])), line=line)
    if decision is not Decision.APPROVE:
        return rule
    approvers = draw(st.sampled_from([Approvers(groups=("S1",)), Approvers(people=("U8", "U9"))]))
    expires = draw(st.sampled_from([0.0, 0.0, 60.0, 3600.0]))
    return replace(rule, votes=draw(st.integers(1, 2)), approvers=approvers, expires=expires)


@st.composite
def a_pointless_rule_among_others(draw: st.DrawFn) -> tuple[Rule, list[Rule]]:
    narrow = draw(a_match())
    rule = draw(a_rule("rule", 2, narrow))
    cover = draw(a_rule("cover", draw(st.sampled_from([1, 3])), draw(one_wider(narrow)), rule.decision))
    assume(makes_pointless(cover, rule))
    others = [draw(a_rule(f"other{number}", 4 + number, draw(a_match()))) for number in range(draw(st.integers(0, 2)))]
    return rule, [cover, *others]


def meaning(ruling: Ruling) -> tuple[object, ...]:
    """Return all that a ruling means to people, but for the names of the rules."""
    reason = "" if ruling.decision is Decision.ALLOW else ruling.reason  # what runs at once shows none
    own_words = reason.partition("Not known")[0]  # which of the facts were not known, in each of the rules, aside
    return ruling.decision, ruling.votes, set(ruling.requirements), ruling.expires, own_words


@given(a_pointless_rule_among_others())
def test_leaving_out_a_pointless_rule_changes_nothing_for_anybody(pair: tuple[Rule, list[Rule]]) -> None:
    """Tried on every combination of the facts: decision, votes, requirements, expiry and reasons stay."""
    rule, rest = pair
    whole, without = rules(rule, *rest), rules(*rest)
    for facts in REQUESTS:
        assert meaning(whole.decide(facts)) == meaning(without.decide(facts)), facts
