"""A bare server of one tool with the SDK's own means, which answers from memory: what no server of the SDK is below."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("bare")


@server.tool()
async def vps_list() -> dict[str, str]:
    """List servers."""
    return {"web01.example.com": "running"}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
