"""The tools: one for each operation of the registry, in its order, with all four annotations stated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import mcp.types as t

from vpsops.core.operations import OPERATIONS, Operation, Risk
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server
from vpsops.mcp_server.presenters.changes import ChangeResult
from vpsops.mcp_server.presenters.projection import FIELD_NAMES, projection_model
from vpsops.mcp_server.presenters.schemas import (
    Schema,
    bounded_properties,
    chosen_schema,
    input_schema,
    output_schema,
    required_names,
)
from vpsops.mcp_server.presenters.servers import result_model
from vpsops.mcp_server.tools.signature import TOOL_PREFIX, Signature

PREFIX = TOOL_PREFIX
MAX_REASON = 300
HARMFUL = frozenset({Risk.DISRUPTIVE, Risk.DESTRUCTIVE})


@dataclass(frozen=True, slots=True)
class ToolOutline:
    """What a call of a tool is judged by; `describe` returns the tool with its schemas, which a call does not need."""

    name: str
    reads: bool
    describe: Callable[[], t.Tool]


def operation_outlines() -> list[ToolOutline]:
    """Return the outline of each operation's tool."""
    return [
        ToolOutline(f"{PREFIX}{operation.name}", operation.reads, partial(tool_from, operation))
        for operation in OPERATIONS.values()
    ]


def operation_tools() -> list[t.Tool]:
    """Return a tool for each operation."""
    return [outline.describe() for outline in operation_outlines()]


def tool_from(operation: Operation) -> t.Tool:
    """Return an operation as a tool."""
    return t.Tool(
        name=f"{PREFIX}{operation.name}",
        title=operation.summary.split(".", 1)[0].split(":", 1)[0],
        description=operation.guidance,
        input_schema=input_schema(operation.arguments, projection_model(operation), reason=not operation.reads),
        output_schema=_output(operation),
        annotations=annotations_for(operation),
    )


def signature_for(operation: Operation) -> Signature:
    """Return the signature of an operation's tool, with all its bounds."""
    properties = bounded_properties(operation.arguments, projection_model(operation))
    if "fields" in properties:
        properties["fields"] = FIELD_NAMES
    if not operation.reads:
        properties["reason"] = {"type": "string", "maxLength": MAX_REASON}
    return Signature(f"{PREFIX}{operation.name}", properties, required_names(operation.arguments))


def _output(operation: Operation) -> Schema:
    if not operation.reads:
        return output_schema(ChangeResult)
    if operation.result is ServerList:
        return chosen_schema(result_model(operation.result), (), inside="servers")
    if operation.result is Server:
        return chosen_schema(result_model(operation.result), ("id", "hostname"))
    return output_schema(result_model(operation.result))


def annotations_for(operation: Operation) -> t.ToolAnnotations:
    """Return the hints: none is left to the protocol's defaults."""
    return t.ToolAnnotations(
        read_only_hint=operation.reads,
        destructive_hint=operation.risk in HARMFUL,
        idempotent_hint=operation.reads or operation.idempotent,
        open_world_hint=True,
    )


def operation_for_tool(tool: str) -> Operation | None:
    """Return the operation behind a tool's name."""
    return OPERATIONS.get(tool.removeprefix(PREFIX)) if tool.startswith(PREFIX) else None
