"""Links from a tool's result to the resource to listen to: its change, as long as that is open."""

from typing import Final

import mcp.types as t

from vpsops.core.changes.model import State
from vpsops.mcp_server.presenters.results import ToolResult
from vpsops.mcp_server.protocol.uris import CHANGE, change_uri

JSON: Final = "application/json"
"""What every resource is."""
SINCE: Final = "2025-06-18"  # revisions before it have no links; they compare as text


def add_change_link(result: ToolResult, version: str) -> ToolResult:
    """Return a result with a link to its open change, for a client with a revision that has links."""
    if not isinstance(result, t.CallToolResult) or version < SINCE:
        return result
    content = result.structured_content or {}
    change, state = content.get("change"), content.get("state")
    if not isinstance(change, str) or not CHANGE.fullmatch(change) or state not in OPEN:
        return result
    link = t.ResourceLink(uri=change_uri(change), name=change, mime_type=JSON)
    return result.model_copy(update={"content": [*result.content, link]})


OPEN: Final = frozenset(state.value for state in State if state.open)
