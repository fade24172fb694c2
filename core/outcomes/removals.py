"""Removals that have nothing left to do: what they are about is gone before they are sent."""

from typing import Final

from vpsops.core.changes.model import Change
from vpsops.core.common.errors import AlreadyGoneError, VpsopsError
from vpsops.core.operations.traits import is_inspected, removes
from vpsops.core.wayscloud.answers.errors import WayscloudError
from vpsops.core.wayscloud.client import Wayscloud

GONE_ALREADY: Final = ": it was gone already."


async def is_gone(api: Wayscloud, change: Change, error: VpsopsError) -> bool:
    """Return whether a removal is done already: its server answers 404, and a complete list agrees.

    An operation that reports the absence itself has read the whole list. For a part of a server, such as a backup,
    the absence of the server shows nothing.
    """
    if not removes(change.operation):
        return False
    if isinstance(error, AlreadyGoneError):
        return True
    if is_inspected(change.operation):
        return False
    try:
        servers = await api.list_servers()
    except WayscloudError:
        return False
    return servers.complete and all(server.id != change.target.id for server in servers)
