"""Watching: one list call for any number of changes until the last ends; outages and drift are announced once."""

import json
from collections.abc import AsyncIterator, Callable

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import backend_of, database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.conftest import KEY
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.storage.tables import OUTBOX
from vpsops.playground.wayscloud.faults import parse
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

ALICE = Actor(ActorKind.PERSON, "U1", "alice", "U1")


@pytest.fixture
async def slow() -> AsyncIterator[SimulatorHandle]:
    """A provider so slow that a watch lasts for the whole test."""
    async with running_simulator(SimulatorConfig(speed=1.0, fleet=160, seed=7), clock=VirtualClock()) as handle:
        yield handle


@pytest.fixture
async def core(slow: SimulatorHandle, database_url: str) -> AsyncIterator[Core]:
    env = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": slow.url, "VPSOPS_DATABASE_URL": database_url}
    async with open_core(
        Settings.model_validate(env), front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
    ) as opened:
        yield opened


def count(provider: SimulatorHandle, operation: str) -> int:
    return len(provider.simulator.journal.entries(operation=operation))


async def until(seen: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not seen():
            await VirtualClock().sleep(0.01)  # the simulator signals nothing that it received; bounded


async def start(core: Core, hostname: str) -> Change:
    held = await core.gate.submit(
        Request("start", {"server": hostname}, ALICE, Origin("cli"), can_confirm=True), scope=OPERATOR
    )
    assert isinstance(held, Held)
    await core.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
    return await core.changes.wait(
        held.change.id, seconds=5, until=lambda change: change.state is State.WATCHING, scope=OPERATOR
    )


async def events(core: Core) -> list[str]:
    rows = await database_of(core).read(lambda c: c.execute(sa.select(OUTBOX).where(OUTBOX.c.kind == "event")).all())
    return [row.payload["event"] for row in rows]


async def wait_for_events(core: Core, *expected: str) -> None:
    """Wait until people got exactly these notices, in this order."""
    with anyio.fail_after(PATIENCE_SECONDS):
        while await events(core) != list(expected):
            await database_of(core).signals.wait(0.2)


@pytest.mark.parametrize("watches", [1, 12])
async def test_one_list_call_serves_every_watch(core: Core, slow: SimulatorHandle, watches: int) -> None:
    """The number of polls depends on the clock and not on the number of changes, and stops with the last of them."""
    stopped = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][
        :watches
    ]
    assert len(stopped) == watches
    for hostname in stopped:
        await start(core, hostname)
    before, begun = count(slow, "list"), core.clock.monotonic()
    await until(lambda: count(slow, "list") >= before + 5)
    polls_per_second = 5 / (core.clock.monotonic() - begun)
    assert polls_per_second <= 1.5 / QUICK.poll_young
    slow.simulator.world.time.advance(120)
    with anyio.fail_after(PATIENCE_SECONDS):
        while [change for change in await core.changes.list(limit=50, scope=OPERATOR) if not change.state.final]:
            await database_of(core).signals.wait(0.2)
    await core.clock.sleep(0.6)
    rest = count(slow, "list")
    await core.clock.sleep(0.6)
    assert count(slow, "list") == rest


async def test_an_outage_is_told_once_and_its_end_once(core: Core, slow: SimulatorHandle) -> None:
    """People are notified that the provider is away and that it is back; the change stays watched and settles."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    change = await start(core, hostname)
    slow.simulator.faults.add(parse({"kind": "status", "status": 500, "match": {"method": "GET"}}))
    await wait_for_events(core, "provider_unreachable")
    failing = count(slow, "list")
    await until(lambda: count(slow, "list") >= failing + 4)
    slow.simulator.faults.clear()
    slow.simulator.world.time.advance(120)
    ended = await core.changes.wait(change.id, seconds=5, scope=OPERATOR)
    assert ended.state is State.SUCCEEDED
    await wait_for_events(core, "provider_unreachable", "provider_back")


async def test_a_refused_key_stops_the_looks_and_is_told(core: Core, slow: SimulatorHandle) -> None:
    """A key that is not good any more is not tried again and again."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    await start(core, hostname)
    slow.simulator.faults.add(parse({"kind": "status", "status": 401, "match": {"method": "GET"}}))
    await wait_for_events(core, "provider_refuses_key")
    tried = count(slow, "list")
    await core.clock.sleep(0.6)
    assert count(slow, "list") == tried


async def test_a_server_somebody_else_stopped_is_drift(core: Core, slow: SimulatorHandle) -> None:
    """While something is watched, a state that no change caused is announced, with the server's name."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    await start(core, hostname)
    polls = count(slow, "list")
    await until(lambda: count(slow, "list") >= polls + 2)
    world = slow.simulator.world
    web = world.find("web01.example.com")
    assert web is not None
    world.override(web, type(web.state)("stopped"), None, None)
    await wait_for_events(core, "drift")
    rows = await database_of(core).read(lambda c: c.execute(sa.select(OUTBOX).where(OUTBOX.c.kind == "event")).all())
    assert "web01.example.com was running, is stopped" in json.dumps(rows[0].payload)


async def test_what_takes_too_long_is_told_and_watched_on(core: Core, slow: SimulatorHandle) -> None:
    """Overdue is no end: the server is free for another change, and the slow watch continues until it settles."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    change = await start(core, hostname)
    late = await core.changes.wait(change.id, seconds=QUICK.power_limit + 3, scope=OPERATOR)
    assert (late.state, late.overdue) == (State.WATCHING, True)
    again = await core.gate.submit(
        Request("stop", {"server": hostname}, ALICE, Origin("cli"), can_confirm=True), scope=OPERATOR
    )
    assert isinstance(again, Held)
    slow.simulator.world.time.advance(120)
    ended = await core.changes.wait(change.id, seconds=5, until=lambda current: current.state.final, scope=OPERATOR)
    assert ended.state is State.SUCCEEDED


async def test_a_watch_is_taken_up_by_a_new_process(core: Core, slow: SimulatorHandle, database_url: str) -> None:
    """Watches are rebuilt from storage: the process that asked may be gone."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    change = await start(core, hostname)
    await backend_of(core).engine.stop()
    env = {"WAYSCLOUD_API_KEY": KEY, "WAYSCLOUD_API_URL": slow.url, "VPSOPS_DATABASE_URL": database_url}
    slow.simulator.world.time.advance(120)
    async with open_core(
        Settings.model_validate(env), front="worker", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY
    ) as other:
        ended = await other.changes.wait(change.id, seconds=5, scope=OPERATOR)
    assert ended.state is State.SUCCEEDED


async def test_where_the_provider_says_it_is_gets_to_the_cards(core: Core, slow: SimulatorHandle) -> None:
    """While a change is under way its server's state is stored with it, and its card redrawn when that differs."""
    (hostname,) = [server.hostname for server in slow.simulator.world.servers() if server.state.value == "stopped"][:1]
    change = await start(core, hostname)
    seen = await core.changes.wait(
        change.id, seconds=5, until=lambda current: "status" in current.result, scope=OPERATOR
    )
    assert (seen.state, seen.result["hostname"]) == (State.WATCHING, hostname)
    polls, version = count(slow, "list"), seen.version
    await until(lambda: count(slow, "list") >= polls + 3)
    assert (await core.changes.get(change.id, scope=OPERATOR)).version == version  # the same word again is no news
