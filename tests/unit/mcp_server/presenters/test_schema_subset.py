"""Schemas lie in the part that every big model API takes: one that does not makes a host lose all its tools."""

from typing import Any

import mcp.types as t
import pytest

from tests.hosts.subset import faults
from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.core.operations.registry import NoArguments
from vpsops.mcp_server.presenters.schemas import input_schema
from vpsops.mcp_server.tools.parameters import SIGNATURES

TOOLS = all_tools()
TEXT = {"type": "string"}


@pytest.mark.requirement("mcp-plain-schemas")
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_node_of_both_schemas_is_plain(tool: t.Tool) -> None:
    """A type at each node, items in each list, properties in each object; no union, null, reference or format."""
    assert list(faults(tool.input_schema)) == []
    assert list(faults(tool.output_schema)) == []


@pytest.mark.requirement("mcp-plain-schemas")
@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_is_listed_is_all_that_is_taken(tool: t.Tool) -> None:
    """A host that checks arguments itself holds nothing back that the server would take."""
    for name, schema in tool.input_schema["properties"].items():
        taken: Any = SIGNATURES[tool.name].properties[name]
        for left, right in ((schema, taken), (schema.get("items", {}), taken.get("items", {}))):
            assert left.get("type") == right.get("type")
            assert left.get("enum") in (None, right.get("enum"))


def test_a_tool_without_arguments_is_an_object_too() -> None:
    """Some hosts refuse an object that describes no properties."""
    assert list(faults(input_schema(NoArguments, reason=False))) == []


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"enum": ["a"]}, "$: type None"),
        ({"type": ["string", "null"]}, "$: type ['string', 'null']"),
        ({"type": "null"}, "$: type 'null'"),
        ({"anyOf": [TEXT, {"type": "integer"}]}, "$: type None"),
        ({"type": "string", "format": "uri"}, "$: format"),
        ({"type": "string", "const": "a"}, "$: const"),
        ({"$ref": "#/$defs/A"}, "$: type None"),
        ({"type": "array"}, "$[]: no schema"),
        ({"type": "array", "items": {"enum": ["a"]}}, "$[]: type None"),
        ({"type": "object"}, "$: an object without properties"),
        ({"type": "object", "properties": {"a": {}}}, "$.a: type None"),
        ({"type": "object", "properties": {"a": TEXT}, "required": ["b"]}, "$: requires what it does not describe"),
        ({"type": "object", "properties": {}, "additionalProperties": TEXT}, "$: additionalProperties"),
        ({"type": "string", "enum": []}, "$: enum []"),
        ({"type": "string", "enum": ["a", "a"]}, "$: enum ['a', 'a']"),
        ({"type": "string", "enum": ["a", None]}, "$: enum ['a', None]"),
        ({"type": "integer", "enum": ["1"]}, "$: enum ['1']"),
        (True, "$: no schema"),
    ],
)
def test_the_walk_sees_what_reports_were_about(schema: Any, fault: str) -> None:
    """Each kind of schema that a vendor's API was reported to refuse."""
    assert fault in list(faults(schema))
