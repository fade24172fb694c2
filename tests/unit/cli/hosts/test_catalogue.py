"""Where the hosts' files are, by platform."""

from pathlib import Path

import pytest

from vpsops.cli.hosts.catalogue import HOSTS, file_of

HOME = Path("/home/ann")
PLACES = {
    ("claude-desktop", "linux"): "/home/ann/.config/Claude/claude_desktop_config.json",
    ("claude-desktop", "darwin"): "/home/ann/Library/Application Support/Claude/claude_desktop_config.json",
    ("claude-desktop", "win32"): "/roaming/Claude/claude_desktop_config.json",
    ("claude-code", "darwin"): "/home/ann/.claude.json",
    ("vscode", "linux"): "/home/ann/.config/Code/User/mcp.json",
    ("vscode", "darwin"): "/home/ann/Library/Application Support/Code/User/mcp.json",
    ("cursor", "linux"): "/home/ann/.cursor/mcp.json",
    ("windsurf", "linux"): "/home/ann/.codeium/windsurf/mcp_config.json",
    ("codex", "linux"): "/home/ann/.codex/config.toml",
    ("gemini-cli", "linux"): "/home/ann/.gemini/settings.json",
}


@pytest.mark.parametrize(("host", "platform"), PLACES)
def test_each_host_reads_its_file(host: str, platform: str) -> None:
    assert str(file_of(HOSTS[host], {"APPDATA": "/roaming"}, platform, HOME)) == PLACES[host, platform]


def test_folders_that_a_user_moved_are_followed() -> None:
    """A relative path is none, as the XDG specification says."""
    environ = {"XDG_CONFIG_HOME": "/cfg", "CODEX_HOME": "/codex"}
    assert str(file_of(HOSTS["vscode"], environ, "linux", HOME)) == "/cfg/Code/User/mcp.json"
    assert str(file_of(HOSTS["codex"], environ, "linux", HOME)) == "/codex/config.toml"
    assert str(file_of(HOSTS["vscode"], {"XDG_CONFIG_HOME": "cfg"}, "linux", HOME)).startswith("/home/ann/.config/")
