"""The monitor: drift, outages and usage are noticed for their subscribers, by one process."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.fakes.clock import FakeClock
from tests.fakes.timing import QUICK
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import ALICE, KEY, Setup, Stage, staged, until
from tests.unit.core.sample import server
from vpsops.core.audit import chain
from vpsops.core.changes.model import State
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.messaging.subscriptions import (
    Subscription,
    SubscriptionEvent,
    SubscriptionOptions,
    Subscriptions,
    Threshold,
)
from vpsops.core.monitoring import monitor_state
from vpsops.core.monitoring.monitor import FleetMonitor
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import OUTBOX, SWITCHES
from vpsops.core.wayscloud.answers.models import Usage
from vpsops.core.wayscloud.client import Wayscloud
from vpsops.core.wayscloud.requests.connection import ProviderConnection
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

SETUP = Setup(replace(QUICK, keep_seconds=0.05, poll_idle=0.05, usage_seconds=0.05))


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600, seed=7), clock=VirtualClock()) as handle:
        yield handle


async def subscribe(stage: Stage, *events: SubscriptionEvent, options: SubscriptionOptions | None = None) -> None:
    """Subscribe a channel to some events."""
    subscription = Subscription("sub_1", "T1", "C1", frozenset(events), options=options or SubscriptionOptions())
    await Subscriptions(stage.database, stage.clock).add(subscription, ALICE)


async def wait_for_polls(stage: Stage, more: int = 2) -> None:
    """Wait for further polls of the fleet."""
    seen_now = stage.asked("list")
    await until(lambda: stage.asked("list") >= seen_now + more)


def turn(stage: Stage, hostname: str, state: Really) -> None:
    """Let a server be in another state without our doing."""
    world = stage.provider.simulator.world
    result = world.find(hostname)
    assert result is not None
    world.override(result, state, None, None)


async def drift(stage: Stage) -> list[str]:
    """Return the reported drift."""
    return [
        item["text"] for event in await stage.notices() if event.get("event") == "drift" for item in event["drifts"]
    ]


async def wait_for_events(stage: Stage, count: int) -> list[str]:
    """Wait until so many events were reported, and return them."""
    while len(results := [str(item.get("event")) for item in await stage.notices()]) < count:
        await wait_for_polls(stage, 1)
    return results


async def test_nobody_subscribed_means_no_look_at_all(database_url: str, provider: SimulatorHandle) -> None:
    """An idle process with no subscription but one for changes asks the provider nothing."""
    async with staged(database_url, provider, SETUP) as stage:
        await subscribe(stage, SubscriptionEvent.SETTLED)
        await stage.engine.start()
        await stage.clock.sleep(0.3)
        assert stage.asked("list") == 0


async def test_drift_is_told_while_nothing_is_being_changed(database_url: str, provider: SimulatorHandle) -> None:
    """A server that stopped by itself is reported once, with a record in the trail; the first poll reports nothing."""
    async with staged(database_url, provider, SETUP) as stage:
        stage.server("web90.example.com")
        await stage.engine.start()
        await subscribe(stage, SubscriptionEvent.DRIFT)
        await wait_for_polls(stage)
        assert await stage.notices() == []
        turn(stage, "web90.example.com", Really.STOPPED)
        await wait_for_polls(stage, 3)
        assert await drift(stage) == ["web90.example.com was running, is stopped; it was not requested here."]
        records = await stage.database.read(chain.read)
        assert [record.body["hostname"] for record in records if record.event == "drift"] == ["web90.example.com"]


@pytest.mark.requirement("own-change-is-no-drift")
async def test_what_our_own_change_did_is_no_drift(database_url: str, provider: SimulatorHandle) -> None:
    """A requested stop is reported as a change and not again as drift."""
    async with staged(database_url, provider, SETUP) as stage:
        mine = stage.server("web90.example.com")
        await stage.engine.start()
        await subscribe(stage, SubscriptionEvent.DRIFT)
        await wait_for_polls(stage)
        ended = await stage.done("stop", server=mine.id)
        assert ended.state is State.SUCCEEDED
        await wait_for_polls(stage, 3)
        assert await drift(stage) == []


async def test_drift_during_a_restart_is_told_by_the_next_process(database_url: str, provider: SimulatorHandle) -> None:
    """The servers' states are stored: what happened between processes is reported, our own acts are not."""
    async with staged(database_url, provider, SETUP) as stage:
        ours = stage.server("web91.example.com")
        stage.server("web90.example.com")
        await stage.engine.start()
        await subscribe(stage, SubscriptionEvent.DRIFT)
        await wait_for_polls(stage)
    async with staged(database_url, provider, Setup(front="worker")) as between:  # one that does not monitor
        await between.database.transact(lambda c: c.execute(SWITCHES.update().values(at=SWITCHES.c.at - 60.0)))
        assert (await between.done("stop", server=ours.id)).state is State.SUCCEEDED
        turn(between, "web90.example.com", Really.STOPPED)
    async with staged(database_url, provider, SETUP) as stage:
        await stage.engine.start()
        await wait_for_polls(stage, 3)
        assert [text.split()[0] for text in await drift(stage)] == ["web90.example.com"]


async def test_a_fleet_that_nobody_looked_at_for_long_is_not_compared_with(
    database_url: str, provider: SimulatorHandle
) -> None:
    """After more than an hour a first poll reports nothing: what happened since is no news."""
    async with staged(database_url, provider, SETUP) as stage:
        stage.server("web90.example.com")
        await subscribe(stage, SubscriptionEvent.DRIFT)
        await stage.engine.start()
        await wait_for_polls(stage)
    async with staged(database_url, provider, SETUP) as stage:
        old = monitor_state.KEEP_SECONDS + 1
        await stage.database.transact(lambda c: c.execute(SWITCHES.update().values(at=SWITCHES.c.at - old)))
        turn(stage, "web90.example.com", Really.STOPPED)
        await stage.engine.start()
        await wait_for_polls(stage, 3)
        assert await stage.notices() == []


async def test_two_processes_look_as_often_as_one_and_tell_once(database_url: str, provider: SimulatorHandle) -> None:
    """The lease holds while nothing is being changed too; the other process does not even try to write."""
    async with staged(database_url, provider, SETUP) as first, staged(database_url, provider, SETUP) as second:
        first.server("web90.example.com")
        await subscribe(first, SubscriptionEvent.DRIFT)
        await first.engine.start()
        await second.engine.start()
        await wait_for_polls(first)
        begun, count = first.clock.monotonic(), first.asked("list")
        await wait_for_polls(first, 5)
        assert first.asked("list") - count <= 3 + (first.clock.monotonic() - begun) / 0.04
        turn(first, "web90.example.com", Really.STOPPED)
        await wait_for_polls(first, 4)
        assert len(await drift(first)) == 1


async def test_a_fleet_that_moves_as_a_whole_is_a_few_messages(database_url: str) -> None:
    """Three hundred servers at once are two messages and two records, not six hundred."""
    async with (
        running_simulator(SimulatorConfig(speed=600, seed=7, fleet=300), clock=VirtualClock()) as handle,
        staged(database_url, handle, SETUP) as stage,
    ):
        await subscribe(stage, SubscriptionEvent.DRIFT)
        await stage.engine.start()
        world = handle.simulator.world
        lasting = {Really.RUNNING, Really.STOPPED, Really.ERROR}
        await until(lambda: all(item.state in lasting for item in world.servers()))
        await wait_for_polls(stage)
        running = [item for item in world.servers() if item.state is Really.RUNNING]
        assert len(running) > 200
        for entry in running:
            world.override(entry, Really.STOPPED, None, None)
        await wait_for_polls(stage, 3)
        assert len(await drift(stage)) == len(running)
        assert len(await stage.notices()) <= 1 + len(running) // 200 + 1
        records = await stage.database.read(chain.read)
        assert len([record for record in records if record.event == "drift"]) <= 4


async def test_an_outage_is_told_once_over_a_restart_and_its_end_too(
    database_url: str, provider: SimulatorHandle
) -> None:
    """The process that reported it dies; the next one does not repeat it, and reports when it is over."""
    async with staged(database_url, provider, SETUP) as stage:
        await subscribe(stage, SubscriptionEvent.PROVIDER)
        await stage.engine.start()
        await wait_for_polls(stage)
        stage.fault("status", "list", status=502)
        assert await wait_for_events(stage, 1) == ["provider_unreachable"]
    async with staged(database_url, provider, SETUP) as stage:
        await stage.engine.start()
        await wait_for_polls(stage, 12)  # longer than an outage lasts until it is reported
        assert await wait_for_events(stage, 1) == ["provider_unreachable"]
        provider.simulator.faults.clear()
        assert await wait_for_events(stage, 2) == ["provider_unreachable", "provider_back"]


async def test_usage_is_read_only_where_somebody_set_a_threshold(database_url: str, provider: SimulatorHandle) -> None:
    """At most twenty servers in a round, and only those that are meant."""
    usage = SubscriptionOptions(usage=(Threshold("cpu", 0.001, 1),))
    async with staged(database_url, provider, SETUP) as stage:
        subscription = Subscription("sub_1", "T1", "C1", frozenset({SubscriptionEvent.USAGE}), ("web90*",), usage)
        await Subscriptions(stage.database, stage.clock).add(subscription, ALICE)
        mine = stage.server("web90.example.com")
        await stage.engine.start()
        await wait_for_polls(stage, 3)
        asked = stage.provider.simulator.journal.entries(operation="status")
        assert asked
        assert {item.path.split("/")[-2] for item in asked} == {mine.id}


class Figures(Wayscloud):
    """A provider that is asked for usage only, recording for which servers."""

    cpu = 97.0

    async def server_status(self, server_id: str) -> Usage:
        """Return the figures of one server."""
        self.asked.append(server_id)
        return Usage(cpu_percent=self.cpu)

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(ProviderConnection(Credentials(KEY), base_url="http://127.0.0.1:1", clock=clock))
        self.asked: list[str] = []


async def test_a_high_figure_is_told_once_over_a_restart_and_its_end_too(database_url: str) -> None:
    """Twenty servers a round take turns; reports are stored, so the next process only reports the end."""
    clock, fleet = FakeClock(), [server("running", f"s{n:02}", f"web{n:02}.example.com") for n in range(30)]
    usage = SubscriptionOptions(usage=(Threshold("cpu", 90, 3),))
    subscriptions = [Subscription("sub_1", "T1", "C1", frozenset({SubscriptionEvent.USAGE}), ("web*",), usage)]
    async with open_database(database_url, clock) as database:
        api = Figures(clock)

        async def rounds(count: int) -> list[str]:
            lookout = FleetMonitor(database, api, clock, DEFAULT_TIMING)
            await lookout.begin()
            for _ in range(count):
                await lookout.measure(fleet, subscriptions)
                clock.advance(60.0)
            query = sa.select(OUTBOX.c.payload).order_by(OUTBOX.c.id)
            return [row["text"] for row in await database.read(lambda c: c.scalars(query).all())]

        assert await rounds(2) == []
        assert len(api.asked) == 40
        assert len(set(api.asked)) == 30
        alerts = await rounds(6)
        assert len(alerts) == len(set(alerts)) == 30
        assert await rounds(6) == alerts
        api.cpu = 50.0
        after = await rounds(6)
        assert len(after) == 60
        assert "is below 90 % again" in after[-1]
