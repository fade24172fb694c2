"""Facts that a list's source leaves out: read within a bound, or reported as unknown."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.odd_provider.front import Habit, odd_provider
from tests.fakes.odd_provider.habits import Capped, five_fields, no_power, no_region
from tests.fakes.timing import QUICK
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, POLICY, SLACK, Setup, Stage, staged
from tests.unit.core.sample import server
from tests.unit.mcp_server.harness import KEY, client_of, text
from vpsops.core.app import Core, open_core
from vpsops.core.changes.requests import Done, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import UnknownServerError
from vpsops.core.config.settings import Settings
from vpsops.core.operations.server_lookup import find_server
from vpsops.core.operations.servers import ListArguments, ServerList, in_state, page
from vpsops.core.policy import parse_policy
from vpsops.core.policy.decision import Decision
from vpsops.core.wayscloud.answers.models import ProviderList
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

ALLOW = parse_policy('[[rule]]\nid = "all"\ndecision = "allow"\n', "vpsops.toml")
ORDER = {"plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}


@asynccontextmanager
async def stage_on(url: str, dialect: str, *habits: Habit, policy: Any = POLICY) -> AsyncIterator[Stage]:
    """Wire a core to a provider with habits."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7, dialect=dialect), clock=clock) as behind,
        odd_provider(behind, *habits) as address,
        staged(url, behind, Setup(policy=policy), url=address) as stage,
    ):
        yield stage


async def listed(stage: Stage, **filters: str) -> ServerList:
    """Run the list as a person."""
    outcome = await stage.gate.submit(Request("list", filters, ALICE, SLACK), scope=OPERATOR)
    assert isinstance(outcome, Done)
    assert isinstance(outcome.result, ServerList)
    return outcome.result


@pytest.mark.parametrize(
    ("dialect", "habits", "filters", "names", "lacking"),
    [
        pytest.param("seed", [], {"region": "oslo"}, ["db01", "web01"], "", id="a region that the list leaves out"),
        pytest.param("seed", [], {"region": "NO-OSLO-1"}, ["db01", "web01"], "", id="the same, in another spelling"),
        pytest.param("seed", [], {"region": "mars"}, [], "", id="a region there is nothing in"),
        pytest.param(
            "terraform", [no_region], {"region": "NO"}, [], "The region of 2 servers is not known.", id="given nowhere"
        ),
        pytest.param("terraform", [five_fields], {"state": "running"}, ["db01", "web01"], "", id="a power in get"),
        pytest.param(
            "terraform",
            [no_power],
            {"state": "stopped"},
            [],
            "The power state of 2 servers is not known.",
            id="a power given nowhere",
        ),
        pytest.param("terraform", [no_power], {"state": "active"}, ["db01", "web01"], "", id="the service's own word"),
    ],
)
@pytest.mark.requirement("unknown-is-not-no")
async def test_a_filter_answers_for_what_it_knows(
    database_url: str, dialect: str, habits: list[Habit], filters: dict[str, str], names: list[str], lacking: str
) -> None:
    """An empty result means that no server matches; servers with unknown facts are counted."""
    async with stage_on(database_url, dialect, *habits) as stage:
        listing = await listed(stage, **filters)
    assert [item.hostname.split(".")[0] for item in listing.servers] == names
    assert listing.lacking == lacking


@pytest.mark.requirement("unknown-is-not-no")
async def test_a_filter_shows_nothing_that_the_policy_keeps_back(database_url: str) -> None:
    """A caller that may list servers but not see one in full learns no region by filtering for it."""
    rule = '[[rule]]\nid = "list"\noperation = ["list"]\ndecision = "allow"\n'
    async with stage_on(database_url, "seed", policy=parse_policy(rule, "vpsops.toml")) as stage:
        listing = await listed(stage, region="oslo")
        assert (listing.total, listing.lacking) == (0, "The region of 2 servers is not known.")
        assert stage.asked("get") == 0


async def test_look_ups_are_bounded(database_url: str) -> None:
    """Of a hundred servers forty are read by themselves; of the others the region is not known."""
    async with stage_on(database_url, "seed") as stage:
        for number in range(98):
            stage.server(f"n{number}.example.com")
        listing = await listed(stage, region="oslo")
        assert stage.asked("get") == 40
    assert listing.lacking == "The region of 60 servers is not known."


@pytest.mark.parametrize(
    ("filters", "advice"),
    [
        ({"state": "stoped"}, "States are running, stopped, failed, pending, or the service's own words."),
        ({"state": "failed"}, ""),
        ({"region": "mars"}, "There are servers in Oslo, Norway (oslo)."),
    ],
)
async def test_nothing_found_says_what_there_is(database_url: str, filters: dict[str, str], advice: str) -> None:
    """A state that is none, and the regions that there are."""
    async with stage_on(database_url, "seed") as stage:
        assert (await listed(stage, **filters)).advice == advice


@pytest.mark.parametrize(
    ("status", "power", "word", "holds"),
    [
        ("failed", None, "failed", True),
        ("errored", None, "errored", True),
        ("errored", None, "failed", True),
        ("off", None, "off", True),
        ("active", "off", "active", False),
        ("active", "on", "active", True),
        ("active", None, "active", True),
        ("active", None, "running", False),
        ("running", "off", "running", False),
        ("paused", None, "paused", True),
        ("active", "suspended", "suspended", True),
    ],
)
def test_the_services_own_words_are_not_hidden(status: str, power: str | None, word: str, holds: bool) -> None:
    """What a list shows under a word is found by that word."""
    assert in_state(server(status, power_state=power), word) is holds


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.requirement("partial-lists-are-partial")
async def test_a_capped_list_says_so_and_a_create_needs_a_person(database_url: str, total: bool) -> None:
    """Under a rule that allows it the asker's own human is asked, and gets the reason."""
    async with stage_on(database_url, "seed", Capped(1, total), policy=ALLOW) as stage:
        listing = await listed(stage)
        held = await stage.ask("create", ALICE, hostname="n1.example.com", **ORDER)
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        await eventually(lambda: stage.effects("create") == 1)
    lack = (
        "1 of 2 are listed, the rest cannot be seen" if total else "more than the 1 listed exist, which cannot be seen"
    )
    assert (listing.total, listing.lacking) == (1, f"{lack}.")
    assert held.ruling.decision is Decision.CONFIRM
    assert f"not whole ({lack})" in held.effect


async def test_a_whole_list_needs_no_person_more(database_url: str) -> None:
    """The same rule, and nothing to warn of."""
    async with stage_on(database_url, "seed", policy=ALLOW) as stage:
        request = Request("create", {"hostname": "n1.example.com", **ORDER}, ALICE, SLACK, can_confirm=True)
        outcome = await stage.gate.submit(request, scope=OPERATOR)
        assert isinstance(outcome, Done)


def test_the_beginning_of_a_name_means_nothing_where_not_all_are_seen() -> None:
    """Another one that is not seen may begin so too; a name in full is enough."""
    seen = ProviderList([server()], total=9)
    assert find_server("web01.example.com", seen).id == "s1"
    with pytest.raises(UnknownServerError, match=r"can be seen: 1 of 9 are listed, the rest cannot be seen\."):
        find_server("we", seen)


def test_an_unreadable_entry_is_said() -> None:
    """Two of three."""
    listing = page(
        ProviderList([server(), server(ident="s2")], unreadable=("entry 2: it lacks 'id'",)), ListArguments()
    )
    assert (listing.total, listing.lacking) == (2, "2 of 3 could be read.")


@asynccontextmanager
async def core_on(url: str, dialect: str, *habits: Habit) -> AsyncIterator[Core]:
    """Open a core on a provider with habits."""
    clock = VirtualClock()
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7, dialect=dialect), clock=clock) as behind,
        odd_provider(behind, *habits) as address,
    ):
        known = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": address, "VPSOPS_DATABASE_URL": url}
        settings = Settings.model_validate(known)
        async with open_core(settings, front="mcp", timing=QUICK, clock=clock, accounts=EVERYBODY) as core:
            yield core


@pytest.mark.parametrize(
    ("habits", "arguments", "last", "lacking"),
    [
        pytest.param([], {"region": "oslo"}, "2 in all.", None, id="a region"),
        pytest.param([], {"fields": ["region", "plan"]}, "2 in all.", None, id="chosen fields"),
        pytest.param(
            [], {"fields": ["monthly_price"]}, "2 listed. Not known: monthly_price of 2.", ..., id="given nowhere"
        ),
        pytest.param(
            [no_region],
            {"region": "oslo"},
            "No servers are known to match. The region of 2 servers is not known.",
            ...,
            id="a region given nowhere",
        ),
        pytest.param([Capped(1)], {}, "1 listed. 1 of 2 are listed, the rest cannot be seen.", ..., id="capped"),
    ],
)
@pytest.mark.requirement("unknown-is-not-no")
async def test_a_model_reads_what_is_not_known(
    database_url: str, habits: Sequence[Habit], arguments: dict[str, Any], last: str, lacking: Any
) -> None:
    """Both the text and the structured content have it."""
    async with core_on(database_url, "seed", *habits) as core, client_of(core, "2026-07-28") as client:
        await client.list_tools()
        result = await client.call_tool("vps_list", arguments)
    assert text(result).split("\n")[-1] == last
    assert result.structured_content is not None
    assert (result.structured_content.get("lacking") is None) is (lacking is None)
    if arguments.get("fields") == ["region", "plan"]:
        rows = result.structured_content["servers"]
        assert [set(row) >= {"hostname", "region", "plan"} for row in rows] == [True, True]
