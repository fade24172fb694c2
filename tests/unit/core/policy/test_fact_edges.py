"""Facts as rules compare them: empty means unknown, names in one spelling, patterns by label or whole name."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy import PolicyContext
from vpsops.core.policy.context import NormalizedContext, ServerPatterns, first_label, is_glob, servers_cover

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN = Actor(ActorKind.PERSON, "U1", "ann", "U1", aliases=("Ann@Example.com",), groups=("S0OPS",))
FACTS = PolicyContext("stop", Risk.DISRUPTIVE, ANN, "slack", NOON)
WEB = Target("S1", "Web01.Example.com.", region="NO")


@pytest.mark.parametrize(
    ("words", "hostname", "meant"),
    [
        ("web01", "web01.example.com", True),
        ("web01", "web01", True),
        ("web01", "web011.example.com", False),
        ("web01.example.com", "web01.example.com", True),
        ("web01.example.com", "web01.example.org", False),
        ("web*", "web01.example.com", True),
        ("web?", "web1.example.com", True),
        ("web?", "web11.example.com", False),
        ("*.example.com", "web01.example.com", True),
        ("*.example.com", "web01.example.org", False),
        ("[.w]eb01", "web01.example.com", False),  # a pattern with a dot is about the whole name
        ("[w]eb01", "web01.example.com", True),
        ("s1", "web01.example.com", True),
        ("S?", "web01.example.com", False),  # patterns never match ids
        ("web01 db*", "db7.example.com", True),
    ],
)
def test_which_servers_words_mean(words: str, hostname: str, *, meant: bool) -> None:
    """A word matches the whole name, its first label where the word has no dot, or the exact id."""
    assert ServerPatterns.of(words.split()).hold("s1", hostname) is meant


@pytest.mark.parametrize(("words", "meant"), [("*", True), ("s1", True), ("web*", None), ("", None)])
def test_a_server_without_a_name_is_known_by_its_id_alone(words: str, *, meant: bool | None) -> None:
    """Anything else about the server is unknown."""
    assert ServerPatterns.of(words.split()).hold("s1", "") is meant
    assert ServerPatterns.of(["s1"]).hold("", "") is None


def test_facts_are_compared_in_one_spelling() -> None:
    """Ids, names, groups and regions; an empty fact is unknown."""
    seen = NormalizedContext.of(replace(FACTS, target=WEB, cost=9.0))
    assert (seen.ident, seen.hostname, seen.cost) == ("s1", "web01.example.com", 9.0)
    assert seen.people == {"u1", "ann@example.com"}
    assert seen.groups == frozenset({"s0ops"})
    nothing = NormalizedContext.of(replace(FACTS, actor=replace(ANN, groups=()), cost=float("nan")))
    assert (nothing.ident, nothing.hostname, nothing.groups, nothing.region, nothing.cost) == ("", "", None, None, None)


@pytest.mark.parametrize(
    ("region", "target", "known"),
    [
        ("", WEB, True),
        ("NO", None, True),
        ("NO", replace(WEB, region="SE"), True),
        ("", None, False),
        (" ", WEB, False),
    ],
)
def test_a_region_is_the_requests_own_or_the_servers(region: str, target: Target | None, *, known: bool) -> None:
    """The request's own comes first."""
    seen = NormalizedContext.of(replace(FACTS, region=region, target=target)).region
    assert seen == (NormalizedContext.of(replace(FACTS, region="NO")).region if known else None)
    assert seen != NormalizedContext.of(replace(FACTS, region="SE")).region


@pytest.mark.parametrize(
    ("actor", "known"),
    [
        (ANN, True),
        (Actor(ActorKind.AGENT, "mcp:x"), False),
        (Actor(ActorKind.AGENT, "mcp:x", human="U1"), True),
    ],
)
def test_the_human_behind_an_agent_may_not_be_known(actor: Actor, *, known: bool) -> None:
    """A person is their own."""
    assert NormalizedContext.of(replace(FACTS, actor=actor)).knows_human is known


def test_a_time_without_a_zone_is_no_time() -> None:
    """Hours of a rule are somewhere's."""
    with pytest.raises(ValueError, match="time zone"):
        replace(FACTS, now=NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("outer", "inner", "covers"),
    [
        ("*", "web01", True),
        ("web01", "web01", True),
        ("web*", "web-prod-*", True),
        ("web*", "web01.example.com", True),
        ("web*", "web01", False),  # it might be an id
        ("web*", "db*", False),
        ("web", "web*", False),
        ("w?b*", "web*", False),
        ("web* db*", "web1.example.com db1.example.com", True),
        ("web*", "web1.example.com db1.example.com", False),
        ("web*", "", True),
    ],
)
def test_what_covers_what(outer: str, inner: str, *, covers: bool) -> None:
    """One set covers another only if that follows from the words themselves."""
    assert servers_cover(frozenset(outer.split()), frozenset(inner.split())) is covers


def test_a_pattern_has_a_sign_of_one() -> None:
    """Any of the three."""
    assert [is_glob(word) for word in ("web*", "web?", "[w]eb", "web01", "")] == [True, True, True, False, False]
    assert (first_label("a.b.c"), first_label("a"), first_label("")) == ("a", "a", "")
