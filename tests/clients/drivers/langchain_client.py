"""LangChain's adapters."""

from typing import Any

from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp.types import ElicitResult
from visit import CHANGE, READ, YES, DriverTarget, attempt, run, text_of


async def say_yes(_mcp: Any, _params: Any, _context: Any) -> Any:
    """Answer as a human who agrees."""
    return ElicitResult(action="accept", content=YES)


async def visit(target: DriverTarget, human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    where: Any = (
        {"transport": "stdio", "command": target.command[0], "args": target.command[1:], "env": target.env}
        if target.is_stdio
        else {"transport": "streamable_http", "url": target.url}
    )
    client = MultiServerMCPClient({"vpsops": where}, callbacks=Callbacks(on_elicitation=say_yes) if human else None)
    async with client.session("vpsops") as session:
        callbacks = {"callbacks": client.callbacks, "server_name": "vpsops"} if human else {}
        tools = {tool.name: tool for tool in await load_mcp_tools(session, **callbacks)}
        read = text_of(await tools[READ[0]].ainvoke(READ[1]))
        return len(tools), read, await attempt(tools[CHANGE[0]].ainvoke(CHANGE[1]))


run(visit)
