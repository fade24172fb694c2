"""The fields that a model chose for a list of servers, when the provider's list leaves them out."""

from collections.abc import Sequence
from typing import Final

from vpsops.core.changes.requests import Request
from vpsops.core.operations.servers import ServerList
from vpsops.core.wayscloud.answers.models import Server
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.tools.change_flow import ORIGIN, CallContext
from vpsops.mcp_server.tools.definitions import PREFIX

MOST: Final = 20
"""Servers of a page that are read one by one; beyond it, a field that the list lacks is reported as not known."""


async def fill_fields(
    ctx: CallContext, call: sdk_compat.ToolCall, result: ServerList, fields: Sequence[str]
) -> ServerList:
    """Return a page with the chosen fields, read for some of its servers, and how many servers lack each."""
    names = [name for name in fields if name != "state"]

    def lacks(server: Server) -> bool:
        return any(getattr(server, name) is None for name in names) or ("state" in fields and server.power_unknown)

    servers = result.servers
    if ctx.who(call.context).reach.allows(f"{PREFIX}get"):
        request = Request("get", {}, ctx.actor(call), ORIGIN)
        servers = await ctx.core.servers.in_full(request, result.servers, MOST, lacks, scope=ctx.scope)
    counts = {name: sum(getattr(server, name) is None for server in servers) for name in names}
    missing = ", ".join(f"{name} of {count}" for name, count in counts.items() if count)
    return result.replaced(servers).without(f"Not known: {missing}." if missing else "")
