"""Live updates in both eras: their recipients and sources, and that nothing is left after unsubscribing."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio
import mcp.types as t
import pytest
from mcp import MCPError
from mcp.server.session import ServerSession

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import backend_of, database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ALICE, ANN, WEB
from tests.unit.mcp_server.resources.listening_client import (
    become,
    client_and_live,
    listen,
    listening,
    subscribe,
    unsubscribe,
    until,
)
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.monitoring import server_feed
from vpsops.core.operations.target import Target
from vpsops.mcp_server.auth.principal import READ, Caller, token_reach
from vpsops.mcp_server.resources import subscriptions
from vpsops.mcp_server.resources.reader import ResourceReader
from vpsops.mcp_server.resources.updates import ServerResourceUpdated, UpdatePublisher, can_receive, open_updates
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

WEB_ID = "b5c6d7e8-f9a0-1234-5678-90abcdef1234"
SERVERS, BY_ID, BY_NAME = "vps://servers", f"vps://servers/{WEB_ID}", f"vps://servers/{WEB}"
AGENT = Actor(ActorKind.AGENT, "mcp:test-client", "test-client", ANN)
SELDOM = replace(QUICK, poll_old=600.0)
NO_DATABASES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "secret"
actor = "agent"
server = "db*"
decision = "deny"
"""


async def held(core: Core, server: str = "web01") -> str:
    request = Request("stop", {"server": server}, AGENT, Origin("mcp"), can_confirm=True)
    outcome = await core.gate.submit(request, scope=OPERATOR)
    assert isinstance(outcome, Held), outcome
    return outcome.change.id


async def silent(core: Core, live: UpdatePublisher) -> None:
    """Wait until nothing is watched, followed or waited for any more."""
    await until(lambda: not live.watched and not live.running and not live.streams)
    await until(lambda: database_of(core).signals._waiters == 0)
    assert not backend_of(core).engine.fleet._listeners
    assert not live.bus._listeners


async def test_a_change_is_heard_of_until_its_end(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A stop updates its change, its server by id and by name, and the list; a read then shows the end."""
    change = await held(core)
    uris = [f"vps://changes/{change}", SERVERS, BY_ID, BY_NAME]
    async with listening(core, era, uris) as listener:
        assert listener.honoured == uris
        await core.gate.confirm(change, AGENT, (await core.changes.get(change, scope=OPERATOR)).digest, scope=OPERATOR)
        await listener.ear.until(*uris)
        await core.changes.wait(change, seconds=5, scope=OPERATOR)
        resource = await listener.client.read_resource(f"vps://changes/{change}")
        assert '"state":"succeeded"' in resource.contents[0].text  # type: ignore[union-attr]
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@pytest.mark.requirement("live-updates")
async def test_another_processs_change_is_heard_of(core: Core, settings: Settings, era: str) -> None:
    """Whichever process moves a change, the listeners here are notified."""
    change = await held(core)
    uri = f"vps://changes/{change}"
    async with (
        open_core(settings, front="cli", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as other,
        listening(core, era, [uri]) as listener,
    ):
        await other.gate.cancel(change, AGENT, scope=OPERATOR)
        await listener.ear.until(uri)
    assert set(listener.ear.heard) == {uri}


async def test_what_nobody_here_did_is_heard_of(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A server that stops by itself is reported without any open change; others are not."""
    other = "vps://servers/db01.example.com"
    async with listening(core, era, [SERVERS, BY_NAME, BY_ID, other]) as listener:
        become(provider, WEB, Really.STOPPED)
        await listener.ear.until(SERVERS, BY_ID, BY_NAME)
    assert other not in listener.ear.heard


async def test_only_what_was_asked_for_is_told(core: Core, era: str) -> None:
    """A listener of one change gets no update of another."""
    mine, other = await held(core), await held(core, "db01")
    uri = f"vps://changes/{mine}"
    async with listening(core, era, [uri]) as listener:
        await core.gate.cancel(other, AGENT, scope=OPERATOR)
        await core.gate.cancel(mine, AGENT, scope=OPERATOR)
        await listener.ear.until(uri)
    assert set(listener.ear.heard) == {uri}


@pytest.fixture
async def seldom(settings: Settings) -> AsyncIterator[Core]:
    """A core that polls hardly ever on its own."""
    async with open_core(settings, front="mcp", timing=SELDOM, clock=VirtualClock(), accounts=EVERYBODY) as opened:
        yield opened


async def test_all_who_listen_share_one_look(seldom: Core, provider: SimulatorHandle, era: str) -> None:
    """Five clients with three addresses each cost one call of the list, and those who listen to changes none."""
    change = await held(seldom)
    before = provider.simulator.journal.total
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(listening(seldom, era, [f"vps://changes/{change}"]))
        assert provider.simulator.journal.total == before
        for _ in range(5):
            await stack.enter_async_context(listening(seldom, era, [SERVERS, BY_ID, BY_NAME]))
        assert provider.simulator.journal.total == before + 1


async def test_nothing_is_left_of_who_went(core: Core, era: str) -> None:
    """When a client goes, nothing is watched, followed or waited for any more."""
    change = await held(core)
    async with listening(core, era, [SERVERS, BY_ID, f"vps://changes/{change}"]) as listener:
        assert listener.live.watched == {SERVERS, BY_ID, f"vps://changes/{change}"}
        assert listener.live.running
    await silent(core, listener.live)


async def test_a_stream_that_is_closed_leaves_nothing(core: Core) -> None:
    """The client stays and its stream goes: the same."""
    async with client_and_live(core, "2026-07-28") as (client, live):
        for _ in range(3):
            async with client.listen(resource_subscriptions=[SERVERS, BY_ID]):
                assert live.watched == {SERVERS, BY_ID}
            await silent(core, live)


async def test_unsubscribing_leaves_nothing(core: Core) -> None:
    """A second subscription is the same one; unsubscribing ends it, and doing that again is nothing."""
    async with client_and_live(core, "legacy") as (client, live):
        for _ in range(2):
            await subscribe(client, SERVERS)
        await subscribe(client, BY_ID)
        await unsubscribe(client, SERVERS)
        assert live.watched == {BY_ID}
        for _ in range(2):
            await unsubscribe(client, BY_ID)
        await unsubscribe(client, "vps://nothing")
        assert not live.running
    await silent(core, live)


NOT_LIVE = ["vps://changes/chg_000000000000", "vps://servers/nosuch", "vps://audit/recent", "vps://servers/..", "x"]


async def test_a_server_that_has_just_come_can_be_listened_for(
    core: Core, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch, era: str
) -> None:
    """One who listens already does not keep a new server from being found."""
    monkeypatch.setattr(server_feed, "SOONEST", 0.0)
    async with listening(core, era, [SERVERS]) as listener:
        provider.simulator.world.create(Order("new.example.com", "new", "vps-4gb-2cpu", "NO", "debian-12"))
        assert await listen(listener.client, era, "vps://servers/new.example.com")


async def test_what_is_not_there_cannot_be_subscribed_to(core: Core) -> None:
    """In the handshake's era that is an error with the URI, and leaves nothing."""
    async with client_and_live(core, "legacy") as (client, live):
        for uri in NOT_LIVE:
            with pytest.raises(MCPError) as refused:
                await subscribe(client, uri)
            assert (refused.value.code, refused.value.error.data) == (-32002, {"uri": uri})
        assert not live.watched
        assert not live.running


async def test_what_is_not_there_is_left_out_of_a_stream(core: Core) -> None:
    """Since 2026-07-28 the acknowledgement names only the subscribed resources."""
    async with listening(core, "2026-07-28", [*NOT_LIVE, SERVERS]) as listener:
        assert listener.honoured == [SERVERS]


class Slow:
    """A session with a slow client."""

    def __init__(self) -> None:
        self.updates: list[str] = []
        self.asked = anyio.Event()
        self.reads = anyio.Event()

    async def send_resource_updated(self, uri: str) -> None:
        self.updates.append(uri)
        self.asked.set()
        await self.reads.wait()


async def test_a_slow_client_is_told_once_of_what_changed_often(core: Core) -> None:
    """While a client does not read, one entry waits for each of its addresses, however much happens."""
    reader, session = ResourceReader(core, Caller(human=ANN), AGENT, OPERATOR), Slow()
    async with open_updates(core) as live:
        subscriber = subscriptions.Subscriber(live, reader, cast("ServerSession", session))
        for uri in (SERVERS, BY_ID):
            await subscriber.add(uri)
        web = Target(WEB_ID, WEB)
        for _ in range(50):
            await live.bus.publish(ServerResourceUpdated(SERVERS, (web,)))
            await live.bus.publish(ServerResourceUpdated(BY_ID, (web,)))
        with anyio.fail_after(PATIENCE_SECONDS):
            await session.asked.wait()
            session.reads.set()
        await until(lambda: len(session.updates) >= 3)
        assert session.updates == [SERVERS, BY_ID, SERVERS]
        subscriber.close()
        assert not live.watched


async def test_a_session_listens_for_so_many_and_no_more(core: Core, monkeypatch: pytest.MonkeyPatch, era: str) -> None:
    """The bound is an error in words; earlier subscriptions stay."""
    monkeypatch.setattr(subscriptions, "MAX_EACH", 2)
    async with client_and_live(core, era) as (client, live):
        with pytest.raises(MCPError, match="may listen for 2") as refused:
            await listen(client, era, SERVERS, BY_ID, BY_NAME)
        assert len(live.watched) == (2 if era == "legacy" else 0)
    assert refused.value.code == t.INVALID_PARAMS


@pytest.mark.parametrize("bound", ["MAX_STREAMS", "MAX_STREAMS_EACH"])
async def test_there_are_so_many_streams_and_no_more(core: Core, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    """One stream too many, of a process or of one caller, is refused; when one goes there is room again."""
    monkeypatch.setattr(subscriptions, bound, 1)
    async with client_and_live(core, "2026-07-28") as (client, live):
        async with client.listen(resource_subscriptions=[SERVERS]):
            with pytest.raises(MCPError, match="Too many streams"):
                await listen(client, "2026-07-28", SERVERS)
        await until(lambda: not live.streams)
        async with client.listen(resource_subscriptions=[SERVERS]):
            assert live.streams.total() == 1


async def test_without_the_scope_nothing_is_heard(core: Core, era: str) -> None:
    """A caller without the scope for reading cannot listen, not even by a stream."""
    change = await held(core)
    without_scopes = ServerOptions(who=lambda _: Caller(human=ANN, subject="x", scopes=frozenset()))
    uris = [f"vps://changes/{change}", SERVERS, BY_ID]
    async with client_and_live(core, era, None, without_scopes) as (client, live):
        if era == "legacy":
            for uri in uris:
                with pytest.raises(MCPError, match=r"may not|vps:read"):
                    await subscribe(client, uri)
        else:
            async with client.listen(resource_subscriptions=uris) as stream:
                assert not stream.honored.resource_subscriptions
        assert not live.watched


@asynccontextmanager
async def guarded(settings: Settings, folder: Path) -> AsyncIterator[Core]:
    """A core with a policy that keeps databases from agents."""
    config = folder / "vpsops.toml"
    config.write_text(NO_DATABASES)
    async with open_core(
        settings.model_copy(update={"config": config}),
        front="mcp",
        timing=QUICK,
        clock=VirtualClock(),
        accounts=EVERYBODY,
    ) as core:
        yield core


async def test_the_policy_decides_who_may_listen(settings: Settings, tmp_path: Path, era: str) -> None:
    """A server that a rule keeps from agents cannot be listened for."""
    uri = "vps://servers/db01.example.com"
    async with guarded(settings, tmp_path) as core, client_and_live(core, era) as (client, live):
        if era == "legacy":
            with pytest.raises(MCPError, match="may not"):
                await subscribe(client, uri)
        else:
            async with client.listen(resource_subscriptions=[uri]) as stream:
                assert not stream.honored.resource_subscriptions
        assert not live.running


async def test_the_policy_decides_each_time(
    settings: Settings, tmp_path: Path, provider: SimulatorHandle, era: str
) -> None:
    """A server that becomes one the caller may not read is not reported any more."""
    async with guarded(settings, tmp_path) as core, listening(core, era, [SERVERS, BY_ID]) as listener:
        world = provider.simulator.world
        web = next(server for server in world.servers() if server.hostname == WEB)
        world.override(web, Really.STOPPED, "db09.example.com", None)
        await listener.ear.until(SERVERS)
        assert BY_ID not in listener.ear.heard


async def test_the_list_is_told_for_what_is_in_sight(core: Core) -> None:
    """A caller with a limited sight gets list updates for changes of servers in it, not of others or unknown ones."""
    reach = token_reach(servers=["web*"])
    some = ResourceReader(
        core, Caller(human=ANN, scopes=frozenset({READ}), reach=reach), AGENT, Scope(servers=reach.sight)
    )
    everyone = ResourceReader(core, Caller(human=ANN), AGENT, OPERATOR)
    web, db = Target("s1", WEB), Target("s2", "db01.example.com")
    for targets, heard in (((web,), True), ((db, web), True), ((db,), False), ((), False)):
        assert can_receive(some, ServerResourceUpdated(SERVERS, targets)) is heard
        assert can_receive(everyone, ServerResourceUpdated(SERVERS, targets))


async def test_a_server_out_of_sight_is_not_told_of(core: Core, provider: SimulatorHandle, era: str) -> None:
    """A token that sees some servers cannot listen for others, and gets no updates of one that leaves its sight."""
    caller = Caller(human=ANN, subject="x", scopes=frozenset({READ}), reach=token_reach(servers=["web*"]))
    other = "vps://servers/db01.example.com"
    async with client_and_live(core, era, None, ServerOptions(who=lambda _: caller)) as (client, _):
        if era == "legacy":
            with pytest.raises(MCPError, match="no server called"):
                await subscribe(client, other)
        else:
            assert await listen(client, era, other) == []
    world = provider.simulator.world
    async with listening(core, era, [SERVERS, BY_ID], ServerOptions(who=lambda _: caller)) as listener:
        world.override(
            next(server for server in world.servers() if server.hostname == WEB), None, "db09.example.com", None
        )
        await listener.ear.until(SERVERS)
        assert BY_ID not in listener.ear.heard


async def test_a_provider_that_is_away_is_told_at_once(tmp_path: Path, era: str) -> None:
    """Servers that cannot be read cannot be listened for; changes can."""
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'own.sqlite3'}"})
    async with (
        open_core(settings, front="mcp", timing=QUICK, clock=VirtualClock(), accounts=EVERYBODY) as core,
        client_and_live(core, era) as (client, live),
    ):
        with pytest.raises(MCPError, match=r"WAYSCLOUD_API_KEY.*err_") as refused:
            await listen(client, era, BY_ID)
        with pytest.raises(MCPError, match=r"WAYSCLOUD_API_KEY.*err_"):
            await listen(client, era, SERVERS)
        assert not live.running
    assert refused.value.code == t.INTERNAL_ERROR


async def test_a_tokens_stream_ends_in_good_order(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that a token opened ends after a while, so that the next one needs a token that still holds."""
    monkeypatch.setattr(subscriptions, "STREAM_SECONDS", 0.05)
    reader = ServerOptions(who=lambda _: Caller(human=ANN, subject="ann-laptop", scopes=frozenset({READ})))
    async with client_and_live(core, "2026-07-28", None, reader) as (client, live):
        async with client.listen(resource_subscriptions=[SERVERS]) as stream:
            with anyio.fail_after(PATIENCE_SECONDS):
                assert [event async for event in stream] == []
        await silent(core, live)


async def test_changes_of_people_are_heard_of_too(core: Core, era: str) -> None:
    """A person's change made after listening began is heard of by its server."""
    async with listening(core, era, [BY_ID]) as listener:
        request = Request("stop", {"server": WEB_ID}, ALICE, Origin("slack"), can_confirm=True)
        outcome = await core.gate.submit(request, scope=OPERATOR)
        assert isinstance(outcome, Held)
        done = await core.gate.confirm(outcome.change.id, ALICE, outcome.change.digest, scope=OPERATOR)
        await listener.ear.until(BY_ID)
        assert (await core.changes.wait(done.id, seconds=5, scope=OPERATOR)).state is State.SUCCEEDED
