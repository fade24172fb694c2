"""Reads the account for limits on creates: the existing servers and their prices."""

from collections.abc import Sequence

import anyio

from vpsops.core.changes.scope import ServerFilter
from vpsops.core.common.timings import PRICES_SECONDS
from vpsops.core.limits.model import AccountSnapshot, Limits
from vpsops.core.operations import Operation
from vpsops.core.wayscloud.answers.errors import NotOfferedError, WayscloudError
from vpsops.core.wayscloud.answers.models import Plan, Server
from vpsops.core.wayscloud.client import Wayscloud

AT_ONCE = 8
MOST_LOOKS = 200  # servers with a price that takes a read each; of more the sum stays unknown


async def read_account(
    api: Wayscloud, limits: Limits, operation: Operation, *, named: ServerFilter | None = None
) -> AccountSnapshot | None:
    """Return the account as it is now, or None where no limit is about this operation; raises `WayscloudError`.

    Texts about it may name the servers in `named`, and none without it.
    """
    if not operation.billed or not limits.about_creates:
        return None
    listed = await api.list_servers()
    if limits.max_monthly_spend is None:
        return AccountSnapshot(tuple(listed), listed.complete, named=named)
    return AccountSnapshot(await _priced(api, listed), listed.complete, await _plans(api), named)


async def _plans(api: Wayscloud) -> Sequence[Plan]:
    try:
        return tuple(await api.list_plans())
    except NotOfferedError:
        return ()


async def _priced(api: Wayscloud, listed: Sequence[Server]) -> Sequence[Server]:
    """Return servers with a price or a plan, read one by one, within a time limit, where the list lacks both."""
    lacking = [server for server in listed if server.monthly_price is None and not server.plan]
    if not lacking or len(lacking) > MOST_LOOKS:
        return tuple(listed)
    by_id: dict[str, Server] = {}
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def show(server: Server) -> None:
        async with limiter:
            try:
                by_id[server.id] = await api.get_server(server.id)
            except WayscloudError:  # its price stays unknown, which is refused
                return

    with anyio.move_on_after(PRICES_SECONDS):
        async with anyio.create_task_group() as group:
            for incomplete in lacking:
                group.start_soon(show, incomplete)
    return tuple(by_id.get(server.id, server) for server in listed)
