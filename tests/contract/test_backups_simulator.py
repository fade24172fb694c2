"""The client's calls about backups against the simulated provider, in every dialect of the service."""

from datetime import timedelta

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.provider import BASE, KEY, QUICK
from vpsops.core.wayscloud.answers.errors import ConflictError, NotFoundError, NotOfferedError, ProviderRefusedError
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.server_parts.backup_answers import BackupPolicy
from vpsops.playground.wayscloud.app import create_app
from vpsops.playground.wayscloud.faults.config import SimulatorConfig

LONG = 15 * 60.0
WEEKLY = BackupPolicy(enabled=True, frequency="weekly", time_of_day="04:30", day_of_week=2, retention_days=14)


def provided(dialect: str, *, restores: bool = False) -> tuple[Wayscloud, FakeClock]:
    """Return a client of a simulated provider, and the clock that the provider lives by."""
    clock = FakeClock()
    app = create_app(SimulatorConfig(dialect=dialect, speed=1, restores=restores), clock)
    client = Wayscloud(
        ProviderConnection(
            Credentials(KEY), base_url=BASE, clock=clock, settings=QUICK, http_transport=httpx.ASGITransport(app)
        )
    )
    return client, clock


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_backups_live_where_they_are_offered(dialect: str) -> None:
    """One is made, listed, counted, offered for download and deleted; a deleted one is not found."""
    api, clock = provided(dialect)
    async with api as client:
        server = (await client.list_servers())[0].id
        made = await client.backups.create_backup(server)
        assert not made.complete
        with pytest.raises(ConflictError):
            await client.backups.download_backup(server, made.id)
        clock.advance(LONG)
        (listed,) = await client.backups.list_backups(server)
        assert (listed.id, listed.complete, listed.kind) == (made.id, True, "manual")
        usage = await client.backups.backup_usage(server)
        assert (usage.total_backups, usage.total_size_gb) == (1, listed.size_gb)
        download = await client.backups.download_backup(server, made.id)
        assert made.id in download.url.get_secret_value()
        assert download.expires_at == clock.now().replace(microsecond=0) + timedelta(hours=1)
        with pytest.raises(NotOfferedError, match="not implemented"):
            await client.backups.restore_backup(server, made.id)
        await client.backups.delete_backup(server, made.id)
        assert await client.backups.list_backups(server) == []
        for call in (client.backups.delete_backup, client.backups.download_backup):
            with pytest.raises(NotFoundError):
                await call(server, made.id)


@pytest.mark.parametrize("dialect", ["live", "sdk"])
async def test_a_policy_lives_where_it_is_offered(dialect: str) -> None:
    """None at first; set, read back, removed."""
    api, _ = provided(dialect)
    async with api as client:
        server = (await client.list_servers())[0].id
        assert (await client.backups.backup_policy(server)).policy is None
        await client.backups.set_backup_policy(server, WEEKLY)
        policy = (await client.backups.backup_policy(server)).policy
        assert policy is not None
        assert policy.next_backup_at is not None
        assert policy.model_copy(update={"next_backup_at": None}) == WEEKLY
        await client.backups.remove_backup_policy(server)
        assert (await client.backups.backup_policy(server)).policy is None


@pytest.mark.parametrize("dialect", ["seed", "terraform"])
async def test_backups_are_not_offered_elsewhere(dialect: str) -> None:
    """Every read says so; every write is refused, and a server that is not there is still not found."""
    api, _ = provided(dialect)
    async with api as client:
        server, backups = (await client.list_servers())[0].id, client.backups
        for read in (backups.list_backups, backups.backup_usage, backups.backup_policy):
            with pytest.raises(NotOfferedError):
                await read(server)
            with pytest.raises(NotFoundError):
                await read("00000000-0000-4000-8000-000000000000")
        with pytest.raises(NotOfferedError):
            await backups.download_backup(server, "b1")
        for write in (backups.delete_backup, backups.restore_backup):
            with pytest.raises(ProviderRefusedError):
                await write(server, "b1")


async def test_a_restore_needs_a_stopped_server() -> None:
    """Where the service has a worker for it."""
    api, clock = provided("live", restores=True)
    async with api as client:
        server = (await client.list_servers())[0].id
        made = await client.backups.create_backup(server)
        clock.advance(LONG)
        with pytest.raises(ConflictError, match="must be stopped"):
            await client.backups.restore_backup(server, made.id)
        await client.stop_server(server)
        clock.advance(LONG)
        assert (await client.backups.restore_backup(server, made.id)).ok
