"""Ends of servers that were altered in the database alone: the trail does not carry them, and nothing is stopped."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.execution.ends.test_end_worker import bring, end_of, keep, made, reach
from tests.unit.core.harness import Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, pass_time
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.changes.serialization import origin_values
from vpsops.core.ends.lifecycle import ask_about_all, note_gone
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


async def findings(stage: Stage) -> list[str]:
    """Return the differences between rows and trail, as they are reported."""
    return [str(each) async for each in discrepancies(stage.database)]


async def alter(stage: Stage, **values: Any) -> None:
    """Write values into the rows of ends, beside the trail."""
    await stage.database.transact(lambda connection: connection.execute(sa.update(SERVER_ENDS).values(**values)))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"ends_at": 9e9}, "the row of its end has another time than the audit trail"),
        ({"made_at": 9e9}, "the row of its end has another beginning than the audit trail"),
        ({"state": "asked"}, "by the audit trail its end is open, and its row says asked"),
        ({"state": "gone", "next_at": None}, "by the audit trail its end is open, and its row says gone"),
        ({"turn": 7}, "the row of its end has another turn than the audit trail"),
        ({"stop_id": "chg_other"}, "the row of its end has another stop than the audit trail"),
        ({"delete_id": "chg_other"}, "the row of its end has another deletion than the audit trail"),
        ({"hostname": "db01.example.com"}, "the row of its end has another name than the audit trail"),
        ({"server_id": "srv-other"}, "the audit trail does not hold that its server has an end"),
        ({"next_at": None}, "the row of its end says that it is not looked at when its time comes"),
        ({"next_at": 9e9}, "the row of its end says that it is not looked at when its time comes"),
        ({"owner": None}, "its row cannot be read"),
    ],
)
async def test_an_end_that_was_altered_is_told(stage: Stage, values: dict[str, Any], why: str) -> None:
    """Each fact of an end by which it acts, or by which people decide, is compared with its records."""
    change = await made(stage, "2d")
    assert await findings(stage) == []
    await alter(stage, **values)
    assert any(why in line for line in await findings(stage))
    assert any(change.id in line or "the end of" in line for line in await findings(stage))


async def test_an_end_of_another_owner_is_told(stage: Stage) -> None:
    """Who may keep a server is the one who asked for it."""
    change = await made(stage, "2d")
    owner = asdict((await end_of(stage, change)).owner)
    await alter(stage, owner={**owner, "id": "U0EVE"})
    assert await findings(stage) == [f"{change.id}: the row of its end has another owner than the audit trail"]


async def test_an_end_of_another_workspace_is_told(stage: Stage) -> None:
    """Its workspace decides who sees it."""
    change = await made(stage, "2d")
    origin = origin_values((await end_of(stage, change)).origin)
    await alter(stage, origin={**origin, "team": "T0OTHER"})
    assert await findings(stage) == [f"{change.id}: the row of its end has another workspace than the audit trail"]


async def test_an_end_that_was_deleted_is_told(stage: Stage) -> None:
    """A server that nothing stops any more is named by the change that made it."""
    change = await made(stage, "2d")
    await stage.database.transact(lambda connection: connection.execute(sa.delete(SERVER_ENDS)))
    assert await findings(stage) == [
        f"{change.id}: the trail holds that its server has an end, and the row of that is gone"
    ]


async def test_an_end_is_as_recorded_all_its_life(stage: Stage) -> None:
    """Made, kept, stopped at its end: what vpsops did itself is no finding."""
    change = await made(stage, "2h")
    await stage.gate.keep_server(keep("2h"), scope=OPERATOR)
    assert await findings(stage) == []
    await bring(stage, change, timedelta(hours=4) - timedelta(seconds=10))
    end = await reach(stage, change, EndState.STOPPED)
    assert end.stop_id
    assert await findings(stage) == []
    await stage.gate.keep_server(keep("2h"), scope=OPERATOR)
    assert (await end_of(stage, change)).state is EndState.OPEN
    assert await findings(stage) == []
    await stage.database.transact(lambda connection: ask_about_all(connection, stage.clock.now()))
    assert await findings(stage) == []


async def test_many_ends_are_compared(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page: none of them is left out."""
    monkeypatch.setattr("vpsops.core.authorization.discrepancies.PAGE", 1)
    changes = [await made(stage, "2d", f"load{number:02}.example.com") for number in range(3)]
    assert await findings(stage) == []
    await alter(stage, turn=9)
    assert {line.split(":")[0] for line in await findings(stage)} == {change.id for change in changes}


async def test_the_end_of_a_server_that_is_gone_is_as_recorded(stage: Stage) -> None:
    """Its last record leads to the state of its row."""
    change = await made(stage, "2d")
    end = await end_of(stage, change)
    await stage.database.transact(lambda connection: note_gone(connection, end, stage.clock.now()))
    assert await findings(stage) == []
