"""Limits in the core, on the simulated provider: for every caller and front end, and any number at once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Held, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR, ChangeQuery, Scope, ServerFilter
from vpsops.core.common.errors import InvalidInputError, UnknownChangeError, UnknownServerError
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.model import Limits
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle

PLAN = {"plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}


@asynccontextmanager
async def limited(url: str, provider: SimulatorHandle, **limits: Any) -> AsyncIterator[Stage]:
    async with staged(url, provider, Setup(limits=Limits(**limits))) as stage:
        yield stage


async def create(stage: Stage, hostname: str, actor: Actor = ALICE) -> Outcome:
    order = Request("create", {"hostname": hostname, **PLAN}, actor, SLACK, can_confirm=True)
    return await stage.gate.submit(order, scope=OPERATOR)


async def ask(stage: Stage, operation: str, server: str, actor: Actor = ALICE) -> Outcome:
    return await stage.gate.submit(
        Request(operation, {"server": server}, actor, SLACK, can_confirm=True), scope=OPERATOR
    )


async def refusals(stage: Stage) -> list[Mapping[str, Any]]:
    records = await stage.database.read(chain.read)
    return [record.body for record in records if record.event == "refused"]


@pytest.mark.requirement("protected-servers")
async def test_a_protected_server_is_changed_by_nobody(database_url: str, provider: SimulatorHandle) -> None:
    """The refusal names the limit, its value and what to do, has an id, and is on record under it."""
    async with limited(database_url, provider, protected=frozenset({"web*"})) as stage:
        outcome = await ask(stage, "stop", "web01")
        assert isinstance(outcome, Refused)
        assert "The limit protected (web*) forbids it: web01.example.com is a protected server." in outcome.reason
        assert "[limits]" in outcome.hint
        (record,) = await refusals(stage)
        assert (record["limit"], record["value"], record["error"]) == ("protected", "web*", outcome.error_id)
        assert isinstance(
            await stage.gate.submit(Request("get", {"server": "web01"}, ALICE, SLACK), scope=OPERATOR), Done
        )
        assert isinstance(await create(stage, "web77.example.com"), Refused)


async def test_a_server_protected_from_agents_is_changed_by_people(
    database_url: str, provider: SimulatorHandle
) -> None:
    """An agent is refused what a person may still do."""
    async with limited(database_url, provider, protected_from_agents=frozenset({"web*"})) as stage:
        assert isinstance(await ask(stage, "stop", "web01", AGENT), Refused)
        assert isinstance(await ask(stage, "stop", "web01"), Held)


async def test_a_refusal_names_no_server_that_its_reader_cannot_see(
    database_url: str, provider: SimulatorHandle
) -> None:
    """The refusal omits the server without a known price, and protected servers as well."""
    protected = frozenset({"web01", "db01.example.com", "vault-*"})
    async with limited(database_url, provider, max_monthly_spend=1e9, protected=protected) as stage:
        stage.fault("status", "plans", status=404)
        narrow = Scope(servers=ServerFilter((ServerPatterns.of(["web*"]),)))
        order = Request("create", {"hostname": "web90.example.com", **PLAN}, AGENT, SLACK, can_confirm=True)
        stop = Request("stop", {"server": "web01"}, AGENT, SLACK, can_confirm=True)
        refused = [await stage.gate.submit(request, scope=narrow) for request in (order, stop)]
        text = " ".join(f"{entry.reason} {entry.hint}" for entry in refused if isinstance(entry, Refused))
    assert "is not known, so the sum is not either" in text
    assert "The limit protected (web01) forbids it" in text
    assert "db" not in text
    assert "vault" not in text


async def test_open_creates_count_with_the_servers_there_are(database_url: str, provider: SimulatorHandle) -> None:
    """One more fits; the next is refused while the first is held, and fits once that is cancelled."""
    there = len(provider.simulator.world.servers())
    async with limited(database_url, provider, max_servers=there + 1) as stage:
        first = await create(stage, "app01.example.com")
        assert isinstance(first, Held)
        second = await create(stage, "app02.example.com")
        assert isinstance(second, Refused)
        assert f"max_servers ({there + 1}) forbids it: there are {there} servers, and 2 would be made" in second.reason
        again = await create(stage, "app01.example.com")
        assert isinstance(again, Refused)
        assert again.change == first.change
        await stage.gate.cancel(first.change.id, ALICE, scope=OPERATOR)
        assert isinstance(await create(stage, "app02.example.com"), Held)


async def test_a_create_that_takes_too_long_counts_on(database_url: str, provider: SimulatorHandle) -> None:
    """Its hostname is free for other requests; the server that it may still make is counted."""
    there = len(provider.simulator.world.servers())
    async with limited(database_url, provider, max_servers=there + 1) as stage:
        first = await create(stage, "app01.example.com")
        assert isinstance(first, Held)
        late = sa.update(CHANGES).values(state=State.WATCHING.value, lock=None, overdue=True)
        await stage.database.transact(lambda connection: connection.execute(late))
        assert isinstance(await create(stage, "app02.example.com"), Refused)


async def test_what_all_would_cost_is_limited(database_url: str, provider: SimulatorHandle) -> None:
    """Servers that the list shows without price or plan are read one at a time."""
    prices = {plan.code: plan.price for plan in provider.simulator.world.catalogue.plans.values()}
    spent = sum(prices[server.plan] for server in provider.simulator.world.servers())
    one_more = spent + prices[PLAN["plan"]]
    async with limited(database_url, provider, max_monthly_spend=one_more) as stage:
        assert isinstance(await create(stage, "app01.example.com"), Held)
        refused = await create(stage, "app02.example.com")
        assert isinstance(refused, Refused)
        assert f"cost {one_more + prices[PLAN['plan']]:.2f} a month" in refused.reason
        assert "Choose a smaller plan" in refused.hint


async def test_a_price_that_cannot_be_read_refuses(database_url: str, provider: SimulatorHandle) -> None:
    """Without the catalogue the cost is unknown, so nothing is made."""
    async with limited(database_url, provider, max_monthly_spend=1e9) as stage:
        stage.fault("status", "plans", status=404)
        refused = await create(stage, "app01.example.com")
        assert isinstance(refused, Refused)
        assert "is not known, so the sum is not either" in refused.reason
        assert stage.effects("create") == 0


async def test_of_many_creates_at_once_only_those_that_fit_are_taken(
    database_url: str, provider: SimulatorHandle
) -> None:
    """Several processes count together: eight ask at the same time, three fit."""
    there = len(provider.simulator.world.servers())
    limits = {"max_servers": there + 3}
    outcomes: list[Outcome] = []
    async with AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(limited(database_url, provider, **limits)) for _ in range(2)]

        async def one(number: int) -> None:
            outcomes.append(await create(stages[number % 2], f"app{number:02}.example.com"))

        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(one, number)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Held"] * 3 + ["Refused"] * 5


@pytest.mark.requirement("spend-is-limited")
async def test_of_creates_approved_at_once_only_those_that_fit_are_sent(
    database_url: str, provider: SimulatorHandle
) -> None:
    """Both were stored while there was room; then a server was made elsewhere, and one of them must stay."""
    there = len(provider.simulator.world.servers())
    async with limited(database_url, provider, max_servers=there + 2) as stage:
        held = [await create(stage, f"app{number}.example.com") for number in (1, 2)]
        changes = [item.change for item in held if isinstance(item, Held)]
        stage.server("elsewhere.example.com")
        async with anyio.create_task_group() as group:
            for change in changes:
                group.start_soon(partial(stage.gate.confirm, scope=OPERATOR), change.id, ALICE, change.digest)
        ended = [await stage.rest(change.id) for change in changes]
    assert sorted(item.state for item in ended) == [State.SUCCEEDED, State.SUPERSEDED]
    (over,) = [item for item in ended if item.state is State.SUPERSEDED]
    assert over.note.startswith(f"Nothing was sent. The limit max_servers ({there + 2}) forbids it")
    assert sum(stage.effects("create", f"app{number}.example.com") for number in (1, 2)) == 1


async def test_changes_of_one_principal_are_counted_by_the_hour(database_url: str, provider: SimulatorHandle) -> None:
    """An agent under another name counts as before, its human apart from it; the refusal states when to ask again."""
    other = Actor(AGENT.kind, "mcp:renamed", "renamed", AGENT.human)
    async with limited(database_url, provider, max_changes_per_hour=1) as stage:
        assert isinstance(await ask(stage, "stop", "web01", AGENT), Held)
        refused = await ask(stage, "stop", "db01", other)
        assert isinstance(refused, Refused)
        assert "max_changes_per_hour (1)" in refused.reason
        assert refused.hint == "Ask again in 60 min."
        assert isinstance(await ask(stage, "stop", "db01"), Held)


@pytest.mark.requirement("calls-are-limited")
async def test_calls_that_come_too_fast_are_refused_reads_too(database_url: str, provider: SimulatorHandle) -> None:
    """The provider is not asked for them, and the trail keeps one refusal, not each."""
    async with limited(database_url, provider, calls_per_minute=2) as stage:
        outcomes = [await stage.gate.submit(Request("list", {}, AGENT, SLACK), scope=OPERATOR) for _ in range(5)]
        assert [type(outcome) for outcome in outcomes] == [Done, Done, Refused, Refused, Refused]
        assert stage.asked("list") == 2
        assert [refusal["limit"] for refusal in await refusals(stage)] == ["calls_per_minute"]
        (last,) = outcomes[-1:]
        assert isinstance(last, Refused)
        assert last.hint.startswith("Call again in ")


async def test_what_is_out_of_sight_is_not_there(database_url: str, provider: SimulatorHandle) -> None:
    """A server out of sight, or its change, cannot be listed, named, requested, approved or cancelled."""
    async with limited(database_url, provider) as stage:
        held = await stage.ask("stop", server="db01")
        web = await stage.ask("stop", server="web01")
        narrow = Scope(servers=ServerFilter((ServerPatterns.of(["web*"]),)))
        listed = await stage.gate.submit(Request("list", {}, ALICE, SLACK), scope=narrow)
        assert isinstance(listed, Done)
        assert listed.result is not None
        assert {item["hostname"] for item in listed.result.model_dump()["servers"]} == {"web01.example.com"}
        for name in ("db01", "db01.example.com", held.target.id):
            with pytest.raises(UnknownServerError) as unknown:
                await stage.gate.submit(Request("get", {"server": name}, ALICE, SLACK), scope=narrow)
            assert "db01.example.com" not in unknown.value.hint
        assert [entry.id for entry in await stage.changes.list(scope=narrow)] == [web.id]
        for attempt in (
            stage.changes.get(held.id, scope=narrow),
            stage.gate.cancel(held.id, ALICE, scope=narrow),
            stage.changes.wait(held.id, seconds=0, scope=narrow),
        ):
            with pytest.raises(UnknownChangeError):
                await attempt
        with pytest.raises(UnknownChangeError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=narrow)
        with pytest.raises(UnknownChangeError):
            await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=narrow)
        refused = await stage.gate.submit(
            Request("create", {"hostname": "db02.example.com", **PLAN}, ALICE, SLACK, can_confirm=True), scope=narrow
        )
        assert isinstance(refused, Refused)
        assert "could not be seen here" in refused.reason
        with pytest.raises(InvalidInputError):  # it is there, and may be named
            await stage.gate.submit(
                Request("create", {"hostname": "web01.example.com", **PLAN}, ALICE, SLACK), scope=narrow
            )


async def test_pages_of_changes_are_stable_while_changes_come(database_url: str, provider: SimulatorHandle) -> None:
    """Each change comes once, newest first, filtered by state and server, whatever is asked for meanwhile."""
    async with limited(database_url, provider) as stage:
        for number in range(5):
            held = await create(stage, f"app{number}.example.com")
            assert isinstance(held, Held)
        await stage.gate.cancel((await stage.changes.list(scope=OPERATOR))[0].id, ALICE, scope=OPERATOR)
        seen: list[Change] = []
        page = await stage.changes.page(ChangeQuery(limit=2), scope=OPERATOR)
        while True:
            seen += page.changes
            await create(stage, f"new{len(seen)}.example.com")
            if page.next is None:
                break
            page = await stage.changes.page(ChangeQuery(limit=2, after=page.next), scope=OPERATOR)
        assert [entry.target.hostname for entry in seen] == [f"app{number}.example.com" for number in (4, 3, 2, 1, 0)]
        some = await stage.changes.page(ChangeQuery(states=(State.CANCELLED,), server="APP"), scope=OPERATOR)
        assert [change.target.hostname for change in some.changes] == ["app4.example.com"]
        assert (await stage.changes.page(ChangeQuery(server="nowhere"), scope=OPERATOR)).changes == ()
