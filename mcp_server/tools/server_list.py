"""The tool that lists servers: each page through the gate, cut from one list for the whole walk."""

from dataclasses import replace
from typing import cast

import mcp.types as t

from vpsops.core.changes.requests import Done, Refused
from vpsops.core.operations import Operation
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import HeldList
from vpsops.mcp_server.presenters import results
from vpsops.mcp_server.presenters.pagination import arguments_of, walk_of
from vpsops.mcp_server.presenters.projection import Asked
from vpsops.mcp_server.protocol.sdk_compat import Call
from vpsops.mcp_server.tools.change_flow import Desk, request_of
from vpsops.mcp_server.tools.chosen_fields import with_fields


async def list_servers(desk: Desk, call: Call, operation: Operation, asked: Asked) -> t.CallToolResult:
    """Answer with a page of servers; raises `InvalidInputError` for a cursor that is none."""
    walk = walk_of(asked.arguments.get("cursor"))
    kept = desk.walks.find(walk)
    held = kept or HeldList()
    request = replace(request_of(desk, call, operation), arguments=arguments_of(operation, asked))
    outcome = await desk.core.servers.read(request, scope=desk.scope, held=held)
    if isinstance(outcome, Refused):
        return results.refused(outcome, tools=desk.change_tools)
    found = cast("ServerList", cast("Done", outcome).result)
    if asked.view.fields:
        found = await with_fields(desk, call, found, asked.view.fields)
    several = found.total > len(found.servers) or "next_cursor" in (results.read(found, asked).structured_content or {})
    if kept is None and several:
        walk = desk.walks.keep(held)
    return results.read(found, replace(asked, walk=walk if several else ""))
