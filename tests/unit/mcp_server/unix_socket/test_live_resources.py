"""Resources over the socket: read, followed, heard of, within each user's own bounds."""

import json

import pytest

from tests.harness.patience import eventually
from tests.unit.mcp_server.harness import Human, text
from tests.unit.mcp_server.resources.listening_client import Ear, become, hearing, unsubscribe
from tests.unit.mcp_server.unix_socket.harness import (
    ANN_UID,
    BOB_UID,
    HUMANS,
    STRANGER_UID,
    Kernel,
    call,
    raw_client,
    serving_socket,
    socket_client,
)
from vpsops.core.app import Core
from vpsops.mcp_server.unix_socket import connection
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle

SERVERS = "vps://servers"
WEB = "web01.example.com"
BY_NAME = f"vps://servers/{WEB}"


async def test_resources_are_listed_and_read(core: Core, era: str) -> None:
    async with serving_socket(core) as (path, _), socket_client(path, era) as client:
        listed = [resource.uri for resource in (await client.list_resources()).resources]
        assert SERVERS in listed
        for uri in (SERVERS, BY_NAME):
            (content, *_) = (await client.read_resource(uri)).contents
            assert WEB in content.text  # type: ignore[union-attr]


async def test_a_server_that_changes_is_heard_of(core: Core, provider: SimulatorHandle, era: str) -> None:
    """What happens outside is news as well; when the listener has gone, nothing follows the provider any more."""
    ear = Ear()
    async with serving_socket(core) as (path, service):
        async with socket_client(path, era, ear=ear) as client, hearing(client, ear, era, SERVERS, BY_NAME) as honoured:
            assert honoured == [SERVERS, BY_NAME]
            become(provider, WEB, ServerState.STOPPED)
            await ear.until(SERVERS, BY_NAME)
        await eventually(lambda: not service.live.watched and not service.live.running)


async def test_a_listener_hears_of_another_users_change(core: Core, era: str) -> None:
    """Live updates are shared; a session of another person sends none of its own words with them."""
    ear, kernel = Ear(), Kernel(ANN_UID)
    async with (
        serving_socket(core, kernel) as (path, _),
        socket_client(path, era, ear=ear) as ann,
        hearing(ann, ear, era, BY_NAME),
    ):
        kernel.uid = BOB_UID
        async with socket_client(path, era, Human()) as bob:
            assert "succeeded" in text(await bob.call_tool("vps_stop", {"server": "web01"}))
        await ear.until(BY_NAME)
    assert set(ear.heard) == {BY_NAME}


async def test_who_may_only_read_hears_and_who_may_nothing_does_not(core: Core, era: str) -> None:
    ear = Ear()
    config = SocketConfig(HUMANS, unmapped_read=True)
    async with (
        serving_socket(core, Kernel(STRANGER_UID), config) as (path, _),
        socket_client(path, era, ear=ear) as client,
        hearing(client, ear, era, SERVERS) as honoured,
    ):
        assert honoured == [SERVERS]
    subscribe = {"jsonrpc": "2.0", "id": 4, "method": "resources/subscribe", "params": {"uri": SERVERS}}
    async with serving_socket(core, Kernel(STRANGER_UID)) as (path, service), raw_client(path) as raw:
        assert f"(id {STRANGER_UID})" in (await raw.ask(subscribe))["error"]["message"]
        assert not service.live.watched


async def test_one_connections_end_leaves_anothers_subscription(core: Core, provider: SimulatorHandle) -> None:
    ear = Ear()
    async with serving_socket(core) as (path, service), socket_client(path, "legacy", ear=ear) as staying:
        async with hearing(staying, ear, "legacy", BY_NAME):
            async with socket_client(path, "legacy") as leaving, hearing(leaving, Ear(), "legacy", BY_NAME):
                assert len(service.sessions) == 2
            await eventually(lambda: len(service.sessions) == 1)
            become(provider, WEB, ServerState.STOPPED)
            await ear.until(BY_NAME)
        await unsubscribe(staying, BY_NAME)
        await eventually(lambda: not service.live.watched)


@pytest.mark.requirement("socket-bounds")
async def test_a_users_requests_are_bounded_over_all_connections(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the value all are served; one more is refused; another user's is served beside it."""
    monkeypatch.setattr(connection, "REQUESTS_EACH", 4)
    kernel = Kernel(ANN_UID)
    async with (
        serving_socket(core, kernel) as (path, service),
        raw_client(path) as first,
        raw_client(path) as second,
    ):
        for raw in (first, second):
            await raw.hello()
        await first.send(call("vps_reboot", 20, server="web01"))
        assert (await first.read())["method"] == "elicitation/create"
        await second.send(call("vps_stop", 21, server="db01"))
        assert (await second.read())["method"] == "elicitation/create"
        changes = [change.id for change in await core.changes.list(scope=core.scope)]
        for number, ident in enumerate(changes, 30):
            await first.send(call("vps_change_wait", number, change=ident, seconds=45))
        await eventually(lambda: sum(each.connection.unanswered.count for each in service.sessions) == 4)
        refused = await second.ask(call("vps_list", 40))
        assert "requests at once" in refused["error"]["message"]
        kernel.uid = BOB_UID
        async with raw_client(path) as other:
            await other.hello()
            assert WEB in json.dumps(await other.ask(call("vps_list", 41)))
