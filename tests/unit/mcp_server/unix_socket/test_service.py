"""Sessions on the socket: who somebody is, bounds for each user, and the end of a service."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.harness.patience import eventually
from tests.unit.mcp_server.harness import ANN, Human, text
from tests.unit.mcp_server.unix_socket.harness import (
    ANN_UID,
    BOB,
    BOB_UID,
    HELLO,
    HUMANS,
    SERVICE_UID,
    STRANGER_UID,
    Kernel,
    Raw,
    call,
    connect,
    raw_client,
    serving_socket,
    socket_client,
)
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.unix_socket import connection
from vpsops.mcp_server.unix_socket.config import SocketConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle

PIPE = {"jsonrpc": "2.0", "method": "notifications/vpsops/pipe", "params": {"words": ["--read-only"]}}
LIST = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}


@pytest.mark.requirement("socket-identity")
async def test_a_caller_is_the_person_of_its_user_id(core: Core, provider: SimulatorHandle, era: str) -> None:
    """Each user's change is of the person that the service's configuration says, and of the client's own name."""
    kernel = Kernel()
    async with serving_socket(core, kernel) as (path, _):
        for uid, tool in ((ANN_UID, "vps_reboot"), (BOB_UID, "vps_stop")):
            kernel.uid = uid
            async with socket_client(path, era, Human(), name="robot") as client:
                assert "succeeded" in text(await client.call_tool(tool, {"server": "web01"}))
    changes = {change.operation: change for change in await core.changes.list(scope=OPERATOR)}
    assert changes["reboot"].actor.human == ANN
    assert changes["stop"].actor.human == BOB
    assert changes["stop"].actor.name == "robot"
    assert changes["stop"].actor.id == f"mcp:uid-{BOB_UID}:robot"
    assert dict(provider.simulator.world.counts) == {"reboot": 1, "stop": 1}


@pytest.mark.requirement("socket-identity")
async def test_a_user_who_is_not_listed_gets_nothing(core: Core, provider: SimulatorHandle) -> None:
    """Every request is answered with the reason, the handshake too; nothing is read or altered."""
    async with serving_socket(core, Kernel(STRANGER_UID)) as (path, _), raw_client(path) as raw:
        for message in (HELLO, LIST, call("vps_list"), call("vps_reboot", server="web01")):
            refused = await raw.ask(message)
            assert f"(id {STRANGER_UID})" in refused["error"]["message"]
            assert "[mcp.socket.users]" in refused["error"]["message"]
    assert dict(provider.simulator.world.counts) == {}


@pytest.mark.requirement("socket-identity")
async def test_a_user_who_is_not_listed_may_read_where_the_service_says_so(
    core: Core, provider: SimulatorHandle
) -> None:
    """No tool that alters is listed or taken."""
    config = SocketConfig(HUMANS, unmapped_read=True)
    async with (
        serving_socket(core, Kernel(STRANGER_UID), config) as (path, _),
        socket_client(path, "legacy", Human()) as client,
    ):
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert "vps_list" in tools
        assert "vps_reboot" not in tools
        assert "web01" in text(await client.call_tool("vps_list", {}))
        refused = await client.call_tool("vps_reboot", {"server": "web01"})
        assert refused.is_error
    assert dict(provider.simulator.world.counts) == {}


async def test_the_services_own_user_is_the_person_of_its_settings(core: Core) -> None:
    """It could start `vpsops mcp` itself, with the same settings and key."""
    async with (
        serving_socket(core, Kernel(SERVICE_UID), own_human="carol@example.com") as (path, _),
        socket_client(path, "legacy", Human()) as client,
    ):
        await client.call_tool("vps_reboot", {"server": "web01"})
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.actor.human == "carol@example.com"


async def test_a_connection_without_credentials_is_closed(core: Core) -> None:
    """Where the kernel does not say who connects, nothing is served."""

    class NoKernel(Kernel):
        def __call__(self, _: socket.socket) -> Any:
            raise OSError("no credentials")

    async with serving_socket(core, NoKernel()) as (path, _), raw_client(path) as raw:
        assert await raw.ended()


async def test_the_flags_of_a_pipe_narrow_its_session_alone(core: Core) -> None:
    """`vpsops mcp --read-only` means the same with a service; another connection keeps its tools."""
    async with serving_socket(core) as (path, _), raw_client(path) as narrow, raw_client(path) as wide:
        await narrow.send(PIPE)
        await narrow.hello()
        await wide.hello()
        few = {tool["name"] for tool in (await narrow.ask(LIST))["result"]["tools"]}
        many = {tool["name"] for tool in (await wide.ask(LIST))["result"]["tools"]}
        refused = await narrow.ask(call("vps_reboot", server="web01"))
    assert few < many
    assert "vps_reboot" in many - few
    assert "read_only" in json.dumps(refused["result"])


@pytest.mark.parametrize("words", [["--nonsense"], ["--toolsets", "moon"], ["--tools"], "--read-only", [7]])
async def test_flags_that_cannot_be_read_serve_nothing(core: Core, words: Any) -> None:
    """A flag that was meant to narrow is not left out, and nothing ends the service."""
    pipe = {**PIPE, "params": {"words": words}}
    async with serving_socket(core) as (path, _):
        async with raw_client(path) as raw:
            await raw.send(pipe)
            assert "vpsops cannot serve this" in (await raw.ask(HELLO))["error"]["message"]
        async with raw_client(path) as raw:
            await raw.hello()


async def test_a_pipe_learns_which_change_a_call_waits_for(core: Core) -> None:
    """It is distinct from what goes to the client; a client that is no pipe hears nothing of it."""
    async with serving_socket(core) as (path, _):
        async with raw_client(path) as raw:
            await raw.send({**PIPE, "params": {"words": []}})
            await raw.hello()
            await raw.send(call("vps_reboot", server="web01"))
            announced = await raw.read()
            question = await raw.read()
            assert announced["method"] == "notifications/vpsops/change"
            assert announced["params"]["requestId"] == 2
            assert announced["params"]["change"] in question["params"]["message"]
        async with raw_client(path) as raw:
            await raw.hello()
            await raw.send(call("vps_stop", server="db01"))
            assert (await raw.read())["method"] == "elicitation/create"


@pytest.mark.requirement("socket-no-stale-yes")
async def test_a_yes_to_an_earlier_connections_question_answers_no_other(core: Core, provider: SimulatorHandle) -> None:
    """Ids of questions are of one connection: the SDK's own begin with the same number on each."""
    async with serving_socket(core) as (path, _):
        async with raw_client(path) as first:
            await first.hello()
            await first.send(call("vps_reboot", server="web01"))
            old = await first.read()
        async with raw_client(path) as second:
            await second.hello()
            await second.send(call("vps_stop", server="db01"))
            new = await second.read()
            assert new["id"] != old["id"]
            yes = {"action": "accept", "content": {"confirm": True}}
            await second.send({"jsonrpc": "2.0", "id": old["id"], "result": yes})
            await second.send({"jsonrpc": "2.0", "id": int(str(new["id"]).split("-")[1]), "result": yes})
            assert (await second.ask({"jsonrpc": "2.0", "id": 8, "method": "ping"}))["result"] == {}
            assert dict(provider.simulator.world.counts) == {}
            await second.send({"jsonrpc": "2.0", "id": new["id"], "result": yes})
            assert "succeeded" in json.dumps(await second.answer(2))
    assert dict(provider.simulator.world.counts) == {"stop": 1}


@pytest.mark.parametrize("number", ["9" * 5_000, "", "-1", "²"])
async def test_an_answer_to_no_question_ends_no_session(core: Core, number: str) -> None:
    """Whatever stands where the question's number stands in its id."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.hello()
        await raw.send(call("vps_stop", server="db01"))
        prefix = str((await raw.read())["id"]).split("-")[0]
        await raw.send({"jsonrpc": "2.0", "id": f"{prefix}-{number}", "result": {}})
        assert (await raw.ask({"jsonrpc": "2.0", "id": 8, "method": "ping"}))["result"] == {}


async def test_a_client_that_leaves_gives_its_change_back(core: Core, provider: SimulatorHandle) -> None:
    """The hold on the server is released while the service goes on."""
    async with serving_socket(core) as (path, _):
        async with raw_client(path) as raw:
            await raw.hello()
            await raw.send(call("vps_reboot", server="web01"))
            assert (await raw.read())["method"] == "elicitation/create"
        (change,) = await core.changes.list(scope=OPERATOR)
        ended = await core.changes.wait(change.id, seconds=5, scope=OPERATOR)
    assert ended.state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


async def test_a_half_closed_connection_gets_its_answers(core: Core) -> None:
    """A pipe of one call: its end is not the end of the answers."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.send(HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call("vps_list"))
        raw.stream.send_eof()
        assert "web01" in json.dumps(await raw.answer(2))
        assert await raw.ended()


async def test_a_client_that_reads_nothing_holds_up_no_other(core: Core) -> None:
    """It is disconnected after a while; another one is answered meanwhile."""
    async with serving_socket(core) as (path, service), raw_client(path) as silent, raw_client(path) as lively:
        silent.stream.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await silent.hello()
        async with anyio.create_task_group() as group:
            group.start_soon(flood, silent)
            await lively.hello()
            assert "web01" in json.dumps(await lively.ask(call("vps_list")))
            await eventually(lambda: len(service.sessions) == 1)
            assert "web01" in json.dumps(await lively.ask(call("vps_list", 3)))
            group.cancel_scope.cancel()


async def flood(raw: Raw) -> None:
    """Ask, and read no answer, until the service has had enough."""
    with suppress(OSError):
        for number in range(200):
            await raw.send({**LIST, "id": number + 10})


@pytest.mark.requirement("socket-bounds")
async def test_too_many_requests_at_once_are_refused(core: Core) -> None:
    """One connection's bound, at its value and one more; answers and cancellations still go through."""
    async with serving_socket(core) as (path, service), raw_client(path) as raw:
        await raw.hello()
        await raw.send(call("vps_reboot", 5000, server="web01"))
        question = await raw.read()
        (change,) = await core.changes.list(scope=OPERATOR)
        waits = [
            call("vps_change_wait", 100 + n, change=change.id, seconds=45) for n in range(connection.REQUESTS_AT_ONCE)
        ]
        await raw.stream.send(b"".join(json.dumps(wait).encode() + b"\n" for wait in waits))
        refused = await raw.read()  # the first answer of all: those before it wait
        assert refused["id"] == 100 + connection.REQUESTS_AT_ONCE - 1
        assert "requests at once" in refused["error"]["message"]
        (session,) = service.sessions
        assert session.connection.unanswered.count == connection.REQUESTS_AT_ONCE
        no = {"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}}
        await raw.send(no)
        assert "declined" in json.dumps(await raw.answer(5000))


async def test_one_user_can_open_so_many_connections_and_no_more(core: Core) -> None:
    """The one too many gets the reason; another user is served."""
    kernel = Kernel()
    async with serving_socket(core, kernel) as (path, _), anyio.create_task_group() as group:
        opened: list[Raw] = []

        async def hold(*, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
            async with raw_client(path) as raw:
                await raw.hello()
                opened.append(raw)
                task_status.started()
                await anyio.sleep_forever()

        for _ in range(connection.CONNECTIONS_EACH):
            await group.start(hold)
        async with raw_client(path) as raw:
            assert "connections" in (await raw.read())["error"]["message"]
            assert await raw.ended()
        kernel.uid = BOB_UID
        async with raw_client(path) as raw:
            await raw.hello()
        group.cancel_scope.cancel()


@pytest.mark.parametrize("size", [10_000, 999_000])
async def test_long_lines_are_read(core: Core, size: int) -> None:
    """Within the bound."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.hello()
        refused = await raw.ask(call("vps_get", server="x" * size))
        assert refused["result"]["isError"]


@pytest.mark.requirement("socket-bounds")
@pytest.mark.parametrize("size", [1_000_100, 10_000_000])
async def test_longer_lines_are_refused_and_the_session_lives(core: Core, size: int) -> None:
    """Under the id of the request, while little of it is kept."""
    async with serving_socket(core) as (path, service), raw_client(path) as raw:
        await raw.hello()
        async with anyio.create_task_group() as group:
            group.start_soon(raw.send, call("vps_get", server="x" * size))
            answer = await raw.answer(2)
        assert "longer than" in answer["error"]["message"]
        assert "web01" in json.dumps(await raw.ask(call("vps_list", 3)))
        (session,) = service.sessions
        assert session.connection.buffered == 0


async def test_descriptors_that_are_passed_are_not_kept(core: Core) -> None:
    """A client that passes an open file sends nothing but its line."""
    async with serving_socket(core) as (path, _), raw_client(path) as raw:
        await raw.hello()
        before = _descriptors()
        with open("/dev/null", "rb") as file:  # noqa: PTH123, ASYNC230
            socket.send_fds(raw.stream.sock, [json.dumps(LIST).encode() + b"\n"], [file.fileno()])
        assert "result" in await raw.answer(3)
        assert _descriptors() == before


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_service_that_stops_answers_what_waits(core: Core, provider: SimulatorHandle) -> None:
    """A call that waits for its human ends in words; its change stays held."""
    async with anyio.create_task_group() as group:
        async with serving_socket(core) as (path, _):
            stream = connect(path)
            raw = Raw(stream)
            await raw.hello()
            await raw.send(call("vps_reboot", server="web01"))
            assert (await raw.read())["method"] == "elicitation/create"
            group.start_soon(anyio.sleep, 0)
        answer = await raw.answer(2)
        assert "vpsops is stopping" in json.dumps(answer)
        assert await raw.ended()
        stream.close()
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.state is State.HELD
    assert dict(provider.simulator.world.counts) == {}


async def test_a_question_of_the_new_era_survives_a_reconnection(core: Core, provider: SimulatorHandle) -> None:
    """Its state is sealed with a key of the service, and for one user: another user's is refused."""
    kernel = Kernel()
    meta: Mapping[str, Any] = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    }
    stop = call("vps_stop", server="web01")
    stop["params"]["_meta"] = meta
    async with serving_socket(core, kernel, options=ServerOptions(patience=5)) as (path, _):
        async with raw_client(path) as raw:
            asked = (await raw.ask(stop))["result"]
        answer = {"confirm": {"action": "accept", "content": {"confirm": True}}}
        stop["params"] |= {"inputResponses": answer, "requestState": asked["requestState"]}
        kernel.uid = BOB_UID
        async with raw_client(path) as raw:
            assert "error" in await raw.ask(stop)
        assert dict(provider.simulator.world.counts) == {}
        kernel.uid = ANN_UID
        async with raw_client(path) as raw:
            assert (await raw.ask(stop))["result"]["structuredContent"]["operation"] == "stop"
    assert dict(provider.simulator.world.counts) == {"stop": 1}
