"""Grants that were open in a backup: trust for a time does not come back with the database."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.unit.core.backup.backups import backed_up, connected
from tests.unit.core.backup.test_restoration import CLOCK, restore
from tests.unit.core.storage.samples import ANN, CHANGE, NOW
from vpsops.core.grants import repository
from vpsops.core.grants.model import Grant, GrantState
from vpsops.core.identity.actors import Origin
from vpsops.core.operations.target import Target
from vpsops.core.storage import open_database

LATER = NOW + timedelta(days=1)
OPEN = Grant(
    id="gr_0123456789ab",
    state=GrantState.OPEN,
    source="chg_0123456789ab",
    agent=ANN,
    origin=Origin("mcp"),
    operation="reboot",
    arguments={},
    target=Target("srv-1", "web01.example.com"),
    servers=(),
    states=(),
    ruling=CHANGE.ruling,
    uses=5,
    used=1,
    opened_at=NOW,
    until=LATER,
)


@pytest.mark.requirement("restore-sends-nothing")
async def test_a_grant_that_was_open_in_a_backup_is_ended(tmp_path: Path) -> None:
    """It may have been used up or taken back since: an agent asks again."""
    url, path = migrated(tmp_path / "source.sqlite3"), tmp_path / "db.backup"
    with connected(url) as connection:
        repository.insert(connection, OPEN)
    backed_up(url, path)
    async with open_database(migrated(tmp_path / "other.sqlite3"), CLOCK) as database:
        await restore(database, path)
        grant = await database.read(lambda connection: repository.find(connection, OPEN.id))
    assert grant is not None
    assert (grant.state, grant.note) == (GrantState.ENDED, "The database went back.")
