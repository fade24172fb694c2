"""`vpsops doctor` on the policy in force, and on processes that were started with another."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.policies import put_in_force
from tests.harness.virtual_time import VirtualClock
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, Level
from vpsops.core.policy.model import short_version
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.diagnostics import check_active_policy, ruleset_of
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import POLICIES, PROCESSES

RULES = '[[rule]]\nid = "all"\ndecision = "allow"\n'


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url, VirtualClock()) as opened:
        yield opened


@pytest.fixture
def own(tmp_path: Path) -> Settings:
    path = tmp_path / "vpsops.toml"
    path.write_text(RULES)
    return Settings.model_validate({"VPSOPS_CONFIG": path})


async def findings(database: Database, settings: Settings) -> list[DoctorFinding]:
    return list(await check_active_policy(database, settings))


async def living(database: Database, ident: str, policy: str, source: str = "") -> None:
    """Store a heartbeat of a process now."""

    def work(connection: sa.Connection) -> None:
        values = {"id": ident, "front": "worker", "started_at": 1.0, "beat": database.tick(connection)}
        connection.execute(sa.insert(PROCESSES).values(**values, policy=policy, policy_source=source))

    await database.transact(work)


@pytest.mark.requirement("policy-doctor")
async def test_processes_with_another_policy_are_named(database: Database, own: Settings) -> None:
    """The one in force, who has it, and each one that has not: by its version and its file."""
    assert await findings(database, own) == []
    applied = await put_in_force(database, own)
    await living(database, "worker-1", applied.version)
    good = await findings(database, own)
    assert [item.level for item in good] == [Level.OK, Level.OK]
    assert f"in force for all processes: {short_version(applied.version)}, 1 rules, number 1" in good[0].what
    assert "1 living processes were started with it: worker-1" in good[1].what
    await living(database, "mcp-2", "pol_" + "0" * 64, "/home/ann/own.toml")
    await living(database, "mcp-3", "")
    results = [item for item in await findings(database, own) if item.level is Level.FAIL]
    assert [item.what for item in results] == [
        "mcp-2 was started with another policy (pol_00000000, from /home/ann/own.toml)",
        "mcp-3 was started with another policy (none that it could read, from its environment)",
    ]


async def test_a_set_up_with_another_policy_is_told(database: Database, own: Settings) -> None:
    """What this terminal would start changes nothing, and which commands settle it."""
    await put_in_force(database, Settings())
    (_, mine) = await findings(database, own)
    assert mine.level is Level.FAIL
    assert str(own.config) in mine.what
    assert f"vpsops policy apply {own.config}" in mine.todo
    assert len(await findings(database, Settings())) == 1


async def test_a_file_that_is_wrong_hides_no_other_line(database: Database, own: Settings, tmp_path: Path) -> None:
    """The file has a line of its own; which process runs under which policy is reported all the same."""
    applied = await put_in_force(database, own)
    await living(database, "worker-1", applied.version)
    await anyio.Path(tmp_path / "vpsops.toml").write_text(RULES.replace("allow", "perhaps"))
    assert [item.level for item in await findings(database, own)] == [Level.OK, Level.OK]


async def test_a_policy_that_cannot_be_relied_on_is_a_failure(database: Database, own: Settings) -> None:
    """Written past the trail."""
    await put_in_force(database, own)
    await database.transact(lambda connection: connection.execute(sa.update(POLICIES).values(record=99)))
    (result,) = await findings(database, own)
    assert result.level is Level.FAIL
    assert "the audit trail does not carry it" in result.what


async def test_what_decides_is_the_databases_or_else_ones_own(database_url: str, own: Settings) -> None:
    """For commands that explain and check beside a running system."""
    here = own.model_copy(update={"database_url": database_url})
    clock = VirtualClock()
    assert (await ruleset_of(here, clock)).document == declaration_of(own).document(None)
    async with open_database(database_url, clock) as database:
        await put_in_force(database, Settings())
    assert (await ruleset_of(here, clock)).document.embedded
