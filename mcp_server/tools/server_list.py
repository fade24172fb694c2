"""The tool that lists servers: each page through the gate, cut from one list for the whole walk."""

from dataclasses import replace
from typing import cast

import mcp.types as t

from vpsops.core.changes.requests import Done, Refused
from vpsops.core.operations import Operation
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import HeldList
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.pagination import read_arguments, walk_in
from vpsops.mcp_server.presenters.projection import ReadArguments
from vpsops.mcp_server.protocol.sdk_compat import ToolCall
from vpsops.mcp_server.tools.change_flow import CallContext, request_from
from vpsops.mcp_server.tools.chosen_fields import fill_fields


async def list_servers(
    ctx: CallContext, call: ToolCall, operation: Operation, asked: ReadArguments
) -> t.CallToolResult:
    """Answer with a page of servers. Raises `InvalidInputError` for an invalid cursor."""
    walk = walk_in(asked.arguments.get("cursor"))
    kept = ctx.walks.find(walk)
    held = kept or HeldList()
    request = replace(request_from(ctx, call, operation), arguments=read_arguments(operation, asked))
    outcome = await ctx.core.servers.read(request, scope=ctx.scope, held=held)
    if isinstance(outcome, Refused):
        return results.refused_result(outcome, tools=ctx.change_tools)
    result = cast("ServerList", cast("Done", outcome).result)
    if asked.view.fields:
        result = await fill_fields(ctx, call, result, asked.view.fields)
    several = result.total > len(result.servers) or "next_cursor" in (
        results.read_result(result, asked).structured_content or {}
    )
    if kept is None and several:
        walk = ctx.walks.keep(held)
    return results.read_result(result, replace(asked, walk=walk if several else ""))
