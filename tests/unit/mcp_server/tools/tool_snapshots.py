"""The snapshots of the tools, one file each.

`python -m tests.unit.mcp_server.tools.tool_snapshots` writes them.
"""

import json
from pathlib import Path

import mcp.types as t

from vpsops.mcp_server.tools.change_tools import CHANGE_TOOLS
from vpsops.mcp_server.tools.definitions import operation_tools
from vpsops.mcp_server.tools.plan_tool import describe_plan

DIRECTORY = Path(__file__).parent / "snapshots"


def all_tools() -> list[t.Tool]:
    """Return every tool that a client may see."""
    return [*operation_tools(), describe_plan(), *(tool.describe() for tool in CHANGE_TOOLS.values())]


def as_text(tool: t.Tool) -> str:
    """Return a tool as a client sees it."""
    document = tool.model_dump(by_alias=True, mode="json", exclude_none=True)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """Write every snapshot and remove those without a tool."""
    for path in DIRECTORY.glob("*.json"):
        path.unlink()
    for tool in all_tools():
        (DIRECTORY / f"{tool.name}.json").write_text(as_text(tool), encoding="utf-8")


if __name__ == "__main__":
    write()
