"""Rules and limits about labels: what they match, and what follows where the labels are not known."""

from dataclasses import replace

import pytest

from tests.unit.core.policy.facts import AGENT, DB, PERSON, asked
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.limits.loader import parse_limits
from vpsops.core.policy import parse_policy
from vpsops.core.policy.decision import Decision
from vpsops.core.policy_register.consequence import consequences
from vpsops.core.wayscloud.answers.labels import LONGEST, MOST, has_term, label_terms, label_words

ALLOW = '[[rule]]\nid = "all"\ndecision = "allow"\n'
MINE = '[[rule]]\nid = "mine"\nlabel = "team=shop"\ndecision = "allow"\n'
PROD = '[[rule]]\nid = "prod"\nlabel = ["env=prod", "critical"]\ndecision = "deny"\n'


def decided(text: str, labels: tuple[str, ...] | None, operation: str = "stop") -> Decision:
    """Return the decision of a policy on a server with these labels."""
    return parse_policy(text, "f").decide(asked(operation, target=replace(DB, labels=labels))).decision


@pytest.mark.parametrize(
    ("labels", "mine", "prod"),
    [
        (("team=shop",), Decision.ALLOW, Decision.ALLOW),
        (("TEAM=Shop", "env=dev"), Decision.ALLOW, Decision.ALLOW),
        (("team=shop2", "env=prod"), Decision.DENY, Decision.DENY),
        (("Env=PROD",), Decision.DENY, Decision.DENY),
        (("critical=x",), Decision.DENY, Decision.DENY),
        (("critical2=x",), Decision.DENY, Decision.ALLOW),
        ((), Decision.DENY, Decision.ALLOW),
        (None, Decision.DENY, Decision.DENY),
    ],
)
@pytest.mark.requirement("labels-unknown-strict")
def test_a_label_that_is_not_known_is_held_against_the_request(
    labels: tuple[str, ...] | None, mine: Decision, prod: Decision
) -> None:
    """A rule that allows does not match, one that denies does."""
    assert decided(MINE, labels) is mine
    assert decided(ALLOW + PROD, labels) is prod


def test_the_reason_names_what_is_not_known() -> None:
    """People read why."""
    ruling = parse_policy(ALLOW + PROD, "f").decide(asked(target=DB))
    assert "the server's labels" in ruling.reason


def test_a_new_server_has_no_labels_and_a_list_has_no_server() -> None:
    """Neither is unknown."""
    assert decided(ALLOW + PROD, (), "create") is Decision.ALLOW
    assert decided(ALLOW + PROD, None, "list") is Decision.ALLOW


@pytest.mark.parametrize("word", ["", "env=", "=prod", "a b=c", "env=pr*", "-env", "env=<x>"])
def test_what_is_no_label_is_refused(word: str) -> None:
    """A pattern is none: it would never match."""
    with pytest.raises(ConfigurationError):
        parse_policy(f'[[rule]]\nid = "x"\nlabel = "{word}"\ndecision = "deny"\n', "f")


def test_a_rule_without_labels_is_the_version_it_was() -> None:
    """Policies of earlier versions stay as they are in force."""
    assert parse_policy(ALLOW, "f").version == "pol_217f32b34bbcfca9c70e8275f0dc679fea047981c9b90acdfd7a0a821324c6a7"
    assert parse_policy(MINE, "f").version != parse_policy(MINE.replace("shop", "web"), "f").version


def test_the_consequences_of_a_rule_about_labels_are_found() -> None:
    """Another policy is compared over the labels that its rules name."""
    changes = consequences(parse_policy(ALLOW, "f"), parse_policy(ALLOW + PROD, "f"))
    lines = [line for consequence in changes.items for line in consequence.lines]
    assert lines
    assert all("labelled critical, env=prod: allow -> deny" in line for line in lines)


LIMITS = '[limits]\nprotected_labels = ["env=prod"]\nprotected_labels_from_agents = ["team"]\n'


@pytest.mark.parametrize(
    ("labels", "person", "agent"),
    [
        (("env=Prod",), "protected_labels", "protected_labels"),
        (("team=shop",), None, "protected_labels_from_agents"),
        (("env=dev",), None, None),
        ((), None, None),
        (None, "protected_labels", "protected_labels"),
    ],
)
@pytest.mark.requirement("labels-unknown-strict")
def test_a_server_is_protected_by_its_labels(
    labels: tuple[str, ...] | None, person: str | None, agent: str | None
) -> None:
    """One whose labels are not known counts as protected."""
    limits, target = parse_limits(LIMITS, "f"), replace(DB, labels=labels)
    for actor, limit in ((PERSON, person), (AGENT, agent)):
        exceeded = limits.protects(target, actor)
        assert (exceeded.limit if exceeded else None) == limit
        assert exceeded is None or ("not known" in exceeded.text) is (labels is None)


def test_a_label_in_both_lists_of_protected_ones_is_refused() -> None:
    """The second is pointless."""
    with pytest.raises(ConfigurationError, match="protected from every caller"):
        parse_limits(LIMITS.replace('"team"', '"ENV=prod"'), "f")
    assert "protected_labels env=prod" in parse_limits(LIMITS, "f").described()


def test_labels_are_words_that_rules_compare() -> None:
    """A key with an equals sign may be any label; too many are not known; blanks and invisible letters do not count."""
    assert label_words({"b": "x=y", "a": "1"}) == ("a=1", "b=x=y")
    assert label_words({"a": "1", "env=prod": "z"}) is None
    for labels in ({"env ": "prod"}, {"env": " prod"}, {"env": "prod\u200b"}):
        assert "env=prod" in (label_terms(label_words(labels)) or ())
    assert label_words({}) == ()
    assert label_words(None) is None
    assert label_words({str(number): "x" for number in range(MOST + 1)}) is None
    assert label_words({"a": "x" * LONGEST}) is None
    assert label_terms(("Ünï=Ø",)) == frozenset({"ünï=ø", "ünï"})
    assert (has_term(None, {"a"}), has_term(frozenset(), {"a"})) == (None, False)
