"""The SDK's own client, of its first version."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from visit import CHANGE, READ, YES, DriverTarget, attempt, run, text_of

try:
    from mcp.types import ElicitResult
except ImportError:  # before 2025-06-18
    ElicitResult = None


def streams(target: DriverTarget) -> AbstractAsyncContextManager[Any]:
    """Return the transport."""
    if target.is_stdio:
        return stdio_client(StdioServerParameters(command=target.command[0], args=target.command[1:], env=target.env))
    from mcp.client.streamable_http import streamablehttp_client  # noqa: PLC0415 - the first version has none

    return streamablehttp_client(target.url)


async def say_yes(_context: Any, _params: Any) -> Any:
    """Answer as a human who agrees."""
    return ElicitResult(action="accept", content=YES)


async def visit(target: DriverTarget, human: bool) -> tuple[int, str, str]:
    """List, read, change."""
    options = {"elicitation_callback": say_yes} if human else {}
    async with streams(target) as ends, ClientSession(ends[0], ends[1], **options) as session:
        await session.initialize()
        tools = len((await session.list_tools()).tools)
        read = text_of(await session.call_tool(*READ))
        return tools, read, await attempt(session.call_tool(*CHANGE))


run(visit, asks=ElicitResult is not None)
