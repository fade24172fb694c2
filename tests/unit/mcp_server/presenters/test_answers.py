"""What every tool answers: as its schema says, errors without content, prices with a currency, times with a zone."""

import re
from collections.abc import Iterator
from typing import Any

import mcp.types as t
from jsonschema import Draft202012Validator
from mcp import Client

from tests.unit.mcp_server.harness import NO, ORDERS, Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR

ORDER = {"hostname": "app09.example.com", **ORDERS["seed"]}
SERVER = {"server": "web01"}
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
CLOCK = re.compile(r"\b\d{1,2}:\d{2}\b(?! UTC)")
PRICE = re.compile(r"\b(99|199|399)\b(?! NOK)")
CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vps_list", {}),
    ("vps_list", {"fields": ["plan", "monthly_price", "created_at"]}),
    ("vps_list", {"limit": 1}),
    ("vps_get", SERVER),
    ("vps_status", SERVER),
    ("vps_plans", {}),
    ("vps_os_templates", {}),
    ("vps_regions", {}),
    ("vps_check", {"operation": "stop", **SERVER}),
    ("vps_check", {"operation": "create", **ORDER}),
    ("vps_stop", SERVER),
    ("vps_start", SERVER),
    ("vps_reboot", SERVER),
    ("vps_create", ORDER),
    ("vps_changes", {"open_only": False}),
    ("vps_change_get", {}),
    ("vps_change_wait", {"seconds": 1}),
    ("vps_change_cancel", {}),
)
WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vps_list", {"limit": 0}),
    ("vps_get", {"server": "nowhere"}),
    ("vps_create", {**ORDER, "region": "mars"}),
    ("vps_stop", {}),
    ("vps_change_get", {"change": "chg_000000000000"}),
    ("vps_check", {"operation": "explode"}),
)


async def answers(core: Core, client: Client) -> Iterator[tuple[t.Tool, t.CallToolResult]]:
    """Call every tool, those on changes about the change that ran last."""
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {tool for tool, _ in CALLS}
    results = []
    for name, arguments in CALLS:
        about = {"change": (await core.changes.list(scope=OPERATOR))[0].id} if name.startswith("vps_change_") else {}
        results.append((tools[name], await client.call_tool(name, {**arguments, **about})))
    return iter(results)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each object within a value."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(item)


async def test_each_tool_answers_as_its_schema_says(core: Core, era: str) -> None:
    """A strict client checks the content; an error has none, since it would not fit the schema."""
    async with client_of(core, era, Human()) as client:
        for tool, result in await answers(core, client):
            if tool.name == "vps_change_cancel":  # nothing to cancel any more
                assert (result.is_error, result.structured_content) == (True, None)
                continue
            assert not result.is_error, text(result)
            assert tool.output_schema is not None
            Draft202012Validator(tool.output_schema).validate(result.structured_content)
        for name, arguments in WRONG:
            wrong = await client.call_tool(name, arguments)
            assert (wrong.is_error, wrong.structured_content) == (True, None), text(wrong)


async def test_prices_have_their_currency_and_times_their_zone(core: Core, era: str) -> None:
    """In content and in words, also where a human is asked."""
    human = Human()
    priced = timed = 0
    async with client_of(core, era, human) as client:
        results = [(text(result), result.structured_content) for _, result in await answers(core, client)]
    for words, content in [*results, *((question, None) for question in human.questions)]:
        assert not PRICE.search(words), words
        assert not CLOCK.search(words), words
        for item in objects(content):
            prices = [name for name in item if name.endswith("price")]
            moments = [str(value) for name, value in item.items() if name.endswith(("_at", "_until"))]
            assert not prices or item["currency"] == "NOK"
            assert all(MOMENT.fullmatch(moment) for moment in moments), moments
            priced, timed = priced + len(prices), timed + len(moments)
    assert priced >= 3
    assert timed >= 2
    assert any("99 NOK" in question for question in human.questions)
    assert any(re.search(r"\d:\d\d UTC", words) for words, _ in results)


async def test_the_change_of_a_refusal_is_told_as_the_schema_says(core: Core, era: str) -> None:
    """A human's no is an error with the change that was withdrawn; a client checks that content as well."""
    async with client_of(core, era, Human(NO)) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        result = await client.call_tool("vps_stop", SERVER)
    assert result.is_error
    schema = tools["vps_stop"].output_schema
    assert schema is not None
    Draft202012Validator(schema).validate(result.structured_content)
