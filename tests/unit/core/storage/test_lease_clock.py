"""The lease clock on PostgreSQL: kept by the processes together, so that no date that is set moves it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.fakes.storage.postgres import PostgresServer
from vpsops.core.storage import Database, open_database
from vpsops.core.storage import lease_clock as module
from vpsops.core.storage.leases import DEAD_SECONDS, Process, acquire_lease, alive, dead, observe
from vpsops.core.storage.tables import PROCESSES

HOUR = 3600.0


@pytest.fixture
async def pair(postgres: PostgresServer, clock: FakeClock) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on one server that have both beaten."""
    url = postgres.database()
    async with AsyncExitStack() as stack:
        results = []
        for front in ("slack", "worker"):
            database = await stack.enter_async_context(open_database(url, clock))
            results.append(Process(database, clock, front))
            await results[-1].beat()
        yield results[0], results[1]


async def living(database: Database) -> set[str]:
    """Return who is alive, as this process sees it."""
    return await database.read(lambda connection: alive(connection, database.tick(connection)))


def url_of(database: Database) -> str:
    """Return where a server is."""
    server = database._pools.engines.server
    assert server is not None
    return server.url.render_as_string(hide_password=False)


def jump(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the server's date on or back."""
    monkeypatch.setattr(module, "DATE", f"SELECT extract(epoch FROM clock_timestamp()) + {seconds}")


@pytest.mark.requirement("lease-clock-never-jumps")
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_a_server_whose_date_is_set_kills_nobody(
    pair: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Every process stays alive for the others, for a process that starts then, and for the next heartbeats."""
    first, other = pair
    ids = {first.id, other.id}
    jump(monkeypatch, seconds)
    assert await living(first.database) == ids
    async with open_database(url_of(first.database), first.clock) as newest:
        assert await living(newest) == ids
        third = Process(newest, first.clock, "worker")
        await third.beat()
        await first.beat()
        assert await living(other.database) == await living(newest) == ids | {third.id}


@pytest.mark.requirement("lease-clock-never-jumps")
async def test_one_that_falls_silent_is_dead_after_five_seconds(
    pair: tuple[Process, Process], clock: FakeClock
) -> None:
    """Silence is measured by the living processes' steady clock, however long nothing else happens."""
    first, other = pair
    for _ in range(int(DEAD_SECONDS)):
        clock.advance(1)
        await first.beat()
        assert await living(first.database) == {first.id, other.id}
    clock.advance(0.1)
    assert await living(first.database) == {first.id}
    assert await first.database.read(lambda link: dead(link, first.database.tick(link))) == {other.id}
    assert await first.database.transact(
        lambda link: acquire_lease(link, "watcher", first.id, first.database.tick(link))
    )
    await other.beat()
    assert await living(first.database) == {first.id, other.id}


async def test_a_machine_whose_clock_stood_still_catches_up(pair: tuple[Process, Process]) -> None:
    """A process that was suspended unknowingly takes no other for dead and is not ahead of any afterwards."""
    first, other = pair
    asleep = FakeClock()
    other.database.clock = other.clock = asleep
    other.database.lease_clock._clock = asleep
    other.database.lease_clock._at = 0.0
    for _ in range(20):
        first.clock.advance(1)  # type: ignore[attr-defined]
        await first.beat()
    assert first.id in await living(other.database)
    ticks = [await each.database.read(each.database.tick) for each in (first, other)]
    assert ticks[0] == ticks[1]


async def test_it_goes_on_within_a_transaction_and_begins_with_the_servers_date(
    postgres: PostgresServer, clock: FakeClock
) -> None:
    """An older version that lives beside counts in that date, and is taken over from while it does."""

    def twice(connection: Connection) -> tuple[float, float]:
        first = database.tick(connection)
        clock.advance(90)
        return first, database.tick(connection)

    async with open_database(postgres.database(), clock) as database:
        date = await database.read(lambda connection: float(connection.exec_driver_sql(module.DATE).scalar_one()))
        first, second = await database.transact(twice)
        assert 0 <= first - date < 600
        assert second - first == 90
        await database.transact(
            lambda connection: connection.execute(
                sa.insert(PROCESSES).values(id="old", front="slack", started_at=1.0, beat=second + 1000)
            )
        )
        assert await living(database) == {"old"}


async def test_who_only_looks_sees_whether_anybody_beats(pair: tuple[Process, Process], clock: FakeClock) -> None:
    """The clock stands still while no process lives, so a doctor waits for two heartbeats before reporting who does."""
    first, other = pair
    url = url_of(first.database)
    clock.advance(HOUR)
    async with open_database(url, clock) as looking:
        await observe(looking)
        assert await living(looking) == set()
    async with open_database(url, clock) as looking, anyio.create_task_group() as group:
        group.start_soon(beat_meanwhile, first)
        await observe(looking)
        assert await living(looking) == {first.id}
    assert other.id not in await living(first.database)


async def beat_meanwhile(process: Process) -> None:
    """Beat after a second."""
    await anyio.sleep(1)
    await process.beat()
