"""Plans of one region and add-ons: shapes, faults, and pages of a filtered list."""

from collections.abc import Awaitable, Callable

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
