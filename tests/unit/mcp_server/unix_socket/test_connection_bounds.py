"""The bounds of all users together and of one user's bytes, each at its value and beyond it."""

import json
from contextlib import AsyncExitStack

import pytest

from tests.harness.patience import eventually
from tests.unit.mcp_server.unix_socket.harness import ANN_UID, BOB_UID, Kernel, call, raw_client, serving_socket
from vpsops.core.app import Core
from vpsops.mcp_server.unix_socket import connection


@pytest.mark.requirement("socket-bounds")
async def test_all_users_together_have_so_many_connections(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one too many is refused, of any user; a place that is free again is given again."""
    monkeypatch.setattr(connection, "CONNECTIONS", 3)
    kernel = Kernel()
    async with serving_socket(core, kernel) as (path, service), AsyncExitStack() as stack:
        for uid in (ANN_UID, ANN_UID, BOB_UID):
            kernel.uid = uid
            await (await stack.enter_async_context(raw_client(path))).hello()
        for uid in (ANN_UID, BOB_UID):
            kernel.uid = uid
            async with raw_client(path) as raw:
                assert "connections" in (await raw.read())["error"]["message"]
                assert await raw.ended()
        await stack.aclose()
        await eventually(lambda: not service.peers)
        async with raw_client(path) as raw:
            await raw.hello()


@pytest.mark.requirement("socket-bounds")
async def test_a_users_unended_lines_are_bounded_over_all_connections(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the bound a line is still read; beyond it the connection that sends more is refused, and each lives on."""
    monkeypatch.setattr(connection, "BYTES_EACH", 3_000)
    async with serving_socket(core) as (path, service), raw_client(path) as first, raw_client(path) as second:
        for raw in (first, second):
            await raw.hello()
        begun = json.dumps(call("vps_get", 7, server="x" * 5_000)).encode()
        await first.stream.send(begun[:2_000])
        await eventually(lambda: sum(each.connection.buffered for each in service.sessions) == 2_000)
        await second.stream.send(begun[:1_000])
        await eventually(lambda: sum(each.connection.buffered for each in service.sessions) == 3_000)
        await second.stream.send(begun[1_000:1_001])
        await eventually(lambda: sum(each.connection.buffered for each in service.sessions) == 2_000)
        await second.stream.send(begun[1_001:] + b"\n")
        assert "longer than" in (await second.answer(7))["error"]["message"]
        assert "web01" in json.dumps(await second.ask(call("vps_list", 8)))
        await first.stream.send(begun[2_000:2_900] + b'"}}}\n')
        assert "web01" in json.dumps(await first.ask(call("vps_list", 9)))
