"""The list of tools: names, order, schemas, annotations and size, as checked-in snapshots.

Regenerate the snapshots with `.venv/bin/python -m tests.unit.mcp_server.tools.tool_snapshots`.
"""

import json
import re
from itertools import pairwise

import mcp.types as t
import pytest
from openapi_schema_validator import OAS32Validator

from tests.unit.mcp_server.harness import ANN, client_of
from tests.unit.mcp_server.tools.tool_snapshots import DIRECTORY, all_tools, as_text
from vpsops.core.app import Core
from vpsops.core.operations import OPERATIONS, Risk
from vpsops.mcp_server.server import ServerOptions
from vpsops.mcp_server.tools.definitions import operation_tools

TOOLS = all_tools()


def test_there_is_one_tool_for_each_operation() -> None:
    """In the registry's order."""
    assert [tool.name for tool in operation_tools()] == [f"vps_{name}" for name in OPERATIONS]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_is_as_its_snapshot_says(tool: t.Tool) -> None:
    """Whatever a client sees of a tool changes only together with its snapshot."""
    assert (DIRECTORY / f"{tool.name}.json").read_text(encoding="utf-8") == as_text(tool)


def test_no_snapshot_is_without_its_tool() -> None:
    """A tool that went takes its snapshot along."""
    assert {path.stem for path in DIRECTORY.glob("*.json")} == {tool.name for tool in TOOLS}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_states_all_four_annotations(tool: t.Tool) -> None:
    """Nothing is left to the protocol's defaults, which are the worst case."""
    hints = tool.annotations
    assert hints is not None
    stated = (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert all(isinstance(hint, bool) for hint in stated)
    assert not (hints.read_only_hint and hints.destructive_hint)


@pytest.mark.requirement("no-approval-over-mcp")
def test_no_tool_and_no_argument_approves() -> None:
    """Others are on changes, plans, runbooks, grants and ends; none replaces a person's yes."""
    assert {tool.name for tool in TOOLS} == {f"vps_{name}" for name in OPERATIONS} | {
        "vps_check",
        "vps_changes",
        "vps_change_get",
        "vps_change_wait",
        "vps_change_cancel",
        "vps_plan",
        "vps_runbooks",
        "vps_runbook_run",
        "vps_grants",
        "vps_grant_ask",
        "vps_grant_end",
        "vps_ends",
        "vps_keep",
    }
    named = {name for tool in TOOLS for name in tool.input_schema["properties"]}
    assert "reason" in named
    assert not {name for name in named if re.search("approv|confirm|vote|force|yes|agree|note|human", name)}


def test_what_disrupts_is_marked() -> None:
    """What disrupts or destroys is destructive, start and create are not, reads are read-only."""
    hints = {tool.name: tool.annotations for tool in operation_tools()}
    destructive = {name for name, hint in hints.items() if hint is not None and hint.destructive_hint}
    repeatable = {name for name, hint in hints.items() if hint is not None and hint.idempotent_hint}
    reads = {f"vps_{name}" for name, operation in OPERATIONS.items() if operation.reads}
    harmful = {name for name, operation in OPERATIONS.items() if operation.risk in {Risk.DISRUPTIVE, Risk.DESTRUCTIVE}}
    assert destructive == {f"vps_{name}" for name in harmful} >= {"vps_stop", "vps_reboot", "vps_backup_restore"}
    assert {name for name, hint in hints.items() if hint is not None and hint.read_only_hint} == reads
    assert repeatable == reads | {f"vps_{name}" for name, operation in OPERATIONS.items() if operation.idempotent}
    assert {"vps_start", "vps_stop"} <= repeatable


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_schemas_are_there_inline_and_without_titles(tool: t.Tool) -> None:
    """Both schemas of every tool, without references, definitions or titles to pay for."""
    for schema in (tool.input_schema, tool.output_schema):
        text = json.dumps(schema)
        assert not any(word in text for word in ('"$ref"', '"$defs"', '"title"', '"null"', '"default"'))
        assert schema is not None
        OAS32Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert schema is tool.input_schema or schema["properties"]


@pytest.mark.requirement("mcp-both-eras")
async def test_both_eras_list_the_same_tools(core: Core) -> None:
    """The list is the same for every client, every time, and the new era may keep it for a while."""
    listed = []
    for era in ("legacy", "2026-07-28"):
        async with client_of(core, era) as client:
            for _ in range(2):
                tools = await client.list_tools(cache_mode="bypass")
                listed.append([tool.model_dump() for tool in tools.tools])
                assert era == "legacy" or (tools.ttl_ms, tools.cache_scope) == (300_000, "public")
    assert all(first == second for first, second in pairwise(listed))


async def test_the_tools_on_changes_come_when_asked_for(core: Core, era: str) -> None:
    """They follow the ten, and only with their option."""
    async with client_of(core, era, None, ServerOptions(human=ANN, change_tools=True)) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
    assert names[10:] == ["vps_check", "vps_changes", "vps_change_get", "vps_change_wait", "vps_change_cancel"]
