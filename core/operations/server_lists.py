"""The list of servers as it is asked for: what a filter needs and the list leaves out is read, within a bound.

The documented list carries five fields. What is still not known of a server after these reads is counted and
reported: an empty answer means that there is none.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import anyio

from vpsops.core.common.timings import DETAIL_SECONDS
from vpsops.core.operations.servers import (
    DOWN_WORDS,
    OTHER_STATES,
    UP_WORDS,
    ListArguments,
    ServerList,
    is_named,
    lacks_fact,
    page,
)
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.answers.models import ProviderList, Server
from vpsops.core.wayscloud.client import Wayscloud

AT_ONCE: Final = 4
MOST: Final = 40
"""Servers that are read by themselves for one question; of more, the fact stays unknown."""
SHOWN_REGIONS: Final = 12

May = Callable[[Server], Awaitable[bool]]
Named = Callable[[Sequence[Server]], Awaitable[list[Server]]]
"""Adds the names of regions."""


async def read_in_full(api: Wayscloud, servers: Iterable[Server], may: May) -> list[Server]:
    """Return the servers that could be read one by one in time, where the policy allows it."""
    full: list[Server] = []
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def read(server: Server) -> None:
        async with limiter:
            if not await may(server):
                return
            try:
                full.append(await api.get_server(server.id))
            except WayscloudError:
                return

    with anyio.move_on_after(DETAIL_SECONDS):
        async with anyio.create_task_group() as group:
            for server in servers:
                group.start_soon(read, server)
    return full


async def list_servers(api: Wayscloud, query: ListArguments, may: May, named: Named) -> ServerList:
    """Return the page of servers that is asked for, and what is not known of it."""
    listed = await api.list_servers()
    lacking = [server for server in listed if is_named(server, query) and lacks_fact(server, query)]
    full = {server.id: server for server in await read_in_full(api, lacking[:MOST], may)} if lacking else {}
    servers = await named([full.get(server.id, server) for server in listed])
    result = page(ProviderList(servers, unreadable=listed.unreadable, total=listed.total, more=listed.more), query)
    return result.advised(_advice(servers, query)) if result.total == 0 else result


def _advice(servers: Sequence[Server], query: ListArguments) -> str:
    """Return what there is, where a filter found nothing."""
    words = {word for server in servers for word in (server.state, server.status, server.power_state) if word}
    if query.state and query.state.strip().lower() not in {*UP_WORDS, *DOWN_WORDS, *OTHER_STATES, *words}:
        return "States are running, stopped, failed, pending, or the service's own words."
    if query.label:
        keys = sorted({key for server in servers for key in server.labels or ()})
        return f"There are labels with the keys {', '.join(keys[:SHOWN_REGIONS])}." if keys else ""
    regions = sorted({server.place for server in servers if server.place})
    return f"There are servers in {'; '.join(regions[:SHOWN_REGIONS])}." if query.region and regions else ""
