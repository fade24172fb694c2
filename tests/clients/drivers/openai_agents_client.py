"""openai-agents' servers, without a model; it has no elicitation."""

from typing import Any

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from visit import CHANGE, READ, DriverTarget, attempt, run, text_of


async def visit(target: DriverTarget, _human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    seconds: Any = {"client_session_timeout_seconds": 60}
    server: Any = (
        MCPServerStdio({"command": target.command[0], "args": target.command[1:], "env": target.env}, **seconds)
        if target.is_stdio
        else MCPServerStreamableHttp({"url": target.url}, **seconds)
    )
    async with server:
        tools = len(await server.list_tools())
        read = text_of(await server.call_tool(*READ))
        return tools, read, await attempt(server.call_tool(*CHANGE))


run(visit, asks=False)
