"""Limits at their edge: as many as allowed and one more, as much as allowed and a little more, to the second."""

from dataclasses import replace
from typing import Any

import pytest

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import AccessScope, Restriction, matched
from vpsops.core.limits.config_schema import WrittenLimits
from vpsops.core.limits.model import (
    AccountSnapshot,
    Limits,
    PlannedCreate,
    principal,
    too_dear,
    too_many,
    too_often,
    worded_wait,
)
from vpsops.core.limits.rate_limiter import CallBuckets
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.wayscloud.answers.models import Plan, Server

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1")
AGENT = Actor(ActorKind.AGENT, "mcp:claude", "claude", "slack:U1")
PLANS = (Plan(code="S", monthly_price=100.0, currency="NOK"),)
LIVE = Server(id="s1", hostname="a", status="running", plan="S")
GONE = Server(id="s2", hostname="b", status="terminated", plan="S")


@pytest.mark.parametrize(("limit", "fits"), [(1, False), (2, True), (3, True)])
def test_a_terminated_server_is_none(limit: int, *, fits: bool) -> None:
    """One is there, one is coming, and one that is gone neither counts nor costs."""
    account = AccountSnapshot((LIVE, GONE), plans=PLANS)
    assert (too_many(Limits(max_servers=limit), account, [PlannedCreate("c", "S")]) is None) is fits
    assert (too_dear(Limits(max_monthly_spend=100.0 * limit), account, [PlannedCreate("c", "S")]) is None) is fits


@pytest.mark.parametrize(("spend", "fits"), [(200.0, True), (199.99, False), (0.0, False)])
def test_what_is_allowed_may_be_spent_and_not_more(spend: float, *, fits: bool) -> None:
    """A limit of nothing allows nothing."""
    account = AccountSnapshot((LIVE,), plans=PLANS)
    assert (too_dear(Limits(max_monthly_spend=spend), account, [PlannedCreate("c", "s")]) is None) is fits


@pytest.mark.parametrize(("currency", "fits"), [("nok", True), ("NOK", True), (None, False), ("eur", False)])
def test_a_currency_is_the_same_in_any_case(currency: str | None, *, fits: bool) -> None:
    """A server's own price is added to the plans'; a price in another or an unknown currency is not."""
    priced = Server(id="s3", hostname="d", status="running", monthly_price=1.0, currency=currency)
    account = AccountSnapshot((LIVE, priced), plans=PLANS)
    assert (too_dear(Limits(max_monthly_spend=101.0, currency="NOK"), account, []) is None) is fits


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_that_is_none_is_not_known(price: float) -> None:
    """It would make room for others, or make the sum incomparable, so it counts as unknown."""
    odd = Server.model_construct(**{**LIVE.model_dump(), "monthly_price": price, "plan": None})
    result = too_dear(Limits(max_monthly_spend=1e9), AccountSnapshot((odd,), plans=PLANS), [])
    assert result is not None
    assert "is not known" in result.why


@pytest.mark.parametrize(
    ("limit", "times", "hint"),
    [
        (2, [0.0, 10.0], ""),
        (2, [0.0, 10.0, 20.0], "Ask again in 60 min."),
        (1, [0.0, 3599.0], "Ask again in 1 s."),
        (1, [0.0, 3600.0], ""),
        (None, [0.0] * 99, ""),
    ],
)
def test_so_many_an_hour_and_not_one_more(limit: int | None, times: list[float], hint: str) -> None:
    """The hour ends with its last second; the hint states when the first of them no longer counts."""
    result = too_often(Limits(max_changes_per_hour=limit), times, times[-1])
    assert (result.hint if result else "") == hint


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "1 s"), (0.2, "1 s"), (59.1, "60 s"), (60.0, "60 s"), (60.1, "2 min"), (120.0, "2 min")],
)
def test_a_wait_is_rounded_up(seconds: float, words: str) -> None:
    """A caller that waits the stated time is not asked to wait again."""
    assert worded_wait(seconds) == words


def test_a_bucket_holds_a_minutes_calls_and_fills_evenly() -> None:
    """Of two a minute the third waits half a minute; the first refusal in a row is worth a record, the next is not."""
    buckets, limits = CallBuckets(), Limits(calls_per_minute=2)
    assert [buckets.take(limits, ALICE, 0.0)[0] for _ in range(2)] == [None, None]
    refusal, first = buckets.take(limits, ALICE, 0.0)
    assert refusal is not None
    assert (refusal.hint, first) == ("Call again in 30 s.", True)
    assert buckets.take(limits, ALICE, 29.9)[1] is False
    assert buckets.take(limits, ALICE, 30.0) == (None, False)
    assert buckets.take(limits, ALICE, 31.0)[1] is True  # after a call that passed, the next refusal is a first again
    assert buckets.take(limits, AGENT, 31.0)[0] is None  # a person's own calls leave the agents' alone
    assert [buckets.take(limits, ALICE, 9e6)[0] is None for _ in range(3)] == [
        True,
        True,
        False,
    ]  # never more than full


def test_of_many_callers_those_that_are_idle_are_forgotten() -> None:
    """A thousand are kept; a caller that is below its full rate keeps its count."""
    buckets, limits = CallBuckets(), Limits(calls_per_minute=1)
    people = [replace(ALICE, id=f"U{number}", human=f"U{number}") for number in range(1001)]
    for person in people[:1000]:
        assert buckets.take(limits, person, 0.0)[0] is None
    assert len(buckets.limiter) == 1000
    assert buckets.take(limits, people[1000], 59.0)[0] is None
    assert len(buckets.limiter) == 1001
    assert buckets.take(limits, people[0], 59.0)[0] is not None
    assert buckets.take(limits, replace(ALICE, id="U9999", human="U9999"), 60.0)[0] is None
    assert len(buckets.limiter) == 2
    assert all(name in buckets.limiter for name in ("person:u1000", "person:u9999"))


def test_whom_a_rate_counts_for() -> None:
    """A person by every id, agents by their human, an agent without a human by its own name in any case."""
    assert principal(ALICE) == ("person", frozenset({"u1"}))
    assert principal(AGENT) == ("agent", frozenset({"slack:u1"}))
    assert principal(replace(AGENT, human="", account="U1")) == ("agent", frozenset({"slack:u1"}))
    assert principal(Actor(ActorKind.AGENT, "MCP:X")) == ("agent", frozenset({"mcp:x"}))


@pytest.mark.parametrize(
    ("words", "target", "agent", "person"),
    [
        ({"protected": frozenset({"web*"})}, Target("s1", "web01"), True, True),
        ({"protected": frozenset({"web*"})}, Target("s1", "WEB01."), True, True),
        ({"protected": frozenset({"web*"})}, Target("s1", "db01"), False, False),
        ({"protected": frozenset({"s1"})}, Target("S1", "db01"), True, True),
        ({"protected_from_agents": frozenset({"web*"})}, Target("s1", "web01"), True, False),
        ({}, Target("s1", "web01"), False, False),
    ],
)
def test_who_may_not_change_what(
    words: dict[str, frozenset[str]], target: Target, *, agent: bool, person: bool
) -> None:
    """Protection is by name or id, in any case and with a trailing dot; some is only from agents."""
    limits = Limits(**words)  # type: ignore[arg-type]
    assert (limits.protects(target, AGENT) is not None) is agent
    assert (limits.protects(target, ALICE) is not None) is person


def test_sights_and_reaches_only_narrow() -> None:
    """What both of them leave is left, in whichever order they come."""
    web, entry = ServerFilter((ServerPatterns.of(["web*"]),)), ServerFilter((ServerPatterns.of(["*01"]),))
    for both in (web.narrowed(entry), entry.narrowed(web)):
        assert [both.sees("", name) for name in ("web01", "WEB01.", "web02", "db01")] == [True, True, False, False]
    assert ServerFilter((ServerPatterns.of(["s1"]),)).sees("S1", "db01")
    assert ServerFilter().narrowed(web) == web.narrowed(ServerFilter()) == web
    reads, lists = (
        AccessScope((Restriction("a", read_only=True),)),
        AccessScope((Restriction("b", tools=frozenset({"vps_*"})),)),
    )
    for reach in (reads.narrowed(lists), lists.narrowed(reads)):
        assert (reach.read_only, reach.allows("vps_list"), reach.allows("vps_stop")) == (True, True, False)
    assert AccessScope((Restriction("c", servers=frozenset({"web*"})),)).narrowed(lists).sight == web


@pytest.mark.parametrize(
    ("narrowing", "limit", "value"),
    [
        (Restriction("x", read_only=True), "read_only", "true"),
        (Restriction("x", toolsets=frozenset({"catalogue", "changes"})), "toolsets", "catalogue, changes"),
        (Restriction("x", tools=frozenset({"vps_list", "vps_get"})), "tools", "vps_get, vps_list"),
        (Restriction("x", deny_tools=frozenset({"vps_st*"})), "deny_tools", "vps_st*"),
        (Restriction("x"), "", ""),
        (Restriction("x", deny_tools=frozenset({"vps_reboot"})), "", ""),
    ],
)
def test_each_narrowing_says_what_it_keeps_away(narrowing: Restriction, limit: str, value: str) -> None:
    """The refusal names the limit and its full value."""
    assert narrowing.why_not("vps_stop") == (limit, value)


@pytest.mark.parametrize(("pattern", "means"), [("vps_list", True), ("vps_*", True), ("vps_lis", False), ("*", True)])
def test_a_pattern_means_a_tool_there_is(pattern: str, *, means: bool) -> None:
    """A pattern that matches no tool is a configuration error."""
    assert matched(pattern) is means


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("max_servers", 0, 1_000_000),
        ("max_changes_per_hour", 1, 1_000_000),
        ("calls_per_minute", 1, 1_000_000),
        ("max_monthly_spend", 0.0, 1e12),
    ],
)
def test_a_limit_is_written_within_these_bounds(name: str, least: Any, most: Any) -> None:
    """The bounds themselves are taken, and nothing beyond them."""
    for value in (least, most):
        assert getattr(WrittenLimits(**{name: value}), name) == value
    for value in (least - 1, most + 1, most * 100):
        with pytest.raises(ValueError, match=name):
            WrittenLimits(**{name: value})


@pytest.mark.parametrize(("others", "left"), [(999, 1_000), (1_000, 1)])
def test_a_thousand_who_called_are_remembered_and_then_the_idle_are_forgotten(others: int, left: int) -> None:
    """Only callers with a full bucket are forgotten, which changes nothing."""
    buckets, limits = CallBuckets(), Limits(calls_per_minute=1)
    for number in range(others):
        buckets.take(limits, replace(AGENT, human=f"slack:U{number}"), 0.0)
    buckets.take(limits, replace(AGENT, human="slack:NEW"), 60.0)
    assert len(buckets.limiter) == left


def test_whoever_called_a_moment_ago_is_not_forgotten() -> None:
    """However many there are."""
    buckets, limits = CallBuckets(), Limits(calls_per_minute=1)
    for number in range(1_001):
        buckets.take(limits, replace(AGENT, human=f"slack:U{number}"), 0.0)
    exceeded, _ = buckets.take(limits, replace(AGENT, human="slack:U0"), 1.0)
    assert exceeded is not None
