"""Ends of servers that were altered in the database alone: the trail does not carry them, and nothing is stopped."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.execution.ends.test_end_worker import end_of, made
from tests.unit.core.harness import Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, pass_time
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.ends.model import EndState
from vpsops.core.storage.tables import SERVER_ENDS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

UNAUTHORIZED = "the audit trail does not carry its approval"


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider,
        staged(database_url, provider, Setup(clock=DatedClock())) as opened,
    ):
        yield opened


@pytest.mark.requirement("end-stops-once")
async def test_an_end_that_was_brought_nearer_stops_nothing(stage: Stage) -> None:
    """Neither a nearer end nor an agreed one, as its record has another time: people are asked."""
    change = await made(stage, "2d")
    now = stage.clock.now().timestamp()
    values = {"ends_at": now, "next_at": now, "since": now - 9e4}
    await stage.database.transact(lambda connection: connection.execute(sa.update(SERVER_ENDS).values(**values)))
    for _ in range(30):
        await pass_time(stage, timedelta(seconds=1))
        if (await end_of(stage, change)).state not in {EndState.OPEN, EndState.STOPPING}:
            break
    end = await end_of(stage, change)
    assert end.state is EndState.ASKED
    stop = await stage.changes.get(end.stop_id, scope=OPERATOR)
    assert stop.state is State.FAILED
    assert UNAUTHORIZED in stop.note
    assert stage.effects("stop") == 0
