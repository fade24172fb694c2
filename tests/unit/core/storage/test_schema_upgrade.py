"""A schema that another version migrates under a running process: it writes no more, and ends."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.harness.internals import database_of
from vpsops.core.app import open_core
from vpsops.core.config.settings import Settings
from vpsops.core.storage import Database, schema
from vpsops.core.storage.leases import Process
from vpsops.core.storage.schema import MovedOnError, OutdatedError
from vpsops.core.storage.tables import PROCESSES

SECOND = 1.0


def migrate(connection: Connection, version: str = "9999") -> None:
    connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})


async def names(database: Database) -> list[str]:
    query = sa.select(PROCESSES.c.id)
    return list(await database.read(lambda connection: connection.scalars(query).all()))


@pytest.mark.requirement("rolling-upgrade")
async def test_a_process_stops_writing_at_its_next_heartbeat(database: Database, clock: FakeClock) -> None:
    mine, late = Process(database, clock, "slack", id="mine"), Process(database, clock, "slack", id="late")
    await mine.beat()
    assert mine.certain
    await database.transact(migrate)
    clock.advance(SECOND)
    with pytest.raises(MovedOnError) as caught:
        await mine.beat()
    assert ("9999" in caught.value.message, schema.HEAD in caught.value.message) == (True, True)
    assert (mine.certain, database.outdated.is_set()) == (False, True)
    for _ in range(2):  # whatever the time
        with pytest.raises(MovedOnError):
            await late.beat()
    await mine.leave()
    assert await names(database) == ["mine"]


async def test_what_beats_no_heart_stops_too(database: Database, clock: FakeClock) -> None:
    """Within a second: each writing transaction checks, where the last check is that old."""
    await database.transact(migrate)
    clock.advance(SECOND)
    with pytest.raises(MovedOnError):
        await database.transact(lambda connection: connection.execute(sa.delete(PROCESSES)))


async def test_a_schema_that_went_back_is_another_too(database: Database, clock: FakeClock) -> None:
    """Another version's is another version's."""
    await database.transact(lambda connection: migrate(connection, "0001"))
    clock.advance(SECOND)
    with pytest.raises(MovedOnError):
        await database.transact(lambda connection: connection.execute(sa.delete(PROCESSES)))


async def test_a_core_ends_with_what_the_commands_exit_code_is_made_of(database_url: str) -> None:
    clock = FakeClock()
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url})

    async def run() -> None:
        async with open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core:
            await database_of(core).transact(migrate)
            clock.advance(SECOND)
            with pytest.raises(MovedOnError):
                await database_of(core).transact(lambda connection: connection.execute(sa.delete(PROCESSES)))

    with pytest.raises(OutdatedError):
        await run()
