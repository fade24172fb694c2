"""Several processes, many changes, one watch: its holder serves them all with one list call at a time."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import Setup, Stage, staged, until
from tests.unit.core.sample import change, put
from vpsops.core.changes.model import Change, State
from vpsops.core.execution.poller import LEASE
from vpsops.core.storage.tables import CHANGES, LEASES
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

NEVER = 600.0
RARELY = Setup(replace(QUICK, poll_grown=NEVER, poll_old=NEVER, power_limit=NEVER * 9))
Two = tuple[Stage, Stage]


@pytest.fixture
async def slow() -> AsyncIterator[SimulatorHandle]:
    """A provider where servers take seconds for an operation."""
    async with running_simulator(SimulatorConfig(speed=0.5, fleet=130, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
async def two(database_url: str, slow: SimulatorHandle) -> AsyncIterator[Two]:
    async with (
        staged(database_url, slow, replace(RARELY, front="slack")) as first,
        staged(database_url, slow, replace(RARELY, front="mcp")) as second,
    ):
        yield first, second


async def watched(stage: Stage, hostname: str) -> Change:
    """Let a change be sent that takes long."""
    held = await stage.confirmed("stop", server=stage.server(hostname).id)
    return await stage.reach(held.id, State.WATCHING)


async def grow_old(stage: Stage, current: Change) -> None:
    """Let a change have been sent twenty minutes ago, and the watch have seen that."""
    old = sa.update(CHANGES).where(CHANGES.c.id == current.id).values(sent_at=CHANGES.c.sent_at - 1200.0)
    await stage.database.transact(lambda connection: connection.execute(old))
    polls = stage.asked("list")
    await until(lambda: stage.asked("list") > polls)


def settle(stage: Stage, hostname: str) -> None:
    """Let a server arrive where it was asked to be."""
    server = stage.provider.simulator.world.find(hostname)
    assert server is not None
    stage.provider.simulator.world.override(server, Really.STOPPED, None, None)


async def test_who_watches_hears_of_what_another_process_sent(two: Two) -> None:
    """A watch that has become slow polls soon again, and the new change settles in its own time."""
    first, second = two
    await grow_old(first, await watched(first, "old.example.com"))
    new = await watched(second, "new.example.com")
    settle(first, "new.example.com")
    assert (await second.rest(new.id)).state is State.SUCCEEDED
    owner = await first.database.read(lambda c: c.scalar(sa.select(LEASES.c.owner).where(LEASES.c.name == LEASE)))
    assert owner == first.process.id


async def test_a_burst_of_nudges_is_one_look(two: Two) -> None:
    """Twenty requests for a refresh in one moment are one call."""
    first, _ = two
    await grow_old(first, await watched(first, "old.example.com"))
    clock, polls = first.clock, first.asked("list")
    for _ in range(20):
        first.engine.poll_soon()
    await until(lambda: first.asked("list") > polls)
    await clock.sleep(0.7)
    assert first.asked("list") == polls + 1


@pytest.mark.parametrize("number", [1, 10, 100])
async def test_any_number_of_watches_is_one_call_at_a_time(
    database_url: str, slow: SimulatorHandle, number: int
) -> None:
    """The calls follow the clock and neither the number of changes nor that of the processes."""
    servers = [server for server in slow.simulator.world.servers() if server.state is Really.RUNNING]
    assert len(servers) >= number
    async with staged(database_url, slow) as first, staged(database_url, slow) as second:

        def fill(connection: sa.Connection) -> None:
            now = first.clock.now()
            for count, entry in enumerate(servers[:number]):
                target = replace(change().target, id=entry.id, hostname=f"{count}.example.com")
                put(connection, change(id=f"chg_{count}", target=target, sent_at=now, created_at=now))

        await first.database.transact(fill)
        await first.engine.start()
        await second.engine.start()
        await until(lambda: first.asked("list") >= 1)
        begun, polls = first.clock.monotonic(), first.asked("list")
        await until(lambda: first.asked("list") >= polls + 8)
        assert 8 / (first.clock.monotonic() - begun) <= 1.3 / QUICK.poll_young
        assert (first.asked("get"), first.asked("status")) == (0, 0)


async def test_a_server_that_vanished_is_lost(database_url: str, slow: SimulatorHandle) -> None:
    """Not in the list, and 404 by its id for a while: the change fails, and people are notified once."""
    async with staged(database_url, slow, Setup(replace(QUICK, missing_limit=0.3))) as stage:
        entry = await watched(stage, "web.example.com")
        server = slow.simulator.world.find("web.example.com")
        assert server is not None
        slow.simulator.world.remove(server)
        ended = await stage.rest(entry.id)
        assert ended.state is State.FAILED
        assert ended.note.startswith(f"the provider answers 404 for {server.id}, and its list does not have the server")
        assert [event["event"] for event in await stage.notices()] == ["failed"]


async def test_an_outage_is_logged_once_and_its_end_once(database_url: str, slow: SimulatorHandle) -> None:
    """However often the poll fails, the log has one entry when it begins and one when it is over."""
    async with staged(database_url, slow) as stage:
        with capture_logs() as logs:
            candidate = await watched(stage, "web.example.com")
            stage.fault("status", "list", status=502)
            polls = stage.asked("list")
            await until(lambda: stage.asked("list") >= polls + 10)
            slow.simulator.faults.clear()
            settle(stage, "web.example.com")
            assert (await stage.rest(candidate.id)).state is State.SUCCEEDED
    events = [entry["event"] for entry in logs if entry["event"] in {"provider_unavailable", "provider_recovered"}]
    assert events == ["provider_unavailable", "provider_recovered"]
