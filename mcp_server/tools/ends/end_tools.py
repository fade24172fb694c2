"""The tools on servers' ends: list them, and keep a server for longer where a rule lets the agent do so outright."""

from typing import Annotated, Final

import mcp.types as t
from pydantic import BaseModel, Field

from vpsops.core.changes.requests import Request
from vpsops.core.common.text import moment
from vpsops.core.ends.labels import end_text
from vpsops.core.ends.model import ServerEnd
from vpsops.core.operations.arguments import Arguments
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.protocol.sdk_compat import ToolCall
from vpsops.mcp_server.protocol.text import sanitize
from vpsops.mcp_server.tools.change_flow import CallContext
from vpsops.mcp_server.tools.definitions import MAX_REASON

NONE: Final = "No server ends by itself."


class KeepArguments(Arguments):
    """A server, and how much longer it is wanted."""

    server: Annotated[str, Field(max_length=300)]
    lifetime: Annotated[str, Field(max_length=40, description="2d, 12h")]
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""


class ListedEnd(BaseModel):
    """When a server ends, or what became of its end."""

    server: str
    id: str
    ends_at: str
    state: str
    text: str


class EndListResult(BaseModel):
    """The ends of the servers that the caller may read, the next one first."""

    ends: list[ListedEnd]


async def list_ends(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """List the ends of the servers that the policy lets this agent read."""
    request = Request("get", {}, ctx.actor(call), ctx.origin(call))
    every = await ctx.core.ends.list_open(scope=ctx.scope)
    ends = [listed_end(end) for end in await ctx.core.servers.readable_ends(request, every, scope=ctx.scope)]
    text = "\n".join(f"{end.server}: {end.text}" for end in ends) or NONE
    return results.text_result(text, EndListResult(ends=ends).model_dump(mode="json"))


def listed_end(end: ServerEnd) -> ListedEnd:
    """Return an end as an agent sees it."""
    return ListedEnd(
        server=sanitize(end.hostname, 253),
        id=sanitize(end.server_id, 200),
        ends_at=moment(end.ends_at),
        state=end.state.value,
        text=sanitize(end_text(end), 500),
    )


async def keep_server(ctx: CallContext, call: ToolCall) -> t.CallToolResult:
    """Give a server a later end; raises what `Gate.keep_server` raises."""
    arguments = KeepArguments.model_validate(call.arguments)
    named = {"server": arguments.server, "lifetime": arguments.lifetime}
    request = Request(
        "keep",
        named,
        ctx.actor(call),
        ctx.origin(call),
        reason=arguments.reason,
        named_in=ctx.caller_of(call).named_in,
    )
    kept = listed_end(await ctx.core.gate.keep_server(request, scope=ctx.scope))
    return results.text_result(f"{kept.server} is kept. {kept.text}", kept.model_dump(mode="json"))
