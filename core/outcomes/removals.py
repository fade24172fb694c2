"""Removals that have nothing left to do: what they are about is gone before they are sent."""

from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.errors import AlreadyGoneError, VpsopsError
from vpsops.core.operations.traits import removes
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.client import Wayscloud

GONE_ALREADY: Final = ": it was gone already."


async def is_gone(api: Wayscloud, change: Change, error: VpsopsError) -> bool:
    """Return whether a removal is done already: its server answers 404, and a complete list agrees.

    An operation that reports its own absence has read the whole list.
    """
    if not removes(change.operation):
        return False
    if isinstance(error, AlreadyGoneError):
        return True
    try:
        servers = await api.list_servers()
    except WayscloudError:
        return False
    return servers.complete and all(server.id != change.target.id for server in servers)
