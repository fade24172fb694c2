"""`vpsops grants`: the table of what is open, and the end of a grant at a terminal."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.grants.test_model import SOURCE, grant
from vpsops.cli.grants.command import grant_row, list_grants
from vpsops.core.grants import repository
from vpsops.core.storage import open_database


async def test_the_table_of_open_grants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is over is left out; an agent's name is marked as its claim."""
    clock = VirtualClock()
    now = clock.now()
    open_grant = grant(opened_at=now, until=now + timedelta(hours=1), used=1)
    over = replace(open_grant, id="gr_2", source="chg_2", until=now - timedelta(seconds=1))
    async with open_database(migrated(tmp_path / "db.sqlite3"), clock) as database:
        await list_grants(database)
        assert capsys.readouterr().out == "No grant is open.\n"
        for entry in (open_grant, over):
            await database.transact(partial(repository.insert, grant=entry))
        await list_grants(database)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("gr_1")
    assert "calls itself “assistant”" in lines[1]
    assert lines[1].endswith("1 of 3")


def test_a_row_names_the_servers_of_a_rule() -> None:
    """By the patterns of the rule."""
    assert grant_row(grant(servers=("web*", "app01")))[2] == "web*, app01"
    assert grant_row(grant())[2] == SOURCE.target.hostname
