"""The tools on changes themselves: list, get, wait, cancel; on grants, of which people open each; and on ends."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeVar, cast

import mcp.types as t
from pydantic import BaseModel, Field, JsonValue, WithJsonSchema

from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Refused, Request
from vpsops.core.changes.scope import ChangePage, ChangeQuery, position_from, position_of
from vpsops.core.common.text import moment
from vpsops.core.grants.model import Grant, unknown_grant
from vpsops.core.grants.requests import GrantRequest, grantable, grantable_names
from vpsops.core.operations.arguments import Arguments
from vpsops.core.operations.registry import NoArguments
from vpsops.mcp_server.auth.access import exceeded_limit
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.changes import ChangeResult, ListedChange, listed_change
from vpsops.mcp_server.presenters.schemas import Schema, bounded_properties, input_schema, output_schema, required_names
from vpsops.mcp_server.presenters.size_limit import Content, ResultPage, fit_rows
from vpsops.mcp_server.protocol.sdk_compat import ToolCall
from vpsops.mcp_server.protocol.text import join_nonempty, quote, sanitize, table
from vpsops.mcp_server.tools.change_flow import PATIENCE, CallContext, follow_change
from vpsops.mcp_server.tools.check import (
    CHANGES,
    CHECK,
    CheckArguments,
    CheckResult,
    evaluate_change,
    unlisted_arguments,
)
from vpsops.mcp_server.tools.definitions import MAX_REASON, PREFIX, ToolOutline
from vpsops.mcp_server.tools.ends.end_tools import EndListResult, KeepArguments, ListedEnd, keep_server, list_ends
from vpsops.mcp_server.tools.plan_tool import RunbookArguments, RunbookListResult, list_runbooks, run_runbook
from vpsops.mcp_server.tools.signature import Signature

A = TypeVar("A", bound=Arguments)


UNREADABLE_SHOWN: Final = 5
STATES: Final[list[JsonValue]] = [state.value for state in State]


class ChangesArguments(Arguments):
    """Which changes to list: without a state only open ones, unless `open_only` is set."""

    open_only: bool | None = None
    state: Annotated[State | None, WithJsonSchema({"type": "string", "description": "held, failed, unknown"})] = (
        None  # a refusal names all
    )
    server: Annotated[str, Field(max_length=300)] = ""
    limit: Annotated[int, Field(ge=1, le=100, description="1-100")] = 20
    cursor: Annotated[str, Field(description="next_cursor")] = ""


class ChangeArguments(Arguments):
    """One change."""

    change: Annotated[str, Field(max_length=100)]


class WaitArguments(ChangeArguments):
    """One change, and how long to wait for it."""

    seconds: Annotated[float, Field(ge=0, le=PATIENCE, description=f"0-{PATIENCE:.0f}")] = PATIENCE


class CancelArguments(ChangeArguments):
    """One change, and why it is not wanted any more."""

    reason: Annotated[str, Field(max_length=300)] = ""


class ChangeListResult(BaseModel):
    """Changes, newest first."""

    changes: list[ListedChange]
    next_cursor: str | None = None


Handler = Callable[[CallContext, ToolCall], Awaitable[results.ToolResult]]


@dataclass(frozen=True, slots=True)
class ChangeTool:
    """A tool on changes, and what answers it."""

    name: str
    description: str
    arguments: type[Arguments]
    handle: Handler
    result: type[BaseModel] = ChangeResult
    enums: Mapping[str, list[JsonValue]] = field(default_factory=dict)  # values that only a refusal lists
    unlisted: Callable[[], Mapping[str, Schema]] = dict  # arguments that it takes besides
    alters: bool = False
    disrupts: bool = False
    counted: bool = False  # the gate counts the call itself, as for a change

    @property
    def outline(self) -> ToolOutline:
        """What a call of it is judged by."""
        return ToolOutline(self.name, not self.alters, self.describe)

    @property
    def signature(self) -> Signature:
        """Its arguments, with all their bounds."""
        bounded = bounded_properties(self.arguments)
        enums = {name: {**bounded[name], "enum": values} for name, values in self.enums.items()}
        return Signature(self.name, bounded | enums | dict(self.unlisted()), required_names(self.arguments))

    def describe(self) -> t.Tool:
        """Return the tool as a list shows it."""
        hints = t.ToolAnnotations(
            read_only_hint=self.outline.reads,
            destructive_hint=self.disrupts,
            idempotent_hint=not self.disrupts,
            open_world_hint=self.disrupts,
        )
        return t.Tool(
            name=self.name,
            title=self.description.split(".", 1)[0],
            description=self.description,
            input_schema=input_schema(self.arguments, reason=False),
            output_schema=output_schema(self.result),
            annotations=hints,
        )


def parse_arguments(arguments: type[A], call: ToolCall) -> A:
    """Return a call's arguments, which its tool's signature has let pass."""
    return arguments.model_validate(call.arguments)


async def list_changes(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """List changes, newest first."""
    arguments = parse_arguments(ChangesArguments, call)
    page = await ctx.core.changes.page(query_from(arguments), scope=ctx.scope)
    return results.text_result(*changes_page(page, _nothing(arguments)))


def query_from(arguments: ChangesArguments) -> ChangeQuery:
    """Return the query for changes. Raises `InvalidInputError` for a cursor of another list."""
    return ChangeQuery(
        open_only=arguments.open_only if arguments.open_only is not None else not arguments.state,
        states=(arguments.state,) if arguments.state else (),
        server=arguments.server,
        after=position_from(arguments.cursor),
        limit=arguments.limit,
    )


def changes_page(result: ChangePage, nothing: str) -> ResultPage:
    """Return a page of changes, as many as a result may hold."""
    unreadable = _unreadable([row.id for row in result.unreadable])

    def page(count: int) -> ResultPage:
        rows = result.changes[:count]
        after = position_of(rows[-1]) if count < len(result.changes) else result.next
        listed = ChangeListResult(
            changes=[listed_change(change) for change in rows],
            next_cursor=after.cursor if after else None,
        )
        more = f"More may follow; pass cursor {quote(listed.next_cursor)}." if listed.next_cursor else ""
        text = join_nonempty((_table(rows) if rows else nothing, unreadable, more), "\n")
        return text, cast("Content", listed.model_dump(mode="json", exclude_none=True))

    return fit_rows(len(result.changes), page)


def _unreadable(ids: Sequence[str]) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - UNREADABLE_SHOWN} more" if len(ids) > UNREADABLE_SHOWN else ""
    return f"Cannot be read by this version of vpsops: {', '.join(ids[:UNREADABLE_SHOWN])}{more}."


def _nothing(arguments: ChangesArguments) -> str:
    if arguments.state or arguments.server or arguments.cursor:
        return "No changes match."
    if arguments.open_only is False:
        return "There are no changes yet."
    return "No changes are open. Ended ones are listed with open_only false, or by their state."


def _table(changes: Sequence[Change]) -> str:
    rows = [(c.id, c.operation, c.target.hostname, c.state.value, c.actor.claim, moment(c.created_at)) for c in changes]
    return table(("CHANGE", "OPERATION", "SERVER", "STATE", "ASKED BY", "ASKED AT"), rows)


async def get_change(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Show one change; a failed change is a successful answer here."""
    change = await ctx.core.changes.get(parse_arguments(ChangeArguments, call).change, scope=ctx.scope)
    return results.change_tool_result(change, tools=ctx.change_tools).model_copy(update={"is_error": False})


async def wait_change(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Wait for a change, with progress."""
    arguments = parse_arguments(WaitArguments, call)
    change = await ctx.core.changes.get(arguments.change, scope=ctx.scope)
    result = await follow_change(ctx, call, change, arguments.seconds)
    return result.model_copy(update={"is_error": False})


async def cancel_change(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Cancel a change of this asker that was not sent yet."""
    arguments = parse_arguments(CancelArguments, call)
    actor = ctx.actor(call)
    cancelled = await ctx.core.gate.cancel(arguments.change, actor, reason=arguments.reason, scope=ctx.scope)
    return results.change_tool_result(cancelled, tools=ctx.change_tools).model_copy(update={"is_error": False})


EVIDENCE: Final = "by the agent itself"
NONE: Final = "No grant is open for you: each change is asked for. People open grants, in Slack."
GRANTABLE_NAMES: Final[list[JsonValue]] = list(grantable_names())
"""The operations that can be asked for; a refusal lists them."""


class GrantArguments(Arguments):
    """One grant."""

    grant: Annotated[str, Field(max_length=100)]


class AskArguments(Arguments):
    """What an agent asks to repeat without votes, where, and for how long."""

    operation: Annotated[str, Field(max_length=100, description="tool without vps_")]
    servers: Annotated[tuple[str, ...], Field(max_length=100, description="names")]
    minutes: Annotated[int, Field(ge=5, le=1440)]
    uses: Annotated[int | None, Field(ge=1, le=100)] = None
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""


class ListedGrant(BaseModel):
    """What this agent may do without votes for now."""

    id: str
    operation: str
    servers: str
    until: str
    used: int
    uses: int


class GrantListResult(BaseModel):
    """The caller's open grants."""

    grants: list[ListedGrant]


async def list_grants(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """List the open grants of the very agent that calls."""
    grants = await ctx.core.grants.list_open(scope=ctx.scope, of=ctx.actor(call), origin=ctx.origin(call))
    listed = GrantListResult(grants=[listed_grant(grant) for grant in grants])
    lines = [grant_text(grant) for grant in listed.grants]
    return results.text_result("\n".join(lines) or NONE, listed.model_dump(mode="json"))


def listed_grant(grant: Grant) -> ListedGrant:
    """Return a grant as its agent sees it."""
    servers = sanitize(grant.servers_text, 300)
    until = moment(grant.until)
    return ListedGrant(
        id=grant.id, operation=grant.operation, servers=servers, until=until, used=grant.used, uses=grant.uses
    )


def grant_text(grant: ListedGrant) -> str:
    """Return a grant in one line."""
    return f"{grant.id}: {grant.operation} on {grant.servers} until {grant.until}, {grant.used} of {grant.uses} used."


async def end_grant(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """End a grant of the very agent that calls: others do not exist. Raises `StaleChangeError`, `UnknownGrantError`."""
    ident, actor = parse_arguments(GrantArguments, call).grant, ctx.actor(call)
    own = await ctx.core.grants.list_open(scope=ctx.scope, of=actor, origin=ctx.origin(call))
    if ident not in {grant.id for grant in own}:
        raise unknown_grant(ident)
    grant = await ctx.core.gate.end_grant(ident, actor, evidence=EVIDENCE, scope=ctx.scope)
    ended = listed_grant(grant)
    return results.text_result(f"{grant.id} is ended. Changes take votes again.", ended.model_dump(mode="json"))


async def ask_grant(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Ask for a grant of the very agent that calls, which needs the operation's own tool; follow the request."""
    arguments, caller = parse_arguments(AskArguments, call), ctx.caller_of(call)
    operation = grantable(arguments.operation)
    request = Request(operation.name, {}, ctx.actor(call), ctx.origin(call), arguments.reason, named_in=caller.named_in)
    exceeded = exceeded_limit(caller, f"{PREFIX}{operation.name}", alters=True)
    if exceeded is not None:
        return results.refused_result(
            await ctx.core.admission.refuse_for_limit(request, exceeded), tools=ctx.change_tools
        )
    asked = GrantRequest(request, arguments.servers, arguments.minutes * 60.0, arguments.uses)
    outcome = await ctx.core.gate.ask_grant(asked, scope=ctx.scope)
    if isinstance(outcome, Refused):
        return results.refused_result(outcome, tools=ctx.change_tools)
    if outcome.change is None:
        raise RuntimeError("the gate answered a change without one")
    return await follow_change(ctx, call, outcome.change, ctx.patience)


CHANGE_TOOLS: Mapping[str, ChangeTool] = {
    tool.name: tool
    for tool in (
        ChangeTool(
            "vps_check", CHECK, CheckArguments, evaluate_change, CheckResult, {"operation": CHANGES}, unlisted_arguments
        ),
        ChangeTool(
            "vps_changes",
            "List open changes.",
            ChangesArguments,
            list_changes,
            ChangeListResult,
            {"state": STATES},
        ),
        ChangeTool("vps_change_get", "Show a change.", ChangeArguments, get_change),
        ChangeTool("vps_change_wait", "Wait for a change.", WaitArguments, wait_change),
        ChangeTool("vps_change_cancel", "Cancel your change.", CancelArguments, cancel_change, alters=True),
        ChangeTool(
            "vps_runbooks",
            "List runbooks: steps that are asked for once.",
            NoArguments,
            list_runbooks,
            RunbookListResult,
        ),
        ChangeTool(
            "vps_runbook_run",
            "Ask once for all steps of a runbook. A human must agree.",
            RunbookArguments,
            run_runbook,
            alters=True,
            disrupts=True,
            counted=True,
        ),
        ChangeTool("vps_grants", "List what you may do without votes now.", NoArguments, list_grants, GrantListResult),
        ChangeTool(
            "vps_grant_ask",
            "Ask to repeat an operation without votes for a time. Other people must agree.",
            AskArguments,
            ask_grant,
            enums={"operation": GRANTABLE_NAMES},
            alters=True,
            counted=True,
        ),
        ChangeTool("vps_grant_end", "End your own grant early.", GrantArguments, end_grant, ListedGrant, alters=True),
        ChangeTool("vps_ends", "List when servers are stopped by themselves.", NoArguments, list_ends, EndListResult),
        ChangeTool(
            "vps_keep",
            "Give a server a later end, if a rule lets you.",
            KeepArguments,
            keep_server,
            ListedEnd,
            alters=True,
            counted=True,
        ),
    )
}
