"""A request that the catalogue rules out is refused before anyone is asked; the provider judges the rest."""

from dataclasses import replace
from typing import Any, cast

import pytest

from tests.fakes.odd_provider.front import OddAnswer
from tests.provider.test_unknown_facts import stage_on
from tests.unit.core.harness import ALICE, SLACK
from tests.unit.core.sample import change
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.limits.model import Limits
from vpsops.core.operations.families.create import CreateArguments, check_choices, check_region, check_system, find_plan
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.errors import NotFoundError
from vpsops.core.wayscloud.answers.models import OsTemplate, Plan, ProviderList, Region
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.mcp_server.presenters.changes import next_action

REGIONS = (
    Region(code="oslo", name="Oslo", country="NO"),
    Region(code="stockholm", country="SE", available=False),
    Region(code="DE"),
    Region(code="FI-1", name="Turku, Finland", available=False),
)
SYSTEMS = (
    OsTemplate(id="debian-12", name="Debian 12", family="debian"),
    OsTemplate(id="ubuntu-24.04", name="Ubuntu 24.04 LTS"),
)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("oslo", ""),
        ("OSLO", ""),
        ("NO", ""),
        ("no-oslo-1", ""),
        ("frankfurt", ""),
        ("mars", "There is no region mars. The regions are oslo, DE."),
        ("fi-1", "The region Turku, Finland (fi-1) is not available now. The regions are oslo, DE."),
        ("SE", "The region SE is not available now. The regions are oslo, DE."),
    ],
)
def test_a_region_is_one_of_those_there_are(code: str, problem: str) -> None:
    """A region matches in any spelling that the provider takes."""
    assert problem_of(check_region, REGIONS, code) == problem


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("debian-12", ""),
        ("DEBIAN-12", ""),
        ("ubuntu-22.04", ""),  # the documented example orders it, and the documented list does not have it
        ("Debian 12", "Debian 12 is the name of a system. Its id is debian-12."),
        ("beos-5", "There is no system beos-5. The systems are debian-12, ubuntu-24.04."),
    ],
)
def test_a_system_is_listed_or_of_a_family_that_is(code: str, problem: str) -> None:
    """A name that was read in the catalogue is answered with its id."""
    assert problem_of(check_system, SYSTEMS, code) == problem


def problem_of(check: Any, choices: Any, code: str) -> str:
    """Return the problem that a check reports."""
    try:
        check(choices, code)
    except InvalidInputError as error:
        return f"{error.message} {error.hint}"
    return ""


def test_an_empty_catalogue_refuses_nothing() -> None:
    """An empty or incomplete catalogue refuses nothing."""
    check_region((), "mars")
    check_system((), "beos-5")
    assert find_plan(ProviderList([]), "x") is None
    assert find_plan(ProviderList([Plan(code="s")], total=9), "x") is None
    with pytest.raises(InvalidInputError, match="no plan x"):
        find_plan(ProviderList([Plan(code="s")]), "x")


ORDER = {"hostname": "n1.example.com", "plan": "vps-2gb-1cpu", "region": "oslo", "os_template": "debian-12"}


def broken_regions(answer: OddAnswer) -> None:
    """Break the list of regions, as a route that takes its name for a server's id does."""
    if answer.path.rstrip("/").endswith("/regions"):
        answer.status, answer.body = 500, {"detail": "invalid input syntax for type uuid"}


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"region": "mars"}, "no region mars"),
        ({"os_template": "beos-5"}, "no system beos-5"),
        ({"os_template": "Debian 12"}, "name of a system"),
        ({"plan": "huge"}, "no plan huge"),
        ({"hostname": "bad host_name!"}, "hostname"),
    ],
)
@pytest.mark.requirement("impossible-orders-are-refused-first")
async def test_an_impossible_order_is_refused_before_anybody_is_asked(
    database_url: str, variables: dict[str, str], problem: str
) -> None:
    """No question, no card, no POST; the choices instead."""
    async with stage_on(database_url, "seed") as stage:
        with pytest.raises(InvalidInputError, match=problem):
            await stage.gate.submit(
                Request("create", ORDER | variables, ALICE, SLACK, can_confirm=True), scope=OPERATOR
            )
        assert stage.asked("create") == 0
        assert await stage.changes.list(scope=OPERATOR) == []


async def test_a_broken_part_of_the_catalogue_keeps_nobody_from_ordering(database_url: str) -> None:
    """The provider judges what could not be read."""
    async with stage_on(database_url, "seed", broken_regions) as stage:
        outcome = await stage.gate.submit(Request("create", ORDER, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    assert isinstance(outcome, Held)


@pytest.mark.requirement("stale-is-superseded")
async def test_a_server_that_was_rebuilt_is_not_the_one_that_was_shown(database_url: str) -> None:
    """Its name and address are the same; its system is another."""
    async with stage_on(database_url, "seed") as stage:
        server = stage.server("odd.example.com")
        held = await stage.ask("stop", server=server.id)
        assert held.target.system == "debian-12"
        world = stage.provider.simulator.world
        world._keep(replace(world.get(server.id) or server, template="ubuntu-24.04"))
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        ended = await stage.rest(held.id)
        assert stage.asked("stop") == 0
    assert (ended.state, "system was debian-12, is ubuntu-24.04" in ended.note) == (State.SUPERSEDED, True)


@pytest.mark.parametrize(
    ("operation", "words"),
    [("create", "vps_os_templates"), ("start", "whether it runs"), ("stop", "is stopped"), ("reboot", "vps_status")],
)
def test_what_to_do_after_a_failure_fits_the_operation(operation: str, words: str) -> None:
    """A server that was never made is not checked."""
    step = next_action(change(operation, State.FAILED), tools=True)
    assert words in step
    assert (operation == "create") is ("vps_get" not in step)


async def test_a_ghost_is_named_as_one(database_url: str) -> None:
    """Listed and not known: the list is where it came from, so the error does not refer back to it."""

    def ghosts(answer: OddAnswer) -> None:
        if answer.shows_server:
            answer.status, answer.body = 404, {"detail": "VPS not found"}

    async with stage_on(database_url, "seed", ghosts) as stage:
        with pytest.raises(
            NotFoundError, match="is in the provider's list, and the provider knows no such server"
        ) as caught:
            await stage.gate.submit(
                Request("stop", {"server": "web01"}, ALICE, SLACK, can_confirm=True), scope=OPERATOR
            )
    assert "List the servers" not in caught.value.hint


@pytest.mark.parametrize(
    ("hostname", "protected"), [("id-9", True), ("web01.example.com", True), ("db01.example.com", False)]
)
def test_a_server_without_a_name_counts_as_protected(hostname: str, protected: bool) -> None:
    """Where the provider gives no hostname its id stands in its place, and is no name that rules could know."""
    limits = Limits(protected=frozenset({"web*"}))
    assert (limits.protects(Target("id-9", hostname), ALICE) is not None) is protected


async def test_a_region_and_a_system_that_there_are_not_are_refused_together() -> None:
    """Both, with what there is of each, so that the second order can be right."""
    order = CreateArguments(hostname="n1.example.com", plan="p", region="mars", os_template="beos-5")
    with pytest.raises(InvalidInputError) as refused:
        await check_choices(cast(Wayscloud, ListedChoices()), order)
    assert str(refused.value) == (
        "There is no region mars. There is no system beos-5."
        " The regions are oslo, DE. The systems are debian-12, ubuntu-24.04."
    )


class ListedChoices:
    """The two lists of a provider's catalogue."""

    async def list_regions(self) -> ProviderList[Region]:
        """Return the regions."""
        return ProviderList([*REGIONS])

    async def list_os_templates(self) -> ProviderList[OsTemplate]:
        """Return the systems."""
        return ProviderList([*SYSTEMS])
