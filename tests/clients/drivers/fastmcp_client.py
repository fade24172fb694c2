"""fastmcp's client."""

from typing import Any

from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from visit import CHANGE, READ, YES, DriverTarget, attempt, run, text_of


async def say_yes(_message: str, _kind: Any, _params: Any, _context: Any) -> Any:
    """Answer as a human who agrees."""
    return ElicitResult(action="accept", content=YES)


async def visit(target: DriverTarget, human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    where = (
        StdioTransport(target.command[0], target.command[1:], env=target.env, keep_alive=False)
        if target.is_stdio
        else StreamableHttpTransport(target.url)
    )
    async with Client(where, elicitation_handler=say_yes if human else None) as client:
        tools = len(await client.list_tools())
        read = text_of(await client.call_tool(*READ))
        return tools, read, await attempt(client.call_tool(*CHANGE))


run(visit)
