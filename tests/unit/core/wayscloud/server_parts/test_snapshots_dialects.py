"""The client's calls about snapshots against the simulated provider, in every dialect of the service."""

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import BASE, KEY, QUICK
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    ProviderRefusedError,
    RateLimitedError,
)
from vpsops.core.wayscloud.answers.models import NewServer
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.playground.wayscloud.account.resources import SNAPSHOTS_MOST
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

LONG = 15 * 60.0


def provided(dialect: str) -> tuple[Wayscloud, FakeClock]:
    """Return a client of a simulated provider, and the clock that the provider lives by."""
    clock = FakeClock()
    app = create_app(SimulatorConfig(dialect=dialect, speed=1), clock)
    client = Wayscloud(
        ProviderConnection(
            Credentials(KEY), base_url=BASE, clock=clock, settings=QUICK, http_transport=httpx.ASGITransport(app)
        )
    )
    return client, clock


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_snapshots_live_where_they_are_offered(dialect: str) -> None:
    """One is taken, listed, rolled back to by a stopped server, and deleted; a deleted one is not found."""
    api, clock = provided(dialect)
    async with api as client:
        server, snapshots = (await client.list_servers())[0].id, client.snapshots
        assert await snapshots.list_snapshots(server) == []
        taken = await snapshots.create_snapshot(server, "before", "Before the upgrade")
        assert not taken.complete
        clock.advance(LONG)
        (listed,) = await snapshots.list_snapshots(server)
        assert (listed.name, listed.complete, listed.description) == ("before", True, "Before the upgrade")
        assert listed.created_at == taken.created_at
        with pytest.raises(ConflictError, match="exists"):
            await snapshots.create_snapshot(server, "before")
        with pytest.raises(ConflictError, match="must be stopped"):
            await snapshots.rollback_snapshot(server, "before")
        await client.stop_server(server)
        clock.advance(LONG)
        assert (await snapshots.rollback_snapshot(server, "before")).ok
        assert (await snapshots.delete_snapshot(server, "before")).ok
        assert await snapshots.list_snapshots(server) == []
        for call in (snapshots.delete_snapshot, snapshots.rollback_snapshot):
            with pytest.raises(NotFoundError):
                await call(server, "before")


async def test_an_eleventh_snapshot_is_refused() -> None:
    """As the vendor's limit; nothing is taken."""
    api, clock = provided("live")
    async with api as client:
        server = (await client.list_servers())[0].id
        for number in range(SNAPSHOTS_MOST):
            await client.snapshots.create_snapshot(server, f"s{number}")
            clock.advance(LONG)
        with pytest.raises(RateLimitedError, match="At most 10"):
            await client.snapshots.create_snapshot(server, "s10")
        assert len(await client.snapshots.list_snapshots(server)) == SNAPSHOTS_MOST


async def test_a_disk_of_another_kind_has_no_snapshots() -> None:
    """The provider's reason is kept."""
    api, clock = provided("live")
    async with api as client:
        new = NewServer(hostname="new.example.com", plan="vps-2gb-1cpu", region="frankfurt", os_template="debian-12")
        elsewhere = await client.create_server(new)
        clock.advance(LONG)
        with pytest.raises(InvalidRequestError, match="qcow2"):
            await client.snapshots.create_snapshot(elsewhere.id, "before")


@pytest.mark.parametrize("dialect", ["seed", "terraform"])
async def test_snapshots_are_not_offered_elsewhere(dialect: str) -> None:
    """The list says so; every write is refused, and a server that is not there is still not found."""
    api, _ = provided(dialect)
    async with api as client:
        server, snapshots = (await client.list_servers())[0].id, client.snapshots
        with pytest.raises(NotOfferedError):
            await snapshots.list_snapshots(server)
        with pytest.raises(NotFoundError):
            await snapshots.list_snapshots("00000000-0000-4000-8000-000000000000")
        for write in (snapshots.create_snapshot, snapshots.delete_snapshot, snapshots.rollback_snapshot):
            with pytest.raises(ProviderRefusedError):
                await write(server, "before")
