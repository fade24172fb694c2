"""What to paste into a real MCP host to let it work in this playground."""

import sys
from collections.abc import Mapping

from vpsops.playground.slack.workspace.protocol import Json

NAME = "vpsops-playground"
PASSED_ON = ("WAYSCLOUD_", "SLACK_", "VPSOPS_")


def configurations(url: str, environment: Mapping[str, str]) -> list[Json]:
    """Return, for each kind of host, the file and the text to paste; the secrets open nothing but the simulators."""
    over_http = {"type": "http", "url": url}
    env = {name: value for name, value in environment.items() if name.startswith(PASSED_ON)}
    process = {"command": sys.executable, "args": ["-m", "vpsops", "mcp"], "env": env}
    return [
        {"host": "VS Code", "where": ".vscode/mcp.json", "config": {"servers": {NAME: over_http}}},
        {"host": "Cursor", "where": "~/.cursor/mcp.json", "config": {"mcpServers": {NAME: {"url": url}}}},
        {"host": "Claude Desktop", "where": "claude_desktop_config.json", "config": {"mcpServers": {NAME: process}}},
        {"host": "Claude Code", "where": "a shell", "config": f"claude mcp add --transport http {NAME} {url}"},
    ]
