"""Plans of one region and add-ons: shapes, faults, and pages of a filtered list."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.fakes.provider import Provider, Reply
from vpsops.core.wayscloud.answers.errors import (
    NotAuthenticatedError,
    NotOfferedError,
    NotPermittedError,
    ProviderFaultError,
    RateLimitedError,
    WayscloudError,
    WrongShapeError,
)
from vpsops.core.wayscloud.client import Wayscloud

PLANS, ADDONS = "/v1/vps/plans/region/NO", "/v1/vps/addons/"
READS: dict[str, Callable[[Wayscloud], Awaitable[object]]] = {
    PLANS: lambda client: client.list_plans("NO"),
    ADDONS: lambda client: client.list_addons("NO"),
}
FAULTS = [
    (Reply(404, {"detail": "VPS not found"}), NotOfferedError),
    (Reply(405), NotOfferedError),
    (Reply(501), NotOfferedError),
    (Reply(401), NotAuthenticatedError),
    (Reply(403), NotPermittedError),
    (Reply(429), RateLimitedError),
    (Reply(500), ProviderFaultError),
    (Reply(200, {"id": "addons", "hostname": "web01"}), WrongShapeError),
]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(("reply", "error"), FAULTS)
async def test_each_fault_is_its_own_error(path: str, reply: Reply, error: type[WayscloudError]) -> None:
    """An absent route is not offered; what passes, and what lacks a permission, is not called absent."""
    other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
    provider = Provider().on("GET", path, reply).on("GET", other, reply)
    async with provider.client() as client:
        with pytest.raises(error):
            await READS[path](client)


async def test_addons_are_read_in_every_shape_and_an_unreadable_entry_is_counted() -> None:
    """A bare array, one under `addons`, and an entry without a code, which makes the list incomplete."""
    entries = [{"id": "d1", "name": "Disk", "type": "DISK", "monthly_price": 5, "gb": 50}, {"name": "nameless"}]
    for body in (entries, {"addons": entries}):
        provider = Provider().on("GET", ADDONS, Reply(200, body))
        async with provider.client() as client:
            addons = await client.list_addons()
        assert [(each.code, each.name, each.kind, each.monthly_price) for each in addons] == [("d1", "Disk", "disk", 5)]
        assert addons[0].extra == {"gb": 50}
        assert not addons.complete


async def test_a_later_page_keeps_the_region() -> None:
    """The filter stands beside the page in every request, so that no page is another region's."""
    first = {"addons": [{"code": "a"}], "next_cursor": "2", "has_more": True}
    second = {"addons": [{"code": "b"}], "has_more": False}
    provider = Provider().on("GET", ADDONS, Reply(200, first), Reply(200, second))
    async with provider.client() as client:
        addons = await client.list_addons("NO")
    assert [each.code for each in addons] == ["a", "b"]
    assert [received.query.get("region") for received in provider.received] == ["NO", "NO"]


ELSEWHERE = {"regions": [{"code": "no", "name": "Norge", "status": "active"}, {"code": "de", "status": "maintenance"}]}


async def test_regions_of_all_services_name_those_for_servers_where_nothing_else_does() -> None:
    """The list is incomplete, and an active region is not called available for servers."""
    provider = Provider().on("GET", "/v1/regions", Reply(200, {**ELSEWHERE, "total": 2}))
    async with provider.client() as client:
        regions = await client.list_regions()
    assert [(region.code, region.name, region.available) for region in regions] == [
        ("no", "Norge", None),
        ("de", None, False),
    ]
    assert not regions.complete
    assert regions.lack


async def test_the_list_for_servers_comes_first() -> None:
    """Where it is offered, even empty or in trouble, the other one is not asked."""
    for reply in (Reply(200, []), Reply(200, [{"id": "oslo"}]), Reply(500), Reply(429), Reply(403)):
        provider = Provider().on("GET", "/v1/vps/regions", reply).on("GET", "/v1/vps/regions/", reply)
        provider.on("GET", "/v1/regions", Reply(200, ELSEWHERE))
        async with provider.client() as client:
            with suppress(WayscloudError):
                await client.list_regions()
        assert not [path for path in provider.paths() if path.startswith("GET /v1/regions")]


@pytest.mark.parametrize("reply", [Reply(404), Reply(405), Reply(501), Reply(401), Reply(403), Reply(200, {"id": 1})])
async def test_regions_are_not_offered_where_neither_list_is(reply: Reply) -> None:
    """What the other list alone refuses says nothing of the key."""
    provider = Provider().on("GET", "/v1/regions", reply).on("GET", "/v1/regions/", reply)
    async with provider.client() as client:
        with pytest.raises(NotOfferedError, match=r"list the regions\..*name the region"):
            await client.list_regions()


@pytest.mark.parametrize(("reply", "error"), [(Reply(500), ProviderFaultError), (Reply(429), RateLimitedError)])
async def test_trouble_of_the_other_list_is_not_an_absence(reply: Reply, error: type[WayscloudError]) -> None:
    """A fault of the moment stays one, so that nothing is hidden for it."""
    provider = Provider().on("GET", "/v1/regions", reply)
    async with provider.client() as client:
        with pytest.raises(error):
            await client.list_regions()
