"""The catalogue as operations: plans of a region, add-ons, and regions with the names that another list has."""

from typing import Any, Final

import pytest

from tests.fakes.provider import Provider, Reply
from vpsops.bot.messages.catalogue import addons_table
from vpsops.core.limits.access import EVERYTHING
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.catalogue import Addons, Plans, Regions
from vpsops.core.wayscloud.answers.errors import NotOfferedError

PLAN: Final = {"plan_code": "small", "monthly_price": 5, "currency": "EUR"}
DISK: Final = {"code": "disk-50", "name": "Disk", "type": "disk", "price": 4, "currency": "EUR"}
SERVICES: Final = {"regions": [{"code": "no", "name": "Norge"}, {"code": "de", "name": "Tyskland"}], "total": 2}


async def listed(provider: Provider, name: str, **arguments: str) -> Any:
    """Return the result of a read."""
    operation = OPERATIONS[name]
    async with provider.client() as api:
        return await operation.run(api, operation.arguments.model_validate(arguments), None)


@pytest.mark.parametrize("region", ["NO", "oslo", " Norway "])
async def test_plans_of_a_region_are_asked_for_by_its_code(region: str) -> None:
    """However people spell it; the list of all plans is another route and is not read."""
    provider = Provider().on("GET", "/v1/vps/plans/region/NO", Reply(200, [PLAN]))
    result = await listed(provider, "plans", region=region)
    assert isinstance(result, Plans)
    assert [plan.code for plan in result.plans] == ["small"]
    assert provider.paths() == ["GET /v1/vps/plans/region/NO"]


async def test_plans_of_a_region_that_are_not_offered_are_no_empty_list() -> None:
    """Nor does it say anything of the list of all plans, which stays in the lists of tools."""
    provider = Provider().on("GET", "/v1/vps", Reply(200, [])).on("GET", "/v1/vps/plans/", Reply(200, [PLAN]))
    with pytest.raises(NotOfferedError, match="plans of one region"):
        await listed(provider, "plans", region="oslo")
    assert [plan.code for plan in (await listed(provider, "plans")).plans] == ["small"]
    assert OPERATIONS["plans"].routes == ()


async def test_addons_have_their_prices() -> None:
    """Of all regions, or of one region."""
    provider = Provider().on("GET", "/v1/vps/addons/", Reply(200, [DISK]))
    result = await listed(provider, "addons", region="oslo")
    assert isinstance(result, Addons)
    assert [request.query for request in provider.received] == [{"region": "NO"}]
    post = addons_table(result.addons, result.lacking)
    assert all(word in str(post.blocks) for word in ("disk-50", "Disk", "EUR"))


NAMED: Final = [{"code": "NO", "name": None}, {"code": "SE", "name": "Sverige"}, {"code": "FI"}]


@pytest.mark.parametrize(
    ("services", "names"),
    [
        (Reply(200, SERVICES), ["Norge", "Sverige", None]),
        (Reply(404), [None, "Sverige", None]),
        (Reply(500), [None, "Sverige", None]),
        (Reply(200, "no list"), [None, "Sverige", None]),
    ],
)
async def test_regions_without_a_name_have_that_of_the_list_of_all_services(
    services: Reply, names: list[str | None]
) -> None:
    """A name that is there stays; where the other list cannot be read, a region has its code alone."""
    provider = Provider().on("GET", "/v1/vps/regions", Reply(200, NAMED)).on("GET", "/v1/regions", services)
    result = await listed(provider, "regions")
    assert isinstance(result, Regions)
    assert [region.name for region in result.regions] == names
    assert result.lacking == ""


async def test_named_regions_need_no_other_list() -> None:
    """One request is enough."""
    provider = Provider().on("GET", "/v1/vps/regions", Reply(200, [{"code": "NO", "name": "Norge"}]))
    await listed(provider, "regions")
    assert provider.paths() == ["GET /v1/vps/regions"]


@pytest.mark.requirement("undocumented-on-demand")
def test_addons_are_served_where_they_or_their_toolset_are_named() -> None:
    """The usual set stays within its tokens, and within what the provider documents."""
    usual = EVERYTHING.or_usual()
    assert "vps_plans" in usual.tools
    assert [usual.allows("vps_addons"), EVERYTHING.allows("vps_addons")] == [False, True]
