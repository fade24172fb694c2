"""The tools on changes themselves: list, get, wait, cancel."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar

import mcp.types as t
from pydantic import BaseModel, Field, ValidationError

from core.changes.model import Change
from core.errors import InvalidInput, NotAllowed
from core.operations.registry import Arguments
from mcp_server import results
from mcp_server.flow import PATIENCE, Desk, follow
from mcp_server.schemas import input_schema, output_schema
from mcp_server.sdk import Call
from mcp_server.text import moment, table
from mcp_server.told import ChangeResult, change_result

A = TypeVar("A", bound=Arguments)


class ChangesArguments(Arguments):
    """Which changes to list."""

    open_only: bool = True
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class ChangeArguments(Arguments):
    """One change."""

    change: Annotated[str, Field(description="its id", max_length=100)]


class WaitArguments(ChangeArguments):
    """One change, and how long to wait for it."""

    seconds: Annotated[float, Field(ge=0, le=PATIENCE)] = PATIENCE


class CancelArguments(ChangeArguments):
    """One change, and why it is not wanted any more."""

    reason: Annotated[str, Field(max_length=300)] = ""


class Changes(BaseModel):
    """Changes, newest first."""

    changes: list[ChangeResult]


Handler = Callable[[Desk, Call], Awaitable[t.CallToolResult]]


@dataclass(frozen=True, slots=True)
class ChangeTool:
    """A tool on changes, and what answers it."""

    tool: t.Tool
    handle: Handler


def parse(arguments: type[A], call: Call) -> A:
    """Return a call's arguments; raises `InvalidInput` naming the field that does not fit."""
    try:
        return arguments.model_validate(call.arguments)
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        known = ", ".join(arguments.model_fields)
        raise InvalidInput(f"{where}: {first['msg']}.", hint=f"{call.tool} takes: {known}.") from None


async def list_changes(desk: Desk, call: Call) -> t.CallToolResult:
    """List changes, newest first."""
    wanted = parse(ChangesArguments, call)
    found = await desk.core.gate.changes(open_only=wanted.open_only, limit=wanted.limit)
    listed = Changes(changes=[change_result(one, tools=desk.change_tools) for one in found])
    text = _table(found) if found else "No changes are open." if wanted.open_only else "There are no changes yet."
    return results.answer(text, listed.model_dump(mode="json", exclude_none=True))


def _table(found: list[Change]) -> str:
    rows = [(c.id, c.operation, c.target.hostname, c.state.value, c.actor.shown, moment(c.created_at)) for c in found]
    return table(("CHANGE", "OPERATION", "SERVER", "STATE", "ASKED BY", "ASKED AT"), rows)


async def get_change(desk: Desk, call: Call) -> t.CallToolResult:
    """Show one change; that it failed is what was asked for, not a failure to tell it."""
    change = await desk.core.gate.get(parse(ChangeArguments, call).change)
    return results.change(change, tools=desk.change_tools).model_copy(update={"is_error": False})


async def wait_change(desk: Desk, call: Call) -> t.CallToolResult:
    """Wait for a change, with progress."""
    wanted = parse(WaitArguments, call)
    change = await desk.core.gate.get(wanted.change)
    told = await follow(desk, call, change, wanted.seconds)
    return told.model_copy(update={"is_error": False})


async def cancel_change(desk: Desk, call: Call) -> t.CallToolResult:
    """Cancel a change that this asker asked for and that was not sent yet."""
    wanted = parse(CancelArguments, call)
    actor = desk.actor(call)
    change = await desk.core.gate.get(wanted.change)
    if not change.actor.same_human(actor):
        raise NotAllowed("Only who asked for a change can cancel it here.", hint="Its approvers can deny it in Slack.")
    cancelled = await desk.core.gate.cancel(change.id, actor, reason=wanted.reason)
    return results.change(cancelled, tools=desk.change_tools).model_copy(update={"is_error": False})


def _tool(name: str, description: str, arguments: type[Arguments], *, alters: bool = False) -> t.Tool:
    return t.Tool(
        name=name,
        title=description.split(".", 1)[0],
        description=description,
        input_schema=input_schema(arguments, reason=False),
        output_schema=output_schema(Changes if arguments is ChangesArguments else ChangeResult),
        annotations=t.ToolAnnotations(
            read_only_hint=not alters, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


CHANGE_TOOLS: Mapping[str, ChangeTool] = {
    one.tool.name: one
    for one in (
        ChangeTool(_tool("vps_changes", "List changes, newest first.", ChangesArguments), list_changes),
        ChangeTool(_tool("vps_change_get", "Show one change and what it waits for.", ChangeArguments), get_change),
        ChangeTool(_tool("vps_change_wait", "Wait until a change is settled.", WaitArguments), wait_change),
        ChangeTool(
            _tool("vps_change_cancel", "Cancel your own change before it runs.", CancelArguments, alters=True),
            cancel_change,
        ),
    )
}
