"""The tools that ask once about many changes, followed as one change and one task: a plan, and a runbook."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import mcp.types as t
from pydantic import BaseModel, Field, JsonValue

from vpsops.core.changes.requests import Request
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import one_line
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.traits import RUNBOOK, word_of
from vpsops.core.plans.model import PlanOptions
from vpsops.core.plans.requests import PlanRequest, plannable
from vpsops.core.plans.selection import FILTERS, Selection
from vpsops.core.schedule.model import LaterRequest
from vpsops.mcp_server.auth.access import exceeded_limit
from vpsops.mcp_server.presenters.changes import ChangeResult
from vpsops.mcp_server.presenters.results import ToolResult, refused_result, text_result
from vpsops.mcp_server.presenters.schemas import Schema, bounded_properties, input_schema, output_schema, required_names
from vpsops.mcp_server.protocol.sdk_compat import ToolCall
from vpsops.mcp_server.protocol.text import join_nonempty, sanitize
from vpsops.mcp_server.tools.change_flow import CallContext, answer_question, run_plan
from vpsops.mcp_server.tools.definitions import MAX_REASON, PREFIX, ToolOutline
from vpsops.mcp_server.tools.signature import Signature

if TYPE_CHECKING:
    from vpsops.core.runbooks.model import Runbook
    from vpsops.core.runbooks.requests import RunbookRequest

NAME: Final = f"{PREFIX}plan"
DESCRIPTION: Final = (
    "Ask once to start, stop or reboot many servers, one after another; a failure stops the rest. A human must agree."
)
WHICH_SERVERS: Final = "Name servers or patterns, or give a state, region or label. The pattern * means every server."
OPERATION_NAMES: Final[list[JsonValue]] = [name for name, operation in OPERATIONS.items() if operation.plannable]
"""The operations that it takes; a refusal lists them."""


class PlanArguments(Arguments):
    """What is done to which servers, and how."""

    operation: Annotated[str, Field(description=f"tool without {PREFIX}")]
    servers: Annotated[tuple[str, ...], Field(description="names, or patterns like web*", max_length=1000)] = ()
    state: Annotated[str, Field(max_length=100)] = ""
    region: Annotated[str, Field(max_length=100)] = ""
    label: Annotated[str, Field(description="key=value", max_length=200)] = ""
    labels: Annotated[tuple[str, ...], Field(description="for label: key=value, key-", max_length=1000)] = ()
    snapshot: Annotated[str, Field(description="for snapshot_create: its name", max_length=200)] = ""
    at_once: Annotated[int, Field(ge=1, le=10)] = 1
    pause: Annotated[int, Field(ge=0, le=3600, description="seconds")] = 0
    stop_after: Annotated[int, Field(ge=1, le=1000)] = 1
    probe: Annotated[str, Field(description="tcp:22", max_length=300)] = ""
    at: Annotated[str, Field(description="later: at 02:00 UTC, in 2h", max_length=80)] = ""


def plan_outline() -> ToolOutline:
    """Return what a call of the tool is judged by."""
    return ToolOutline(NAME, False, describe_plan)


def describe_plan() -> t.Tool:
    """Return the tool as a list shows it."""
    return t.Tool(
        name=NAME,
        title="Many servers at once",
        description=DESCRIPTION,
        input_schema=input_schema(PlanArguments, reason=True),
        output_schema=output_schema(ChangeResult),
        annotations=t.ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
        ),
    )


def plan_signature() -> Signature:
    """Return the tool's arguments with all their bounds."""
    bounded: dict[str, Schema] = bounded_properties(PlanArguments)
    bounded["operation"] = {**bounded["operation"], "enum": OPERATION_NAMES}
    bounded["reason"] = {"type": "string", "maxLength": MAX_REASON}
    return Signature(NAME, bounded, required_names(PlanArguments))


async def request_plan(ctx: CallContext, call: ToolCall) -> ToolResult:
    """Ask for a plan, and carry it as far as possible within one call; the caller needs the operation's own tool."""
    values = dict(call.arguments)
    reason = str(values.pop("reason", ""))
    planned = plan_request(ctx, call, PlanArguments.model_validate(values), reason)
    exceeded = exceeded_limit(ctx.caller_of(call), f"{PREFIX}{planned.request.operation}", alters=True)
    if exceeded is not None:
        refusal = await ctx.core.admission.refuse_for_limit(planned.request, exceeded)
        return refused_result(refusal, tools=ctx.change_tools)
    return await run_plan(ctx, call, planned)


def plan_request(ctx: CallContext, call: ToolCall, arguments: PlanArguments, reason: str = "") -> PlanRequest:
    """Return the request for a plan. Raises `InvalidInputError` where it names no servers or cannot be planned."""
    selection = _selection(arguments)
    request = Request(
        plannable(arguments.operation).name,
        _others(arguments),
        ctx.actor(call),
        ctx.origin(call),
        reason=reason,
        can_confirm=call.can_ask,
        named_in=ctx.caller_of(call).named_in,
        later=LaterRequest(arguments.at) if arguments.at else None,
    )
    return PlanRequest(request, selection, _options(arguments))


def _selection(arguments: PlanArguments) -> Selection:
    """Return the servers that are meant. Raises `InvalidInputError` where none are: that would be every server."""
    filters = {name: value for name in FILTERS if (value := getattr(arguments, name))}
    if not (arguments.servers or filters):
        raise InvalidInputError(f"{NAME}: servers: is missing.", hint=WHICH_SERVERS)
    return Selection(tuple(dict.fromkeys(arguments.servers)), filters)


def _options(arguments: PlanArguments) -> PlanOptions:
    return PlanOptions(arguments.at_once, arguments.pause, arguments.stop_after, arguments.probe)


def _others(arguments: PlanArguments) -> dict[str, Json]:
    """Return the arguments of the operation beside its server."""
    labels: dict[str, Json] = {"labels": list(arguments.labels)} if arguments.labels else {}
    return labels | ({"snapshot": arguments.snapshot} if arguments.snapshot else {})


class RunbookArguments(Arguments):
    """Which runbook is run, with which values."""

    runbook: Annotated[str, Field(description="its name", max_length=40)]
    values: Annotated[tuple[str, ...], Field(description="name=value", max_length=10)] = ()
    at: Annotated[str, Field(description="later: at 02:00 UTC, in 2h", max_length=80)] = ""
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""


class ListedRunbook(BaseModel):
    """A runbook, what it takes and what it does."""

    name: str
    takes: str
    description: str
    steps: list[str]


class RunbookListResult(BaseModel):
    """The runbooks that the caller may read."""

    runbooks: list[ListedRunbook]


NO_RUNBOOKS: Final = "There are no runbooks. People store them at a terminal."


async def list_runbooks(ctx: CallContext, call: ToolCall) -> ToolResult:  # noqa: ARG001 - every tool takes its call
    """List the runbooks that the caller may read; what cannot be run is left out."""
    from vpsops.core.runbooks.loader import RunbookError  # noqa: PLC0415 - a read of servers does without
    from vpsops.core.runbooks.model import RunbookBrokenError  # noqa: PLC0415 - likewise

    listed: list[ListedRunbook] = []
    for registered in await ctx.core.runbooks.list_all(scope=ctx.scope):
        with suppress(RunbookError, RunbookBrokenError):
            listed.append(_listed(registered.runbook))
    lines = [
        f"{join_nonempty((each.name, each.takes), ' ')}: {each.description} Steps: {', '.join(each.steps)}."
        for each in listed
    ]
    return text_result("\n".join(lines) or NO_RUNBOOKS, RunbookListResult(runbooks=listed).model_dump(mode="json"))


def _listed(runbook: "Runbook") -> ListedRunbook:
    steps = [word_of(step.operation) for step in runbook.steps]
    takes = runbook.usage.partition(" ")[2]
    return ListedRunbook(name=runbook.name, takes=takes, description=sanitize(runbook.description, 300), steps=steps)


async def run_runbook(ctx: CallContext, call: ToolCall) -> ToolResult:
    """Ask for a runbook, and carry it as far as possible; the caller needs the tool of each operation in it."""
    if call.state:
        return await answer_question(ctx, call)
    planned = await runbook_request(ctx, call, RunbookArguments.model_validate(call.arguments))
    for operation in planned.runbook.operations:
        exceeded = exceeded_limit(ctx.caller_of(call), f"{PREFIX}{operation}", alters=True)
        if exceeded is not None:
            refusal = await ctx.core.admission.refuse_for_limit(planned.request, exceeded)
            return refused_result(refusal, tools=ctx.change_tools)
    return await run_plan(ctx, call, planned)


async def runbook_request(ctx: CallContext, call: ToolCall, arguments: RunbookArguments) -> "RunbookRequest":
    """Return the request for a registered runbook; raises `InvalidInputError` for one that there is not."""
    from vpsops.core.runbooks.requests import RunbookRequest, request_arguments  # noqa: PLC0415 - as above
    from vpsops.core.runbooks.values import given_values  # noqa: PLC0415 - as above

    runbook = await ctx.core.runbooks.get(arguments.runbook, scope=ctx.scope)
    request = Request(
        RUNBOOK.name,
        request_arguments(runbook, given_values(arguments.values)),
        ctx.actor(call),
        ctx.origin(call),
        reason=one_line(arguments.reason, MAX_REASON),
        can_confirm=call.can_ask,
        named_in=ctx.caller_of(call).named_in,
        later=LaterRequest(arguments.at) if arguments.at else None,
    )
    return RunbookRequest(request, runbook)
