"""The hosts: the file of each, what its servers are under, and what an entry looks like. The one source of all of it.

`vpsops mcp install`, what `vpsops init` prints and the table of docs/mcp.md are made from here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

NAME: Final = "vpsops"
Entry = dict[str, object]


class Syntax(StrEnum):
    """How a host's file is written."""

    JSON = "JSON"
    JSONC = "JSON with comments"
    TOML = "TOML"


@dataclass(frozen=True, slots=True)
class Host:
    """A host; `{home}`, `{config}` and `{codex}` in its place are folders of the user."""

    id: str
    title: str
    place: str
    section: str
    syntax: Syntax
    source: str
    then: str = "start it once more"
    typed: bool = False


HOSTS: Final = {
    host.id: host
    for host in (
        Host(
            "claude-desktop",
            "Claude Desktop",
            "{config}/Claude/claude_desktop_config.json",
            "mcpServers",
            Syntax.JSON,
            "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
        ),
        Host(
            "claude-code",
            "Claude Code",
            "{home}/.claude.json",
            "mcpServers",
            Syntax.JSON,
            "https://code.claude.com/docs/en/mcp",
            "begin a new session",
            typed=True,
        ),
        Host(
            "vscode",
            "VS Code",
            "{config}/Code/User/mcp.json",
            "servers",
            Syntax.JSONC,
            "https://code.visualstudio.com/docs/copilot/chat/mcp-servers",
            "run “MCP: List Servers” and start it there",
            typed=True,
        ),
        Host(
            "cursor",
            "Cursor",
            "{home}/.cursor/mcp.json",
            "mcpServers",
            Syntax.JSON,
            "https://cursor.com/docs/context/mcp",
        ),
        Host(
            "windsurf",
            "Windsurf",
            "{home}/.codeium/windsurf/mcp_config.json",
            "mcpServers",
            Syntax.JSON,
            "https://docs.windsurf.com/windsurf/cascade/mcp",
        ),
        Host(
            "codex",
            "Codex",
            "{codex}/config.toml",
            "mcp_servers",
            Syntax.TOML,
            "https://developers.openai.com/codex/mcp",
            "begin a new session",
        ),
        Host(
            "gemini-cli",
            "Gemini CLI",
            "{home}/.gemini/settings.json",
            "mcpServers",
            Syntax.JSONC,
            "https://geminicli.com/docs/tools/mcp-server/",
            "begin a new session",
        ),
    )
}
"""Each host by its id; the source is the page of its maker that the rest was read from."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """What a host starts: the program, its words, and variables, none of which is a secret."""

    command: str
    words: tuple[str, ...]
    environ: Mapping[str, str]


def entry_of(host: Host, process: ServerProcess) -> Entry:
    """Return what the host's file says of our server."""
    entry: Entry = {"type": "stdio"} if host.typed else {}
    entry |= {"command": process.command, "args": list(process.words)}
    return entry | ({"env": dict(process.environ)} if process.environ else {})


def file_of(host: Host, environ: Mapping[str, str], platform: str, home: Path) -> Path:
    """Return the file of this user's host, on a platform as `sys.platform` names it."""
    if platform == "darwin":
        config = home / "Library" / "Application Support"
    elif platform == "win32":
        config = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        config = _absolute(environ.get("XDG_CONFIG_HOME", ""), home / ".config")
    codex = _absolute(environ.get("CODEX_HOME", ""), home / ".codex")
    return Path(host.place.format(home=home, config=config, codex=codex))


def _absolute(written: str, default: Path) -> Path:
    path = Path(written)
    return path if path.is_absolute() else default


def pasted(host: Host, entry: Entry) -> str:
    """Return what a person would add to a file that has no servers."""
    if host.syntax is Syntax.TOML:
        return toml_table(host.section, entry)
    return json.dumps({host.section: {NAME: entry}}, indent=2, ensure_ascii=False) + "\n"


def toml_table(section: str, entry: Entry) -> str:
    """Return an entry as a table of TOML, with its basic strings as in JSON."""
    lines = [f"[{section}.{NAME}]", *(f"{key} = {_toml_value(value)}" for key, value in entry.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
