"""pydantic-ai's toolset, without a model."""

from typing import Any

from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport
from pydantic_ai.mcp import MCPToolset
from visit import CHANGE, READ, YES, DriverTarget, attempt, run, text_of


async def say_yes(_message: str, _kind: Any, _params: Any, _context: Any) -> Any:
    """Answer as a human who agrees."""
    return ElicitResult(action="accept", content=YES)


async def visit(target: DriverTarget, human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    where: Any = (
        StdioTransport(target.command[0], target.command[1:], env=target.env, keep_alive=False)
        if target.is_stdio
        else target.url
    )
    toolset: Any = MCPToolset(where, elicitation_handler=say_yes if human else None)
    async with toolset:
        tools = len(await toolset.list_tools())
        read = text_of(str(await toolset.direct_call_tool(*READ)))
        return tools, read, await attempt(shown(toolset.direct_call_tool(*CHANGE)))


async def shown(call: Any) -> str:
    """Return a result as text: the toolset hands on structured content."""
    return str(await call)


run(visit)
