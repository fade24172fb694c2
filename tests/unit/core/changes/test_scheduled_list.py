"""The list of what runs later begins with what runs next, however much is asked for after it or on other servers."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import ALICE, SLACK, Stage, staged
from vpsops.core.changes.model import Change
from vpsops.core.changes.queries import MAX_CHANGES
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope, ServerFilter
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.schedule.model import LaterRequest
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        yield opened


async def asked(stage: Stage, server: str, words: str) -> Change:
    stage.server(server)
    request = Request("reboot", {"server": server}, ALICE, SLACK, can_confirm=True, later=LaterRequest(words))
    outcome = await stage.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    return outcome.change


async def add_copies(stage: Stage, change: Change, *, later: timedelta) -> None:
    """Store as many copies of a change as a list holds, each asked for after it, to run some time after it."""

    def work(connection: Connection) -> None:
        row = dict(connection.execute(sa.select(CHANGES).where(CHANGES.c.id == change.id)).mappings().one())
        run_at = row["run_at"] + later.total_seconds()
        times = {"run_at": run_at, "schedule": {**row["schedule"], "run_at": run_at, "run_until": run_at + 1800}}
        for number in range(MAX_CHANGES):
            moved = {"created_at": row["created_at"] + 1 + number, **times}
            connection.execute(sa.insert(CHANGES).values(**{**row, "id": f"chg_{number:012x}", "lock": None, **moved}))

    await stage.database.transact(work)


async def test_what_runs_next_is_there_however_much_was_asked_for_since(stage: Stage) -> None:
    first = await asked(stage, "web01", "in 1h")
    await add_copies(stage, first, later=timedelta(hours=5))
    listed = await stage.changes.scheduled(scope=OPERATOR)
    assert (len(listed), listed[0].id) == (MAX_CHANGES, first.id)


async def test_other_servers_hide_nothing(stage: Stage) -> None:
    """A scope of some servers sees all of theirs, also behind a full list of others that run before."""
    own = await asked(stage, "db01", "in 8h")
    await add_copies(stage, await asked(stage, "web01", "in 1h"), later=timedelta())
    narrow = Scope(servers=ServerFilter((ServerPatterns.of(["db*"]),)))
    assert [change.id for change in await stage.changes.scheduled(scope=narrow)] == [own.id]
