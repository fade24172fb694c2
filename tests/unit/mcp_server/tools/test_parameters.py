"""Parameters of whole requests as hosts spell them, through the server and both eras."""

import json
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.unit.mcp_server.harness import WEB, Human, client_of, text
from vpsops.core.app import Core
from vpsops.mcp_server.tools.parameters import read_request
from vpsops.playground.wayscloud.serve import SimulatorHandle


async def send(client: Client, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Send a request with parameters that the SDK's own client would not send."""
    return await client.session._dispatcher.send_raw_request(method, params)


@pytest.mark.requirement("mcp-one-meaning")
@pytest.mark.parametrize(
    ("tool", "spelled", "plain"),
    [
        ("vps_list", dict.fromkeys(("name", "state", "region", "limit", "cursor", "fields")), {}),
        ("vps_list", {"fields": '["state"]', "limit": "2"}, {"fields": ["state"], "limit": 2}),
        ("vps_list", {"arguments": '{"limit": 2}'}, {"limit": 2}),
        ("vps_get", {"server": WEB, "fields": None}, {"server": WEB}),
        ("vps_get", {"server": f"{WEB}.", "fields": "plan"}, {"server": WEB, "fields": ["plan"]}),
        ("vps_plans", {"name": None, "cursor": ""}, {}),
        ("vps_regions", {"cursor": None}, {}),
        ("vps_changes", {"open_only": None, "state": "", "server": None, "limit": None, "cursor": []}, {}),
    ],
)
async def test_a_read_means_the_same_however_it_arrives(
    core: Core, era: str, tool: str, spelled: dict[str, object], plain: dict[str, object]
) -> None:
    """Null for an omitted argument, texts of lists and numbers, a second wrapping: the same answer."""
    async with client_of(core, era) as client:
        first, second = [await client.call_tool(tool, arguments) for arguments in (spelled, plain)]
    assert not first.is_error, text(first)
    assert first.structured_content == second.structured_content


@pytest.mark.requirement("mcp-one-meaning")
async def test_a_change_with_every_optional_left_null_is_the_same_change(
    core: Core, provider: SimulatorHandle, era: str
) -> None:
    """The question that is asked and answered belongs to the call, whichever way its arguments were spelled."""
    async with client_of(core, era, Human()) as client:
        stopped = await client.call_tool("vps_stop", {"server": "web01", "reason": None})
    assert not stopped.is_error, text(stopped)
    assert dict(provider.simulator.world.counts) == {"stop": 1}


READ: tuple[object, ...] = ('{"limit": 1}', "", None, [], "{}")
WRONG: tuple[object, ...] = ("x", [1], 5, True)
TOKENS: tuple[object, ...] = (None, 1.5, True, {})


async def test_arguments_may_be_json_text_or_nothing(core: Core) -> None:
    """A host that sends the object as a text, or no object, is answered; anything else is an error for the model."""
    async with client_of(core, "legacy") as client:
        for arguments in READ:
            answer = await send(client, "tools/call", {"name": "vps_list", "arguments": arguments})
            assert answer["isError"] is False, arguments
        for wrong in WRONG:
            answer = await send(client, "tools/call", {"name": "vps_list", "arguments": wrong})
            assert answer["isError"] is True
            assert answer["content"][0]["text"].startswith("vps_list: arguments: must be a JSON object, not ")


async def test_no_cursor_is_the_first_page(core: Core) -> None:
    """Null and empty are none, in the protocol's own lists too; any other text is refused."""
    async with client_of(core, "legacy") as client:
        for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
            assert await send(client, method, {"cursor": None}) == await send(client, method, {"cursor": ""})
            with pytest.raises(MCPError, match="Invalid cursor"):
                await send(client, method, {"cursor": "x"})


async def test_prompts_take_numbers_and_leave_out_what_is_empty(core: Core) -> None:
    """Their arguments are text by the protocol; null, numbers and the text of the object are read all the same."""
    plain = {"name": "morning_report", "arguments": {"hours": "2"}}
    async with client_of(core, "legacy") as client:
        first, *others = [
            await send(client, "prompts/get", params)
            for params in (
                plain,
                plain | {"arguments": {"hours": 2}},
                plain | {"arguments": '{"hours": 2.0, "x": null}'},
                plain | {"arguments": {"hours": "2.0"}},
                plain | {"arguments": {"hours": [2]}},
            )
        ]
        with pytest.raises(MCPError, match="The prompt morning_report takes text in: hours"):
            await send(client, "prompts/get", plain | {"arguments": {"hours": [2, 3]}})
        with pytest.raises(MCPError, match="does not take: arguments"):
            await send(client, "prompts/get", plain | {"arguments": 5})
    assert all(other["messages"][0] == first["messages"][0] for other in others)


async def test_completions_take_null_for_nothing_typed(core: Core) -> None:
    """And a context without anything in it."""
    argument = {"name": "server", "value": None}
    reference = {"type": "ref/prompt", "name": "incident"}
    async with client_of(core, "legacy") as client:
        for context in (None, {}, {"arguments": None}, {"arguments": {"symptom": None}}):
            params = {"ref": reference, "argument": argument, "context": context}
            answer = await send(client, "completion/complete", params)
            assert answer["completion"]["values"]
        typed = {"ref": json.dumps(reference), "argument": '{"name": "server", "value": ["web"]}'}
        answer = await send(client, "completion/complete", typed)
        assert answer["completion"]["values"] == [WEB]


async def test_a_token_that_is_none_costs_the_progress_and_not_the_answer(core: Core) -> None:
    """The call is answered."""
    async with client_of(core, "legacy") as client:
        for token in TOKENS:
            answer = await send(client, "tools/call", {"name": "vps_list", "_meta": {"progressToken": token}})
            assert answer["isError"] is False, token


async def test_parameters_of_the_wrong_form_are_named(core: Core) -> None:
    """In words, with the parameter, in place of the SDK's three."""
    async with client_of(core, "legacy") as client:
        with pytest.raises(MCPError, match=r"tools/call: these parameters are missing or do not fit: params\.name\."):
            await send(client, "tools/call", {"arguments": {}})
        with pytest.raises(MCPError, match=r"resources/read: .* do not fit: params\.uri\."):
            await send(client, "resources/read", {"uri": 5})
        wrong: tuple[dict[str, Any], ...] = ({"capabilities": []}, {"capabilities": None, "protocolVersion": 5})
        for params in wrong:
            with pytest.raises(
                MCPError, match=r"initialize: .* do not fit: params\.capabilities, params\.protocolVersion\."
            ):
                await send(client, "initialize", {"clientInfo": {"name": "t", "version": "1"}} | params)


@pytest.mark.parametrize(
    ("name", "near"),
    [("vps-list", "vps_list"), ("list", "vps_list"), ("VPS_Reboot", "vps_reboot"), ("vps_regoins", "vps_regions")],
)
async def test_an_unknown_tool_is_answered_with_the_one_that_is_meant(core: Core, name: str, near: str) -> None:
    """A host that writes names its own way, and a model that leaves out the beginning."""
    async with client_of(core, "legacy") as client:
        with pytest.raises(MCPError, match=f"Unknown tool: {name}. Did you mean {near}\\?"):
            await client.call_tool(name, {})


async def test_a_tool_that_its_caller_does_not_have_is_not_proposed(core: Core) -> None:
    """It would be refused."""
    async with client_of(core, "legacy") as client:
        with pytest.raises(MCPError) as refused:
            await client.call_tool("vps-plan", {})
    assert "vps_plan?" not in refused.value.error.message


async def test_all_that_is_wrong_with_a_prompt_is_said_at_once(core: Core) -> None:
    """What is missing, unknown and too long, and what it takes."""
    async with client_of(core, "legacy") as client:
        with pytest.raises(MCPError) as refused:
            await client.get_prompt("incident", {"host": "web01", "symptom": "x" * 5_000})
    faults = "needs: server; does not take: host; takes less text in: symptom"
    assert refused.value.error.message == f"The prompt incident {faults}. It takes: server, symptom."


async def test_an_unknown_tool_is_not_echoed_at_length(core: Core, era: str) -> None:
    """A name of a megabyte comes back as its beginning."""
    async with client_of(core, era) as client:
        with pytest.raises(MCPError, match="Unknown tool: xxx") as refused:
            await client.call_tool("x" * 1_000_000, {})
    assert len(refused.value.error.message) < 200


def test_what_is_null_is_left_out_of_any_request() -> None:
    """Whatever the method; nothing else is touched."""
    assert read_request("tasks/get", {"taskId": "x", "more": None}) == {"taskId": "x"}
    assert read_request("tools/list", None) is None
