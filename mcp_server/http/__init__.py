"""The Streamable HTTP endpoint."""

PATH = "/mcp"
EXAMPLE = "127.0.0.1:8900"
