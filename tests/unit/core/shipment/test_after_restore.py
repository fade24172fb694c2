"""Shipping of a database that was restored: it continues from the position that the backup holds."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.audit_trail import RECORDS, happen
from tests.fakes.storage.databases import migrated
from tests.unit.core.backup.backups import backed_up
from tests.unit.core.backup.test_restoration import restore
from tests.unit.core.shipment.test_shipper import CLOCK, Memory, append, shipper
from vpsops.core.backup.restoration import contents_of
from vpsops.core.shipment.shipper import positions
from vpsops.core.storage import open_database


@pytest.mark.requirement("ship-at-least-once")
async def test_a_restored_database_ships_on_from_the_position_in_its_backup(tmp_path: Path) -> None:
    """What was shipped after the backup is not in the trail any more: its numbers come again with other hashes."""
    url, path, memory = migrated(tmp_path / "source.sqlite3"), tmp_path / "db.backup", Memory()
    async with open_database(url, CLOCK) as database:
        await database.transact(happen)
        await shipper(database, memory).ship()
        await database.transact(partial(append, count=1, text="in the backup, and not shipped before it"))
        backed_up(url, path)
        await database.transact(partial(append, count=2, text="after the backup"))
        await shipper(database, memory).ship()
        assert memory.numbers == list(range(1, RECORDS + 4))
    again = Memory()
    async with open_database(url, CLOCK) as database:
        await restore(database, path, await database.read(contents_of))
        await shipper(database, again).ship()
        (position,) = await database.read(positions)
    assert again.numbers == list(range(RECORDS + 1, position.seq + 1))
    before, after = [json.loads(line) for line in memory.lines[RECORDS:]], [json.loads(line) for line in again.lines]
    assert after[0] == before[0]
    assert after[1]["seq"] == before[1]["seq"]
    assert after[1]["hash"] != before[1]["hash"]
    assert "store_restored" in {line["event"] for line in after}
