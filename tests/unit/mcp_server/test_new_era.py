"""Questions as results (2026-07-28): what comes back is verified, bound to the call, and used once."""

import mcp.types as t
import pytest
from mcp import Client, MCPError

from tests.unit.mcp_server.harness import NO, WEB, YES, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.wayscloud.serve import SimulatorHandle

ERA = "2026-07-28"
STOP = {"server": "web01"}


def effects(provider: SimulatorHandle) -> dict[str, int]:
    return dict(provider.simulator.world.counts)


async def ask(client: Client, tool: str = "vps_stop") -> str:
    """Call a tool up to its question and return the sealed state."""
    result = await client.session.call_tool(tool, STOP, allow_input_required=True)
    assert isinstance(result, t.InputRequiredResult)
    assert result.input_requests is not None
    assert list(result.input_requests) == ["confirm"]
    assert result.request_state is not None
    return result.request_state


async def only_change(core: Core) -> Change:
    (change,) = await core.changes.list(scope=OPERATOR)
    return change


async def test_the_state_tells_the_client_nothing(core: Core) -> None:
    """The state is sealed: neither the change nor its digest can be read from it."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
    change = await only_change(core)
    assert change.id not in state
    assert change.digest not in state


async def test_a_tampered_state_is_refused(core: Core, provider: SimulatorHandle) -> None:
    """One altered character is enough: the call is refused and the change stays held."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        middle = len(state) // 2
        altered = state[:middle] + ("A" if state[middle] != "A" else "B") + state[middle + 1 :]
        with pytest.raises(MCPError, match="requestState") as refused:
            await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=altered)
    assert refused.value.code == t.INVALID_PARAMS
    assert (await only_change(core)).state is State.HELD
    assert effects(provider) == {}


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("vps_stop", {"server": "db01"}),
        ("vps_stop", {"server": "web01", "reason": "another"}),
        ("vps_stop", {"server": WEB}),
        ("vps_reboot", {"server": "web01"}),
    ],
    ids=["server", "reason", "spelling", "tool"],
)
async def test_a_state_is_good_for_its_own_call_only(
    core: Core, provider: SimulatorHandle, tool: str, arguments: dict[str, str]
) -> None:
    """A yes to one question cannot be brought to another tool or other arguments."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        with pytest.raises(MCPError, match="requestState") as refused:
            await client.call_tool(tool, arguments, input_responses={"confirm": YES}, request_state=state)
    assert refused.value.code == t.INVALID_PARAMS
    assert effects(provider) == {}


async def test_a_state_is_good_for_its_own_server_only(core: Core, provider: SimulatorHandle) -> None:
    """A process that did not make a state does not take it."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
    async with client_of(core, ERA, Human()) as other:
        with pytest.raises(MCPError, match="requestState"):
            await other.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
    assert effects(provider) == {}


async def test_a_state_that_comes_back_again_runs_nothing_again(core: Core, provider: SimulatorHandle) -> None:
    """A repeated yes, as after a lost answer, gets the change's state; the effect stays one."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        first = await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
        again = await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
    assert not first.is_error
    assert text(again).startswith("This answer changed nothing:")
    assert again.structured_content is not None
    assert again.structured_content["state"] == "succeeded"
    assert effects(provider) == {"stop": 1}


async def test_a_yes_after_a_no_runs_nothing(core: Core, provider: SimulatorHandle) -> None:
    """Once it was declined, the same state cannot be confirmed."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        await client.call_tool("vps_stop", STOP, input_responses={"confirm": NO}, request_state=state)
        again = await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
    assert again.is_error
    assert "cancelled" in text(again)
    assert effects(provider) == {}


async def test_a_no_after_a_yes_undoes_nothing(core: Core, provider: SimulatorHandle) -> None:
    """A late no is answered with the change that ran."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
        late = await client.call_tool("vps_stop", STOP, input_responses={"confirm": NO}, request_state=state)
    assert text(late).startswith("This answer changed nothing:")
    assert effects(provider) == {"stop": 1}


async def test_an_answer_without_a_state_is_no_answer(core: Core, provider: SimulatorHandle) -> None:
    """A yes without a question only leads to the question."""
    human = Human(NO)
    async with client_of(core, ERA, human) as client:
        result = await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES})
    assert result.is_error
    assert len(human.questions) == 1
    assert effects(provider) == {}


async def test_a_state_without_an_answer_is_asked_again(core: Core, provider: SimulatorHandle) -> None:
    """A second call that forgot the answer gets the same question about the same change."""
    human = Human()
    async with client_of(core, ERA, human) as client:
        state = await ask(client)
        result = await client.call_tool("vps_stop", STOP, request_state=state)
    assert not result.is_error
    assert len(human.questions) == 1
    assert (await only_change(core)).id in human.questions[0]
    assert effects(provider) == {"stop": 1}


async def test_a_first_call_that_is_repeated_asks_about_the_same_change(core: Core, provider: SimulatorHandle) -> None:
    """Where the question was lost on its way, asking again finds the hold instead of being in its way."""
    human = Human()
    async with client_of(core, ERA, human) as client:
        await ask(client)
        result = await client.call_tool("vps_stop", STOP)
        assert not result.is_error, text(result)
    assert (await only_change(core)).id in human.questions[0]
    assert effects(provider) == {"stop": 1}


async def test_another_request_for_a_held_server_is_not_the_same(core: Core, provider: SimulatorHandle) -> None:
    """Another operation on the server is refused while the first waits, and names it."""
    async with client_of(core, ERA, Human()) as client:
        await ask(client)
        result = await client.call_tool("vps_reboot", STOP)
    assert result.is_error
    assert (await only_change(core)).id in text(result)
    assert effects(provider) == {}


async def test_what_changed_meanwhile_is_not_run(core: Core, provider: SimulatorHandle) -> None:
    """A yes to an outdated state drops the change: its digest is checked again before sending."""
    async with client_of(core, ERA, Human()) as client:
        state = await ask(client)
        world = provider.simulator.world
        web = next(server for server in world.servers() if server.hostname == WEB)
        world.override(web, None, "elsewhere.example.com", None)
        result = await client.call_tool("vps_stop", STOP, input_responses={"confirm": YES}, request_state=state)
    assert result.is_error
    assert "nothing was done" in text(result)
    assert effects(provider) == {}
