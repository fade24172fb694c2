"""mcp-use."""

import os
from typing import Any

os.environ["MCP_USE_ANONYMIZED_TELEMETRY"] = "false"

from mcp.types import ElicitResult
from mcp_use import MCPClient
from visit import CHANGE, READ, YES, DriverTarget, attempt, run, text_of


async def say_yes(_context: Any, _params: Any) -> Any:
    """Answer as a human who agrees."""
    return ElicitResult(action="accept", content=YES)


async def visit(target: DriverTarget, human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    where: Any = (
        {"command": target.command[0], "args": target.command[1:], "env": target.env}
        if target.is_stdio
        else {"url": target.url}
    )
    client = MCPClient.from_dict({"mcpServers": {"vpsops": where}}, elicitation_callback=say_yes if human else None)
    session = await client.create_session("vpsops")
    try:
        tools = len(await session.list_tools())
        read = text_of(await session.call_tool(*READ))
        return tools, read, await attempt(session.call_tool(*CHANGE))
    finally:
        await client.close_all_sessions()


run(visit)
