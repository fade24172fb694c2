"""The tools that a caller's list has now, and the notice that it has become another.

An operation that the API does not offer, or that the limits switch off, has no tool in the list. A call of it all the
same is answered with the reason.
"""

from collections.abc import Sequence
from typing import Final

import anyio
import structlog
from mcp.server.subscriptions import ToolsListChanged

from vpsops.core.app import Core
from vpsops.core.common.errors import StorageError
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.resources.updates import UpdatePublisher
from vpsops.mcp_server.tools.definitions import PREFIX, ToolOutline

LISTED: Final = "vpsops.listed"

logger = structlog.get_logger(__name__)


class VisibleTools:
    """Leaves hidden tools out of lists. Before a connection has asked for one, it is taken to have them all."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._published: frozenset[str] = frozenset()

    async def shown(self, context: sdk_compat.Context, tools: Sequence[ToolOutline]) -> list[ToolOutline]:
        """Return those of a caller's tools that are not hidden, and note them as listed. Raises `StorageError`."""
        await self._core.offers.refresh()
        hidden = self._hidden
        sdk_compat.connection_of(context).state[LISTED] = hidden
        return [tool for tool in tools if tool.name not in hidden]

    async def announce(self, context: sdk_compat.Context) -> None:
        """Tell clients to list the tools again where they are others than before; trouble with that is logged."""
        try:
            await self._core.offers.refresh()
            hidden = self._hidden
            if sdk_compat.is_new_era(context):
                await self._publish(context, hidden)
            elif sdk_compat.connection_of(context).state.get(LISTED, frozenset()) != hidden:
                sdk_compat.connection_of(context).state[LISTED] = hidden
                await context.session.send_tool_list_changed()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # it has gone, or has no stream open now: news is not kept
        except StorageError as error:
            logger.info("tool_list_unread", error=error.message, error_id=error.error_id)

    async def _publish(self, context: sdk_compat.Context, hidden: frozenset[str]) -> None:
        if hidden == self._published:
            return
        self._published = hidden
        publisher: UpdatePublisher = context.lifespan_context
        await publisher.bus.publish(ToolsListChanged())

    @property
    def _hidden(self) -> frozenset[str]:
        return frozenset(f"{PREFIX}{name}" for name in self._core.offers.hidden)
