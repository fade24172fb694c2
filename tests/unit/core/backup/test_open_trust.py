"""A backup from the middle: of requests for grants, open grants and open reviews, trust ends and reviews stay."""

from pathlib import Path

import pytest

from tests.fakes.storage.databases import migrated
from tests.unit.core.backup.backups import backed_up
from tests.unit.core.backup.test_restoration import check_trail, restore
from tests.unit.core.break_glass.test_overrides import overridden, policy, reviewed
from tests.unit.core.conftest import provider
from tests.unit.core.grants.harness import ask, grants, oncall, opened
from tests.unit.core.grants.test_requests import asked, known, voted
from tests.unit.core.harness import Setup, staged
from vpsops.core.break_glass import repository as reviews
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.grants.model import GrantState
from vpsops.playground.wayscloud.serve import SimulatorHandle

__all__ = ["provider"]


@pytest.mark.requirement("restore-sends-nothing")
async def test_a_request_for_a_grant_that_was_held_opens_none(
    database_url: str, provider: SimulatorHandle, tmp_path: Path
) -> None:
    """It may have been denied since: votes after the restore come too late, and it can be asked for again."""
    path = tmp_path / "db.backup"
    async with staged(database_url, provider, oncall()) as stage:
        await known(stage)
        change = await asked(stage)
    backed_up(database_url, path)
    async with staged(migrated(tmp_path / "other.sqlite3"), provider, oncall()) as stage:
        await restore(stage.database, path)
        assert (await stage.changes.get(change.id, scope=OPERATOR)).state is State.SUPERSEDED
        with pytest.raises(StaleChangeError):
            await voted(stage, change)
        assert await grants(stage) == []
        await check_trail(stage.database)
        assert (await voted(stage, await asked(stage))).state is State.SUCCEEDED


@pytest.mark.requirement("restore-sends-nothing")
async def test_a_grant_that_was_open_lets_nothing_through(
    database_url: str, provider: SimulatorHandle, tmp_path: Path
) -> None:
    """Its uses since are not known. The end is on record, and the next request of its agent is held."""
    path = tmp_path / "db.backup"
    async with staged(database_url, provider, oncall()) as stage:
        grant = await opened(stage)
    backed_up(database_url, path)
    async with staged(migrated(tmp_path / "other.sqlite3"), provider, oncall()) as stage:
        await restore(stage.database, path)
        (ended,) = await grants(stage)
        assert (ended.id, ended.state) == (grant.id, GrantState.ENDED)
        assert isinstance(await ask(stage), Held)
        assert stage.asked("reboot") == 1
        await check_trail(stage.database)


@pytest.mark.requirement("restore-sends-nothing")
@pytest.mark.parametrize("is_sent", [True, False])
async def test_a_review_that_was_open_stays_open(
    database_url: str, provider: SimulatorHandle, tmp_path: Path, *, is_sent: bool
) -> None:
    """People close it, also where the run itself needs a person now; nothing is sent."""
    path, setup = tmp_path / "db.backup", Setup(policy=policy())
    async with staged(database_url, provider, setup) as stage:
        stage.server("web01")
        held = await stage.ask("reboot", server="web01")
        if not is_sent:
            stage.engine._runs.add(held.id)
        await overridden(stage, held)
        if is_sent:
            await stage.rest(held.id)
    backed_up(database_url, path)
    async with staged(migrated(tmp_path / "other.sqlite3"), provider, setup) as stage:
        await restore(stage.database, path)
        await stage.engine.start()
        await stage.clock.sleep(60.0)
        after = await stage.changes.get(held.id, scope=OPERATOR)
        assert after.state is (State.SUCCEEDED if is_sent else State.NEEDS_PERSON)
        assert stage.asked("reboot") == is_sent
        assert await stage.database.read(reviews.count_open) == 1
        assert (await reviewed(stage, held)).override is not None
        assert await stage.database.read(reviews.count_open) == 0
        await check_trail(stage.database)
