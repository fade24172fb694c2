"""The names of MCP's tools and toolsets, which a file of limits may name; the front end's own tests hold them equal."""

from collections.abc import Mapping
from typing import Final

from vpsops.core.operations import OPERATIONS

USUAL: Final = ("servers", "catalogue", "changes")
"""The toolsets that are served where none is named: the others are for those who ask for them."""

TOOLSETS: Mapping[str, tuple[str, ...]] = {
    **{
        toolset: tuple(f"vps_{name}" for name, operation in OPERATIONS.items() if operation.toolset == toolset)
        for toolset in dict.fromkeys(operation.toolset for operation in OPERATIONS.values())
    },
    "plans": ("vps_plan",),
    "runbooks": ("vps_runbooks", "vps_runbook_run"),
    "changes": ("vps_check", "vps_changes", "vps_change_get", "vps_change_wait", "vps_change_cancel"),
    "grants": ("vps_grants", "vps_grant_ask", "vps_grant_end"),
    "ends": ("vps_ends", "vps_keep"),
}
TOOLS: Mapping[str, str] = {tool: toolset for toolset, tools in TOOLSETS.items() for tool in tools}
"""Every tool's toolset."""

ON_DEMAND: Final = frozenset(
    f"vps_{name}" for name, operation in OPERATIONS.items() if operation.toolset in USUAL and not operation.documented
)
"""Tools of the usual toolsets that the provider does not document: served where their toolset or they are named."""

SECRET = frozenset(f"vps_{name}" for name, operation in OPERATIONS.items() if operation.secret)
"""The tools with a result that no model gets unless the limits say so."""

ALTERING = frozenset(f"vps_{name}" for name, operation in OPERATIONS.items() if not operation.reads) | {
    "vps_change_cancel",
    "vps_plan",
    "vps_runbook_run",
    "vps_grant_ask",
    "vps_grant_end",
    "vps_keep",
}
"""The tools that are not read-only."""
