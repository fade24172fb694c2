"""The list of servers that plans share for a moment: what vpsops did since it was read is never missed."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.fakes.clock import FakeClock
from tests.unit.core.harness import BRISK, KEY, Stage, staged
from tests.unit.core.sample import change, put
from vpsops.core.changes.model import State
from vpsops.core.common.timings import FLEET_SECONDS
from vpsops.core.execution.plans.fleet import MOST_READ_AGAIN, FleetList, FleetReader
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as opened:
        opened.server("app001.example.com")
        yield opened


@pytest.fixture
async def reader(stage: Stage) -> AsyncIterator[FleetReader]:
    """A reader whose own seconds stand still."""
    url = stage.provider.url
    async with ProviderConnection(Credentials(KEY), base_url=url, clock=stage.clock, settings=BRISK) as connection:
        yield FleetReader(stage.database, Wayscloud(connection), FakeClock())


def is_ready(fleet: FleetList, hostname: str) -> bool:
    return next(server.ready for server in fleet.servers if server.hostname == hostname)


async def ids_down(stage: Stage, fleet: FleetList, but: str = "") -> set[str]:
    down = await stage.database.read(lambda connection: fleet.mark.servers_down(connection, but))
    return {target.id for target in down}


async def test_a_server_that_was_stopped_since_is_read_again_by_itself(stage: Stage, reader: FleetReader) -> None:
    """No change has it any more, and the list still says that it runs."""
    before = await reader.read()
    assert is_ready(before, "app001.example.com")
    stopped = await stage.done("stop", server="app001")
    lists = stage.asked("list")
    assert stopped.target.id in await ids_down(stage, before)
    after = await reader.read()
    assert not is_ready(after, "app001.example.com")
    assert await ids_down(stage, after) == set()
    assert stage.asked("list") == lists


async def test_a_stop_that_was_under_way_at_the_read_counts_until_its_server_is_read_again(
    stage: Stage, reader: FleetReader
) -> None:
    """It ends before the member begins, and the list is of before it did anything."""
    stage.fault("slow", "stop", "app001.example.com", seconds=1)
    change_id = (await stage.confirmed("stop", server="app001")).id
    await stage.reach(change_id, State.SENDING)
    fleet = await reader.read()
    stopped = await stage.rest(change_id)
    assert stopped.state is State.SUCCEEDED
    assert stopped.target.id in await ids_down(stage, fleet)
    assert not is_ready(await reader.read(), "app001.example.com")


async def test_a_moved_server_that_cannot_be_read_counts_as_down(stage: Stage, reader: FleetReader) -> None:
    """Until it can be read, or the whole list is."""
    await reader.read()
    restarted = await stage.done("reboot", server="app001")
    stage.fault("status", "get", "app001.example.com", status=500)
    assert restarted.target.id in await ids_down(stage, await reader.read())
    stage.provider.simulator.faults.clear()
    assert await ids_down(stage, await reader.read()) == set()


async def test_a_member_does_not_count_against_itself(stage: Stage, reader: FleetReader) -> None:
    """Its own change is under way as it is counted."""
    fleet = await reader.read()
    change_id = (await stage.confirmed("reboot", server="app001")).id
    assert await ids_down(stage, fleet, but=change_id) == set()


async def test_many_servers_that_moved_are_read_as_a_list(stage: Stage, reader: FleetReader) -> None:
    """It is one call in place of many."""
    await reader.read()
    for number in range(MOST_READ_AGAIN + 1):
        target = Target(f"s{number}", f"s{number}.example.com", "running")
        made = change("reboot", State.FAILED, id=f"chg_{number}", target=target, sent_at=stage.clock.now())
        await stage.database.transact(partial(put, record=made))
    await reader.read()
    assert (stage.asked("list"), stage.asked("get")) == (2, 0)


async def test_a_list_is_read_again_when_its_moment_is_over(stage: Stage, reader: FleetReader) -> None:
    """What others than vpsops do to servers is seen by no record."""
    assert isinstance(reader.clock, FakeClock)
    for seconds, lists in ((0.0, 1), (FLEET_SECONDS, 1), (0.1, 2)):
        reader.clock.advance(seconds)
        await reader.read()
        assert stage.asked("list") == lists
