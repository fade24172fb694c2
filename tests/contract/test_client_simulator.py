"""The client against the simulated provider: one server's life, in every dialect of the service."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from tests.contract.test_backups_simulator import provided
from tests.fakes.clock import FakeClock
from tests.fakes.provider import BASE, KEY, QUICK
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.errors import NotFoundError, NotOfferedError, ProviderRefusedError
from vpsops.core.wayscloud.answers.models import NewServer, Server, same_region
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

LONG = 15 * 60.0
PLANS_IN_NORWAY = {"live": 3, "sdk": 4}


@dataclass(frozen=True, slots=True)
class ClientHarness:
    """A client, and the clock that its provider lives by."""

    client: Wayscloud
    clock: FakeClock
    dialect: str


@pytest.fixture(params=["live", "seed", "terraform", "sdk"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[ClientHarness]:
    """A simulated provider in each dialect, in process, in real speed of a clock that stands still."""
    clock = FakeClock()
    app = create_app(SimulatorConfig(dialect=request.param, speed=1), clock)
    transport = httpx.ASGITransport(app)
    async with Wayscloud(
        ProviderConnection(Credentials(KEY), base_url=BASE, clock=clock, settings=QUICK, http_transport=transport)
    ) as client:
        yield ClientHarness(client, clock, request.param)


async def test_a_fleet_is_listed_in_every_dialect(stage: ClientHarness) -> None:
    """The servers at the start are all there, complete, and each can be read by its id."""
    servers = await stage.client.list_servers()
    assert servers.complete
    assert len(servers) == 2
    for server in servers:
        full = await stage.client.get_server(server.id)
        assert (full.id, full.hostname) == (server.id, server.hostname)
        assert full.created_at is not None
        assert full.memory_gb is not None
        assert 0 < full.memory_gb < 1024


async def test_the_catalogue_is_read_in_every_dialect(stage: ClientHarness) -> None:
    """Plans have codes, sizes and prices; templates know Windows; regions are a list, whole if about servers."""
    plans = await stage.client.list_plans()
    assert all(plan.code and plan.vcpus and plan.memory_gb and plan.monthly_price and plan.currency for plan in plans)
    templates = await stage.client.list_os_templates()
    assert {template.windows for template in templates} == {True, False}
    regions = await stage.client.list_regions()
    assert any(same_region(region.code, "oslo") for region in regions)
    assert regions.complete == (stage.dialect != "sdk")  # there they are those of all services


async def ordered(client: Wayscloud, new: NewServer) -> Server:
    """Create a server, again where the client learned from the first answer that the other slash form is served."""
    try:
        return await client.create_server(new)
    except ProviderRefusedError as error:
        if not error.again:
            raise
    return await client.create_server(new)


async def test_a_server_lives_in_every_dialect(stage: ClientHarness) -> None:
    """Create, wait, stop, start and reboot lead through the same states, whatever the service calls them."""
    client, clock = stage.client, stage.clock
    template = next(each for each in await client.list_os_templates() if not each.windows)
    plan = (await client.list_plans())[0]
    new = NewServer(hostname="new.example.com", plan=plan.code, region="oslo", os_template=template.id)
    server = await ordered(client, new)
    assert server.pending

    clock.advance(LONG)
    server = await client.get_server(server.id)
    assert (server.state, server.hostname, server.plan) == ("running", "new.example.com", plan.code)
    assert server.region is not None
    assert same_region(server.region, "oslo")

    await client.stop_server(server.id)
    clock.advance(LONG)
    assert (await client.get_server(server.id)).state == "stopped"

    await client.start_server(server.id)
    clock.advance(LONG)
    assert (await client.get_server(server.id)).state == "running"

    await client.reboot_server(server.id)
    clock.advance(LONG)
    assert (await client.get_server(server.id)).ready
    usage = await client.server_status(server.id)
    assert usage.cpu_percent is not None
    assert usage.memory_percent is not None


async def test_a_server_that_is_not_there_is_not_found_in_every_dialect(stage: ClientHarness) -> None:
    """An unknown id is NotFoundError for a read and for a power operation."""
    with pytest.raises(NotFoundError):
        await stage.client.get_server("00000000-0000-4000-8000-000000000000")
    with pytest.raises(NotFoundError):
        await stage.client.reboot_server("00000000-0000-4000-8000-000000000000")


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_plans_and_addons_of_a_region_are_read_where_the_sdk_reads_them(dialect: str) -> None:
    """A region's plans are among all plans; add-ons have codes and prices; an unknown region has neither."""
    api, _ = provided(dialect)
    async with api as client:
        every = {plan.code for plan in await client.list_plans()}
        plans = await client.list_plans("NO")
        assert (len(plans), plans.complete) == (PLANS_IN_NORWAY[dialect], True)
        assert {plan.code for plan in plans} <= every
        assert [(addon.code, addon.kind) for addon in await client.list_addons()] == [
            ("disk-50gb", "disk"),
            ("vcpu-1", "vcpu"),
        ]
        (addon,) = await client.list_addons("SE")
        assert (addon.code, addon.monthly_price, addon.currency) == ("disk-50gb", 49.0, "NOK")
        assert await client.list_plans("atlantis") == []
        assert await client.list_addons("atlantis") == []


@pytest.mark.parametrize("dialect", ["seed", "terraform"])
async def test_they_are_not_offered_elsewhere(dialect: str) -> None:
    """The documented API and Terraform's have neither, and still have the plans of all regions."""
    api, _ = provided(dialect)
    async with api as client:
        with pytest.raises(NotOfferedError, match="list the plans of one region"):
            await client.list_plans("NO")
        with pytest.raises(NotOfferedError, match="list the add-ons"):
            await client.list_addons()
        with pytest.raises(NotOfferedError):
            await client.list_addons("NO")
        assert await client.list_plans()


@pytest.mark.parametrize("region", ["a/b", "..", "a?b", "a#b", "a b", "a%2fb"])
async def test_a_region_cannot_reach_another_route(region: str) -> None:
    """What is no part of a path is refused, and nothing is requested."""
    api, _ = provided("live")
    async with api as client:
        for read in (client.list_plans, client.list_addons):
            with pytest.raises(InvalidInputError, match="not a region"):
                await read(region)
