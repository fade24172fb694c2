"""Runs in the converters' own environment: tools in as JSON, out the schemas that each vendor's model would be sent."""

import json
import sys
from typing import Any

from agents.mcp import MCPServerStdio, MCPUtil
from google.genai._mcp_utils import mcp_to_gemini_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp.types import Tool


def gemini(tool: Tool) -> dict[str, Any]:
    """Return what google-genai sends of a tool."""
    converted = mcp_to_gemini_tool(tool).model_dump(mode="json", exclude_none=True)
    schema: dict[str, Any] = converted["function_declarations"][0]["parameters"]
    return schema


def agents(tool: Tool) -> dict[str, Any]:
    """Return what openai-agents sends of a tool in its strict mode; raises where it falls back from it.

    A tool without arguments has nothing to be strict about, and the library leaves it as it is.
    """
    converted = MCPUtil.to_function_tool(tool, MCPServerStdio(params={"command": "none"}), True)
    if not converted.strict_json_schema and tool.model_dump(by_alias=True)["inputSchema"].get("properties"):
        raise ValueError(f"{tool.name} has no strict form")
    return dict(converted.params_json_schema)


def langchain(tool: Tool) -> dict[str, Any]:
    """Return what LangChain sends of a tool to models that speak OpenAI's form."""
    connection: Any = {"transport": "stdio", "command": "none", "args": []}
    converted = convert_to_openai_tool(convert_mcp_tool_to_langchain_tool(None, tool, connection=connection))
    return dict(converted["function"]["parameters"])


def main() -> None:
    """Convert every tool by every converter."""
    tools = [Tool.model_validate(tool) for tool in json.load(sys.stdin)]
    converted = {
        convert.__name__: {tool.name: convert(tool) for tool in tools} for convert in (gemini, agents, langchain)
    }
    json.dump(converted, sys.stdout)


if __name__ == "__main__":
    main()
