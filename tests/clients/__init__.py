"""Ten real clients of MCP, each in an environment of its own, against our server: `python -m tests.clients`."""
