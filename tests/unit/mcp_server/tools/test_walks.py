"""Walks over large fleets: few calls, one reading, pages that agree, and counts that spare the walk."""

import uuid
from pathlib import Path
from random import Random

import pytest
from mcp import Client
from mcp.types import CallToolResult

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ALICE, client_of, text
from tests.unit.mcp_server.test_reads import settings_of
from vpsops.core.app import Core, open_core
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.timings import WALK_SECONDS
from vpsops.core.identity.actors import Origin
from vpsops.core.limits.access import AccessScope, Restriction
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.counts import MOST, ServerCount, counts_of
from vpsops.core.operations.servers import ListArguments, ServerList, page
from vpsops.core.wayscloud.answers.models import HeldList, ProviderList, Server
from vpsops.mcp_server.presenters.pagination import page_from, read_arguments
from vpsops.mcp_server.presenters.projection import split_arguments
from vpsops.mcp_server.tools.walks import MOST as MOST_LISTS
from vpsops.mcp_server.tools.walks import ServerListCache
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

LIST = OPERATIONS["list"]
RANDOM = Random(1)  # noqa: S311 - no secret


def fleet(number: int) -> list[Server]:
    """Return servers with the ids that the provider gives: they take the most tokens of a row."""
    ids = [str(uuid.UUID(int=RANDOM.getrandbits(128))) for _ in range(number)]
    return [
        Server(id=ident, hostname=f"web{place:05}.example.com", status="running") for place, ident in enumerate(ids)
    ]


@pytest.mark.requirement("mcp-walks-are-consistent")
@pytest.mark.parametrize("number", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_fleet_is_walked_by_ids_in_few_calls(number: int) -> None:
    """A hundred servers a call: ten thousand in a hundred."""
    servers, seen, calls, cursor = fleet(number), set[str](), 0, ""
    while calls == 0 or cursor:
        asked = split_arguments(LIST, {"limit": 100, "fields": ["id"], **({"cursor": cursor} if cursor else {})})
        _, content = page_from(page(servers, ListArguments.model_validate(dict(read_arguments(LIST, asked)))), asked)
        seen |= {row["id"] for row in content["servers"]}  # type: ignore[union-attr, index, call-overload, misc]
        cursor, calls = str(content.get("next_cursor", "")), calls + 1
    assert seen == {server.id for server in servers}
    assert calls * 10_000 / number <= 120


async def walk(client: Client, provider: SimulatorHandle | None = None) -> tuple[list[str], list[CallToolResult]]:
    """Return the names of a walk and its pages; before each next page a server goes and another comes."""
    results: list[CallToolResult] = []
    names: list[str] = []
    cursor = None
    while not results or cursor is not None:
        results.append(await client.call_tool("vps_list", {"limit": 10, "cursor": cursor}))
        content = results[-1].structured_content
        assert content is not None, text(results[-1])
        names += [row["hostname"] for row in content["servers"]]
        cursor = content.get("next_cursor")
        if provider is not None:
            world = provider.simulator.world
            world.remove(world.servers()[0])
    return names, results


@pytest.mark.requirement("mcp-walks-are-consistent")
async def test_a_walk_is_over_one_list(era: str, tmp_path: Path) -> None:
    """Servers that go meanwhile are still in it, its total stays, and the provider was asked once."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(fleet=45, seed=7), clock=clock) as provider,
        open_core(settings_of(provider, tmp_path), front="mcp", timing=QUICK, clock=clock, accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        there = sorted(server.hostname for server in provider.simulator.world.servers())
        journal = provider.simulator.journal
        before = len(journal.entries(operation="list"))
        first = await client.call_tool("vps_list", {"limit": 10})
        assert len(journal.entries(operation="list")) == before + 1
        names, pages = await walk(client, provider)
    assert names == there
    assert {page.structured_content["total"] for page in pages if page.structured_content} == {45}
    assert ["counts" in (page.structured_content or {}) for page in pages] == [True, *[False] * 4]
    assert "By state: running" in text(first)


async def test_a_list_that_is_gone_costs_another_reading(era: str, tmp_path: Path) -> None:
    """Two minutes later the walk continues where it was, in the servers there are then."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(fleet=25, seed=7), clock=clock) as provider,
        open_core(settings_of(provider, tmp_path), front="mcp", timing=QUICK, clock=clock, accounts=EVERYBODY) as core,
        client_of(core, era) as client,
    ):
        first = await client.call_tool("vps_list", {"limit": 10})
        assert first.structured_content is not None
        cursor = first.structured_content["next_cursor"]
        before = provider.simulator.journal.total
        await client.call_tool("vps_list", {"limit": 10, "cursor": cursor})
        assert provider.simulator.journal.total == before
        await clock.sleep(WALK_SECONDS + 1)
        again = await client.call_tool("vps_list", {"limit": 10, "cursor": cursor})
        assert provider.simulator.journal.total > before
    assert again.structured_content is not None
    assert len(again.structured_content["servers"]) == 10


def test_a_list_is_kept_for_a_while() -> None:
    """Until it is old, or one of too many."""
    clock = FakeClock()
    walks, held = ServerListCache(clock), HeldList(ProviderList(fleet(1)))
    walk = walks.keep(held)
    clock.advance(WALK_SECONDS - 0.1)
    assert walks.find(walk) is held
    assert walks.find("00000000") is None
    clock.advance(0.2)
    assert walks.find(walk) is None
    names = [walks.keep(held) for _ in range(MOST_LISTS + 1)]
    assert [walks.find(name) is held for name in names] == [False, *[True] * MOST_LISTS]


async def test_a_kept_list_shows_each_caller_what_it_may_see(core: Core) -> None:
    """Another caller's cursor leads into the same list, and to none of its servers that are out of sight."""
    held = HeldList()
    asked = Request("list", {"limit": 100}, ALICE, Origin("mcp"))
    web = AccessScope((Restriction("x", servers=frozenset({"web*"})),)).sight
    everything = await core.servers.read(asked, held=held, scope=OPERATOR)
    narrow = await core.servers.read(asked, held=held, scope=Scope(servers=web))
    names = [
        [server.hostname[:3] for server in result.result.servers]
        for result in (everything, narrow)
        if isinstance(result, Done) and isinstance(result.result, ServerList)
    ]
    assert names == [["db0", "web"], ["web"]]


def test_counts_are_of_all_and_the_rarest_stand_together() -> None:
    """By state, by region, and by the letters that names begin with."""
    kinds = [
        Server(id=f"{n}", hostname=f"{chr(97 + n % 12)}{n:03}.x", status="running", region=f"r{n % 3}")
        for n in range(36)
    ]
    odd = [
        Server(id="x", hostname="10-0-0-1.x", status="stopped"),
        Server(id="y", hostname="db-a-01.x", status="error"),
    ]
    counts = counts_of([*kinds, *odd])
    assert counts[:3] == (
        ServerCount("state", "running", 36),
        ServerCount("state", "stopped", 1),
        ServerCount("state", "failed", 1),
    )
    assert ServerCount("region", "unknown", 2) in counts
    names = [count for count in counts if count.by == "name"]
    assert len(names) == MOST + 1
    assert (names[-1].value, sum(count.servers for count in names)) == ("others", 38)
