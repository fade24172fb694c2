"""`vpsops doctor` says how much room each table takes."""

import pytest

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.backup.backups import connected
from tests.unit.core.storage import samples
from vpsops.core.common.text import count_text, size_text
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import Level
from vpsops.core.diagnostics import size
from vpsops.core.diagnostics.size import check_size, table_sizes
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import METADATA


@pytest.mark.requirement("doctor-names-sizes")
async def test_each_table_has_its_rows_and_the_room_it_takes(database_url: str) -> None:
    async with open_database(database_url, VirtualClock()) as database:
        with connected(database_url) as connection:
            samples.fill(connection)
        tables = {table.name: table for table in await database.read(table_sizes)}
        (finding,) = await check_size(database, Settings.model_validate({"VPSOPS_DATABASE_URL": database_url}))
    assert tables.keys() == set(METADATA.tables)
    assert {table.rows for table in tables.values()} == {1}
    assert all(table.size for table in tables.values())
    assert finding.level is Level.OK
    assert all(table.text in finding.what for table in tables.values())
    assert "empty: 0 tables" in finding.what


async def test_a_disk_without_room_is_a_warning(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Database, "free_bytes", size.SCARCE_BYTES)
    assert [finding.level for finding in await check_size(database, Settings())] == [Level.OK]
    monkeypatch.setattr(Database, "free_bytes", size.SCARCE_BYTES - 1)
    (finding,) = await check_size(database, Settings())
    assert (finding.level, "100.0 MB are free" in finding.what) == (Level.WARN, True)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (5_000_000_000_000, "5000.0 GB")],
)
def test_sizes_are_read_in_one_unit(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 rows"), (1, "1 row"), (1204, "1,204 rows")])
def test_a_number_of_things_is_in_plain_english(count: int, text: str) -> None:
    assert count_text(count, "row") == text
