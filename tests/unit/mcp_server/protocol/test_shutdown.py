"""The end of serving as clients see it: every waiting call is answered, and the change continues."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import mcp.types as t
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.fakes.accounts import EVERYBODY
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from tests.unit.mcp_server.harness import ANN, Human, client_of, text
from tests.unit.mcp_server.http_harness import http_client, serving
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.policy.decision import Decision
from vpsops.core.server.http_server import ANSWER_SECONDS, CLOSE_SECONDS, CUT_SECONDS, GRACE_SECONDS
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.tools.change_flow import LAST_LOOK, PATIENCE
from vpsops.mcp_server.tools.change_tools import CHANGE_TOOLS

CHANNEL = "C0APPROVE"
LOCAL = ServerOptions(human=ANN)
BOUND = PATIENCE_SECONDS


async def held(core: Core) -> Change:
    """Return the one change once it waits for people."""
    with anyio.fail_after(BOUND):
        while not (changes := await core.changes.list(scope=OPERATOR)):
            await database_of(core).signals.wait(0.05)
    return changes[0]


@pytest.mark.requirement("stop-answers")
@pytest.mark.parametrize("approval_channel", [CHANNEL])
async def test_a_call_that_waits_is_answered_over_http(core: Core, era: str) -> None:
    """A stop of the server answers it with the change's id, as a result and not as an error; the change waits on."""
    results: list[t.CallToolResult] = []
    async with serving(core, None, LOCAL) as (site, served), http_client(site.url, era) as client:
        async with anyio.create_task_group() as group:

            async def ask() -> None:
                results.append(await client.call_tool("vps_stop", {"server": "web01"}))

            group.start_soon(ask)
            change = await held(core)
            served.endpoint.hang_up()
        assert change.id in text(results[0])
        assert "goes on without it" in text(results[0])
        assert "vps_change_wait" in text(results[0])
        assert not results[0].is_error
        with anyio.fail_after(BOUND):
            late = await client.call_tool("vps_stop", {"server": "db01"})
        assert "nothing was done" in text(late)
    assert (await core.changes.get(change.id, scope=OPERATOR)).state is State.HELD
    assert len(await core.changes.list(scope=OPERATOR)) == 1


@pytest.mark.requirement("stop-answers")
@pytest.mark.parametrize("approval_channel", [CHANNEL])
async def test_whoever_waits_for_a_change_is_answered(core: Core, era: str) -> None:
    """`vps_change_wait` ends too, however long it was to wait."""
    shutdown = Shutdown()
    async with client_of(core, era, None, ServerOptions(human=ANN, patience=0.0)) as client:
        await client.call_tool("vps_stop", {"server": "web01"})
    change = await held(core)
    async with client_of(core, era, None, ServerOptions(human=ANN, shutdown=shutdown)) as client:
        response = await _while_it_stops(client, shutdown, "vps_change_wait", change=change.id)
    assert "goes on without it" in text(response)
    assert response.structured_content is not None
    assert (response.structured_content["change"], response.structured_content["state"]) == (change.id, "held")


async def _while_it_stops(client: Client, shutdown: Shutdown, tool: str, **arguments: str) -> t.CallToolResult:
    results: list[t.CallToolResult] = []

    async def ask() -> None:
        results.append(await client.call_tool(tool, arguments))

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await eventually(lambda: shutdown._waits or shutdown._calls)
            shutdown.begin()
    return results[0]


@pytest.mark.requirement("stop-answers")
async def test_an_open_question_ends_and_is_asked_again_by_the_next(core: Core) -> None:
    """In the handshake era a question dies with the process; the hold does not, and the same ask asks again."""
    shutdown = Shutdown()
    asked = anyio.Event()

    async def silent(*_: object) -> t.ElicitResult:
        asked.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with client_of(core, "legacy", silent, ServerOptions(human=ANN, shutdown=shutdown)) as client:  # type: ignore[arg-type]
        results: list[t.CallToolResult] = []

        async def ask() -> None:
            results.append(await client.call_tool("vps_stop", {"server": "web01"}))

        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await asked.wait()
                shutdown.begin()
    change = await held(core)
    assert change.id in text(results[0])
    assert "Ask for the same once more" in text(results[0])
    assert (change.state, change.ruling.decision) == (State.HELD, Decision.CONFIRM)
    human = Human()
    async with client_of(core, "legacy", human) as client:
        again = await client.call_tool("vps_stop", {"server": "web01"})
    assert len(human.questions) == 1
    assert change.id in text(again)


@asynccontextmanager
async def hung(settings: Settings) -> AsyncIterator[Core]:
    """A core with a provider that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_core(
            settings.model_copy(update={"api_url": url}),
            front="mcp",
            timing=QUICK,
            clock=VirtualClock(),
            accounts=EVERYBODY,
        ) as core:
            yield core


@pytest.mark.requirement("stop-answers")
@pytest.mark.parametrize(
    ("tool", "words"), [("vps_list", "nothing was done"), ("vps_stop", "Look at vps_changes before")]
)
async def test_a_call_that_hangs_is_called_off(settings: Settings, era: str, tool: str, words: str) -> None:
    """A call that waits for the provider is abandoned: a read reports that, a change how to find its outcome."""
    shutdown = Shutdown()
    async with (
        hung(settings) as core,
        client_of(core, era, None, ServerOptions(human=ANN, shutdown=shutdown)) as client,
    ):
        arguments = {} if tool == "vps_list" else {"server": "web01"}
        response = await _while_it_stops(client, shutdown, tool, **arguments)
    assert words in text(response)
    assert response.is_error


@pytest.mark.requirement("stop-answers")
async def test_other_requests_that_hang_are_called_off(settings: Settings, era: str) -> None:
    """A resource that cannot be read in time is the protocol's error; the lists are still returned."""
    shutdown = Shutdown()
    async with (
        hung(settings) as core,
        client_of(core, era, None, ServerOptions(human=ANN, shutdown=shutdown)) as client,
    ):
        refusals: list[MCPError] = []

        async def ask() -> None:
            try:
                await client.read_resource("vps://servers")
            except MCPError as refusal:
                refusals.append(refusal)

        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                group.start_soon(_begin_when_asked, shutdown)
        assert "vpsops is stopping" in str(refusals[0])
        assert (await client.list_tools()).tools


async def _begin_when_asked(shutdown: Shutdown) -> None:
    await eventually(lambda: shutdown._calls)
    shutdown.begin()


def test_the_times_of_a_stop_follow_each_other() -> None:
    """Words of our own come before the blunt answer, that before the cut, and no call can be waited out."""
    assert 0 < LAST_LOOK < ANSWER_SECONDS < CUT_SECONDS
    assert CUT_SECONDS + CLOSE_SECONDS < GRACE_SECONDS
    assert GRACE_SECONDS < PATIENCE
    assert "vps_change_wait" in CHANGE_TOOLS
