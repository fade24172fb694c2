"""What cannot be undone is never decided by less than an approval, unless a rule for people says so by a key."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.policy.facts import AGENT, PERSON, asked
from vpsops.cli.policy.commands import explain_decision
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.config.settings import load_settings
from vpsops.core.identity.actors import Actor, Approvers
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext, parse_policy
from vpsops.core.policy.conditions import RuleConditions
from vpsops.core.policy.decision import Decision
from vpsops.core.policy.lint import makes_pointless
from vpsops.core.policy.model import NEEDS_APPROVAL, Policy, Rule, policy_of
from vpsops.core.policy.rights import rights
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.document import document_from, ruleset_from

DESTRUCTIVE = sorted(name for name, entry in OPERATIONS.items() if entry.risk is Risk.DESTRUCTIVE)
EVERYTHING = '[[rule]]\nid = "everything"\ndecision = "{}"\n'
TRUSTED = '[[rule]]\nid = "trusted"\nactor = "person"\ndecision = "{}"\ndestructive_without_approval = true\n'
UNKNOWN = Target("id-1", "", region="")


def policy(*texts: str) -> Policy:
    return parse_policy("".join(texts), "f")


@pytest.mark.parametrize("decision", ["allow", "confirm"])
@pytest.mark.parametrize("actor", [PERSON, AGENT])
@pytest.mark.parametrize("operation", DESTRUCTIVE)
@pytest.mark.requirement("destructive-approval")
def test_a_rule_about_everything_does_not_let_anyone_destroy(operation: str, actor: Actor, decision: str) -> None:
    """What it lets happen otherwise stays; what cannot be undone is refused, and the reason says what is missing."""
    everything = policy(EVERYTHING.format(decision))
    ruling = everything.decide(asked(operation, actor))
    assert (ruling.decision, ruling.rules, ruling.reason) == (Decision.DENY, ("everything",), NEEDS_APPROVAL)
    assert everything.decide(asked("stop", actor)).decision is Decision(decision)


@pytest.mark.parametrize(
    ("texts", "actor", "decision"),
    [
        ((TRUSTED.format("allow"),), PERSON, Decision.ALLOW),
        ((TRUSTED.format("confirm"),), PERSON, Decision.CONFIRM),
        ((TRUSTED.format("allow"), EVERYTHING.format("confirm")), PERSON, Decision.CONFIRM),
        ((TRUSTED.format("confirm"), EVERYTHING.format("allow")), PERSON, Decision.CONFIRM),
        ((TRUSTED.format("allow"),), AGENT, Decision.DENY),
        ((TRUSTED.format("allow"), EVERYTHING.format("allow")), AGENT, Decision.DENY),
        ((TRUSTED.format("allow"), EVERYTHING.format("deny")), PERSON, None),
    ],
)
@pytest.mark.requirement("destructive-approval")
def test_a_key_of_its_own_lets_people_alone(texts: tuple[str, ...], actor: Actor, decision: Decision | None) -> None:
    """The strictest decision still wins, and an agent gains nothing from the key."""
    if decision is None:
        with pytest.raises(ConfigurationError, match="rule trusted can never matter"):
            policy(*texts)
    else:
        assert policy(*texts).decide(asked("delete", actor)).decision is decision


def test_a_rule_that_the_key_of_another_policy_holds_for_agents_still_lets_none_destroy() -> None:
    """A rule that did not come through the strict reading is no way around it."""
    open_to_all = Rule("open", RuleConditions(), Decision.ALLOW, destructive_without_approval=True)
    assert policy_of([open_to_all]).decide(asked("delete", AGENT)).decision is Decision.DENY


def test_a_key_that_only_may_hold_lets_nothing_happen() -> None:
    """The server is not known: the rule with the key does not match for certain."""
    text = TRUSTED.format("confirm").replace("actor", 'server = "db*"\nactor')
    both = policy(text, EVERYTHING.format("allow"))
    assert both.decide(asked("delete", PERSON)).decision is Decision.CONFIRM
    assert both.decide(asked("delete", PERSON, UNKNOWN)).decision is Decision.DENY


def some_rule(ident: str, decision: Decision, key: bool, facts: RuleConditions) -> Rule:
    return Rule(
        ident,
        facts,
        decision,
        votes=1 if decision is Decision.APPROVE else 0,
        approvers=Approvers(groups=("S1",)) if decision is Decision.APPROVE else Approvers(),
        destructive_without_approval=key and decision.rank < Decision.APPROVE.rank,
    )


CONDITIONS = st.builds(
    RuleConditions,
    actor=st.sampled_from([frozenset[str](), frozenset({"person"}), frozenset({"agent"})]),
    server=st.sampled_from([frozenset[str](), frozenset({"db*"}), frozenset({"web*"})]),
)
RULES = st.lists(st.builds(some_rule, st.uuids().map(str), st.sampled_from(Decision), st.booleans(), CONDITIONS))
FACTS = st.builds(
    asked,
    st.sampled_from(DESTRUCTIVE),
    st.sampled_from([PERSON, AGENT, replace(AGENT, human="")]),
    st.sampled_from([Target("id-1", "db01.example.com"), UNKNOWN]),
)


@given(RULES, FACTS)
def test_nothing_less_than_an_approval_without_the_key(drawn: list[Rule], facts: PolicyContext) -> None:
    """Whatever the rules and the facts: less than an approval comes from a key that holds for certain, for a person."""
    drawn_policy = policy_of(drawn)
    ruling = drawn_policy.decide(facts)
    if ruling.decision.rank < Decision.APPROVE.rank:
        keys = [item for item in drawn_policy.hear(facts) if item.rule.destructive_without_approval and not item.failed]
        assert facts.actor is PERSON
        assert any(not item.unknown for item in keys)


@given(RULES, FACTS)
def test_an_unknown_server_is_decided_as_strictly(drawn: list[Rule], facts: PolicyContext) -> None:
    """Hiding the server gains no one anything here either."""
    hidden = policy_of(drawn).decide(replace(facts, target=UNKNOWN))
    assert hidden.decision.rank >= policy_of(drawn).decide(facts).decision.rank


WRONG = {
    'decision = "deny"\ndestructive_without_approval = true': 'goes with decision = "allow" or "confirm" only',
    'decision = "allow"\ndestructive_without_approval = true': "is for people alone",
    'decision = "allow"\nactor = ["person", "agent"]\ndestructive_without_approval = true': "is for people alone",
    'decision = "allow"\nactor = "agent"\ndestructive_without_approval = true': "is for people alone",
    'decision = "allow"\nactor = "person"\nrisk = "change"\ndestructive_without_approval = true': "nothing destructive",
    'decision = "allow"\nactor = "person"\ndestructive_without_approval = "yes"': "it takes true or false",
    'decision = "confirm"\nrisk = "destructive"': "rule one says confirm of what cannot be undone",
    'decision = "allow"\noperation = ["delete", "snapshot_rollback"]': "rule one says allow of what cannot be undone",
}


@pytest.mark.parametrize(("text", "message"), WRONG.items(), ids=range(len(WRONG)))
def test_a_file_with_a_rule_that_cannot_hold_is_refused(text: str, message: str) -> None:
    """With its line, and with what to write instead."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        policy(f'[[rule]]\nid = "one"\n{text}\n')
    assert str(caught.value).startswith("f:")


def test_a_policy_in_force_with_such_a_rule_is_still_understood(tmp_path: Path) -> None:
    """An upgrade reads what an older version put in force: the rest of it decides, and what destroys is refused."""
    good = 'decision = "confirm"\nrisk = ["change", "destructive"]'
    path = tmp_path / "vpsops.toml"
    path.write_text(f'[[rule]]\nid = "one"\n{good}\n', "utf-8")
    declared = declaration_of(load_settings({"VPSOPS_CONFIG": str(path)}), whole=True).document(None)
    old = document_from(declared.text.replace('"change","destructive"', '"destructive"'))
    assert old.text != declared.text
    assert ruleset_from(old).policy.decide(asked("delete", PERSON)).decision is Decision.DENY


def test_the_key_counts_in_the_version_and_only_where_it_is_true() -> None:
    """A policy without the key keeps the version that it had."""
    without = policy(TRUSTED.format("allow").replace("true", "false"))
    assert (
        without.version == policy(TRUSTED.format("allow").replace("destructive_without_approval = true\n", "")).version
    )
    assert without.version != policy(TRUSTED.format("allow")).version


def test_a_key_is_not_pointless_beside_a_stricter_rule_about_everything() -> None:
    """Only the key lets people destroy anything; beside a cover that has it as well, it changes nothing."""
    changes = RuleConditions(risk=frozenset({"disruptive", "destructive"}))
    cover = Rule("cover", changes, Decision.CONFIRM, line=1)
    key = Rule("key", changes, Decision.ALLOW, destructive_without_approval=True, line=2)
    assert not makes_pointless(cover, key)
    assert makes_pointless(replace(cover, destructive_without_approval=True), key)


@pytest.mark.parametrize(("actor", "depends"), [(PERSON, {"trusted": Decision.CONFIRM}), (AGENT, {})])
def test_rights_name_the_rules_that_can_let_someone_destroy(actor: Actor, depends: dict[str, Decision]) -> None:
    """A rule that is too mild for it is none of them."""
    key = TRUSTED.format("confirm").replace("actor", 'server = "db*"\nactor')
    mild = EVERYTHING.format("allow").replace("everything", "west").replace("decision", 'server = "web*"\ndecision')
    right = rights(policy(key, mild), actor, "slack", asked().now)["delete"]
    assert (right.ruling.decision, dict(right.depends)) == (Decision.DENY, depends)


def test_explain_says_that_a_rule_is_not_enough() -> None:
    """Beside the decision and its reason."""
    text = explain_decision(policy(EVERYTHING.format("allow")), asked("delete", PERSON))
    assert text.splitlines()[:4] == [
        "deny",
        f"  {NEEDS_APPROVAL}",
        "",
        "speaks  everything (line 1): says allow (not enough: what cannot be undone needs an approval)",
    ]
