"""Questions pushed while the call waits (the handshake's revisions)."""

import anyio
import mcp.types as t
import pytest
from mcp import Client
from mcp.client import ClientRequestContext

from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.mcp_server.tools import change_flow
from vpsops.playground.wayscloud.serve import SimulatorHandle

ERA = "legacy"


class Silent(Human):
    """A human who is asked and does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = anyio.Event()

    async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        self.asked.set()
        await anyio.sleep_forever()
        return await super().__call__(context, params)


class Unwilling(Human):
    """A client that declares forms and then refuses to show one."""

    async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ErrorData:  # type: ignore[override]
        del context, params
        return t.ErrorData(code=t.INVALID_REQUEST, message="not here")


async def settled(core: Core) -> Change:
    """Return the only change, once it is not open any more."""
    (change,) = await core.changes.list(scope=OPERATOR)
    return await core.changes.wait(change.id, seconds=5, scope=OPERATOR)


async def test_a_call_that_is_given_up_withdraws_its_change(core: Core, provider: SimulatorHandle) -> None:
    """When the client cancels the call, the hold on the server is released."""
    human = Silent()
    async with client_of(core, ERA, human) as client:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "vps_stop", {"server": "web01"})
                await human.asked.wait()
                group.cancel_scope.cancel()
        assert (await settled(core)).state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


async def test_a_client_that_leaves_withdraws_its_change(core: Core, provider: SimulatorHandle) -> None:
    """When the client's end closes while its human is asked, the hold is given back."""
    human = Silent()
    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group, client_of(core, ERA, human) as client:
            group.start_soon(_call_quietly, client)
            await human.asked.wait()
    assert (await settled(core)).state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


async def _call_quietly(client: Client) -> None:
    with pytest.raises(Exception, match="closed"):
        await client.call_tool("vps_stop", {"server": "web01"})


async def test_a_client_that_cannot_show_the_question_confirms_nothing(core: Core, provider: SimulatorHandle) -> None:
    """An error in place of an answer is not a yes."""
    async with client_of(core, ERA, Unwilling()) as client:
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert result.is_error
    assert "did not answer" in text(result)
    assert (await settled(core)).state is State.CANCELLED
    assert dict(provider.simulator.world.counts) == {}


async def test_progress_is_told_while_the_human_thinks(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that requests progress is notified that the question is open, repeatedly, with growing numbers."""
    monkeypatch.setattr(change_flow, "STEP", 0.05)
    messages: list[tuple[float, str | None]] = []
    enough = anyio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        del total
        messages.append((progress, message))
        if len(messages) == 3:
            enough.set()

    class SlowServer(Human):
        async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
            with anyio.fail_after(PATIENCE_SECONDS):
                await enough.wait()
            return await super().__call__(context, params)

    async with client_of(core, ERA, SlowServer()) as client:
        result = await client.call_tool("vps_stop", {"server": "web01"}, progress_callback=on_progress)
    assert not result.is_error
    numbers = [done for done, _ in messages]
    assert numbers == sorted(set(numbers))
    assert messages[0][1] == "Stop of web01.example.com waits for confirmation"
