"""The limits: money and counts over servers, plans and creates; rates; what may be seen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.limits.model import (
    AccountSnapshot,
    Limits,
    PlannedCreate,
    same_principal,
    too_dear,
    too_many,
    too_often,
)
from vpsops.core.limits.rate_limiter import CallBuckets
from vpsops.core.limits.tool_names import ALTERING, SECRET, TOOLS
from vpsops.core.operations.target import Target
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.wayscloud.answers.models import Plan, Server

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1", aliases=("alice@example.com",))
AGENT = Actor(ActorKind.AGENT, "mcp:claude", "claude", "alice@example.com")
PLANS = (Plan(code="S", monthly_price=100.0, currency="NOK"), Plan(code="XL", monthly_price=400.0, currency="NOK"))


def server(name: str, plan: str | None = "S", price: float | None = None, status: str = "running") -> Server:
    return Server(id=f"id-{name}", hostname=name, status=status, plan=plan, monthly_price=price)


TWO = AccountSnapshot((server("web01"), server("db01", "xl")), plans=PLANS, named=ServerFilter())
WEB = ServerFilter((ServerPatterns.of(["web*"]),))
NEW = PlannedCreate("app01", "S")


@pytest.mark.parametrize(
    ("limit", "creates", "refused"),
    [
        (3, [NEW], ""),
        (2, [NEW], "there are 2 servers, and 1 would be made"),
        (3, [NEW, PlannedCreate("app02", "S")], "2 would be made"),
        (2, [PlannedCreate("WEB01", "S")], ""),  # it is there by now
        (2, [PlannedCreate("other", "S", "id-db01")], ""),
        (None, [NEW] * 99, ""),
    ],
)
def test_servers_that_are_there_and_coming_are_counted(
    limit: int | None, creates: list[PlannedCreate], refused: str
) -> None:
    """A create with its server already listed is counted once."""
    result = too_many(Limits(max_servers=limit), TWO, creates)
    assert refused in (result.text if result else "")
    assert (result is None) is (refused == "")


@pytest.mark.parametrize(
    ("limits", "account", "refused"),
    [
        (Limits(max_monthly_spend=600), TWO, ""),
        (Limits(max_monthly_spend=599.99), TWO, "cost 600.00 a month"),
        (Limits(max_monthly_spend=9e9), replace(TWO, servers=(server("x", None),)), "price of x is not known"),
        (Limits(max_monthly_spend=9e9), replace(TWO, plans=()), "price of web01 and of 2 more is not known"),
        (Limits(max_monthly_spend=9e9), replace(TWO, plans=(), named=WEB), "price of web01 and of 2 more is"),
        (Limits(max_monthly_spend=9e9), replace(TWO, servers=(server("x", None),), named=WEB), "of a server is not"),
        (Limits(max_monthly_spend=9e9), replace(TWO, servers=(server("x", None),), named=None), "of a server is not"),
        (Limits(max_monthly_spend=9e9), replace(TWO, complete=False), "not complete"),
        (Limits(max_monthly_spend=9e9, currency="EUR"), TWO, "in EUR and NOK"),
        (Limits(max_monthly_spend=600, currency="NOK"), TWO, ""),
        (Limits(max_monthly_spend=100), AccountSnapshot((server("x", status="terminated"),), plans=PLANS), ""),
        (Limits(max_monthly_spend=100), AccountSnapshot((server("x", price=-5.0),), plans=PLANS), "cost 200.00"),
        (Limits(max_monthly_spend=0), AccountSnapshot((), plans=PLANS), "max_monthly_spend (0 a month)"),
        (Limits(), TWO, ""),
    ],
)
def test_what_servers_cost_is_added_up_or_held_against_the_create(
    limits: Limits, account: AccountSnapshot, refused: str
) -> None:
    """Their own price, or their plan's; one that is not known, or another currency, is a refusal."""
    result = too_dear(limits, account, [NEW])
    assert refused in (result.text if result else "")
    assert (result is None) is (refused == "")


def test_a_list_that_is_not_complete_counts_for_nothing() -> None:
    """Servers that could not be read may be any number."""
    assert too_many(Limits(max_servers=99), replace(TWO, complete=False), [NEW]) is not None


@given(st.lists(st.floats(0, 10_000), max_size=30), st.integers(1, 10))
def test_a_rate_says_when_one_more_fits(times: list[float], most: int) -> None:
    """At the time a refusal names, rounded up, the same change would be taken."""
    now, limits = 10_000.0, Limits(max_changes_per_hour=most)
    result = too_often(limits, [*times, now], now)
    recent = [at for at in times if at > now - 3600]
    assert (result is None) is (len(recent) < most)
    if result is not None:
        amount, unit = result.hint.removeprefix("Ask again in ").removesuffix(".").split()
        later = now + int(amount) * (1 if unit == "s" else 60)
        assert too_often(limits, [*times, later], later) is None


def test_calls_come_in_a_burst_and_then_at_their_rate() -> None:
    """A minute's calls at once, then each as its time comes; the first refusal in a row is worth a record."""
    limits, buckets = Limits(calls_per_minute=30), CallBuckets()
    assert all(buckets.take(limits, AGENT, 0.0) == (None, False) for _ in range(30))
    refused, first = buckets.take(limits, AGENT, 1.0)
    assert refused is not None
    assert (refused.hint, first) == ("Call again in 1 s.", True)
    assert buckets.take(limits, AGENT, 1.5)[1] is False
    assert buckets.take(limits, ALICE, 1.5) == (None, False)
    assert buckets.take(limits, AGENT, 2.0) == (None, False)
    assert buckets.take(limits, AGENT, 2.5)[1] is True


def test_an_agent_under_another_name_is_the_same_principal() -> None:
    """What a client calls itself does not count; its human does, and a person's own changes count apart."""
    other = replace(AGENT, id="mcp:other", name="other", human="ALICE@example.com")
    stranger = replace(AGENT, human="bob@example.com")
    assert same_principal(AGENT, other)
    assert not same_principal(AGENT, stranger)
    assert not same_principal(AGENT, ALICE)


def test_principals_that_are_done_calling_are_forgotten() -> None:
    """Buckets that are full again do not pile up."""
    limits, buckets = Limits(calls_per_minute=60), CallBuckets()
    for number in range(3_000):
        buckets.take(limits, replace(AGENT, human=f"h{number}"), float(number))
    assert len(buckets.limiter) <= 1_001


@pytest.mark.parametrize(
    ("hostname", "actor", "limit"),
    [
        ("db01.example.com", ALICE, "protected"),
        ("DB01.example.com", AGENT, "protected"),
        ("web01.example.com", ALICE, ""),
        ("web01.example.com", AGENT, "protected_from_agents"),
        ("", ALICE, "protected"),
        ("app01.example.com", AGENT, ""),
    ],
)
def test_protected_servers_are_left_alone(hostname: str, actor: Actor, limit: str) -> None:
    """By any actor, or by agents; a server without a known name counts as protected."""
    limits = Limits(protected=frozenset({"db*"}), protected_from_agents=frozenset({"web*"}))
    result = limits.protects(Target("id-1", hostname), actor)
    assert (result.limit if result else "") == limit


@given(
    st.lists(st.builds(Restriction, st.just("x"), st.booleans(), deny_tools=st.frozensets(st.sampled_from([*TOOLS]))))
)
@pytest.mark.requirement("narrowing-never-widens")
def test_narrowings_never_widen(narrowings: list[Restriction]) -> None:
    """What several leave is what each of them leaves; read-only leaves nothing that alters."""
    whole = AccessScope(tuple(narrowings))
    assert set(whole.tools) == {
        tool
        for tool in TOOLS
        if tool not in SECRET and all(AccessScope((narrowing,)).allows(tool) for narrowing in narrowings)
    }
    if any(narrowing.read_only for narrowing in narrowings):
        assert ALTERING.isdisjoint(whole.tools)


def test_a_server_is_seen_where_every_narrowing_has_it() -> None:
    """By hostname in any case, or by id; a server without a known name is not seen."""
    sight = ServerFilter((ServerPatterns.of(["web*"]), ServerPatterns.of(["*.example.com", "id-9"])))
    assert sight.sees("id-1", "WEB01.example.com")
    assert not sight.sees("id-1", "web01.example.org")
    assert not sight.sees("id-9", "")
    assert ServerFilter().sees("", "")
