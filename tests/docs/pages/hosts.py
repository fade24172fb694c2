"""The page of the hosts: where each keeps its servers, and what our entry is there."""

from typing import Final

from vpsops.cli.hosts.catalogue import HOSTS, ServerProcess, Syntax, entry_of, pasted

PROCESS: Final = ServerProcess(
    "/opt/vpsops/bin/vpsops", ("mcp",), {"VPSOPS_CONFIG": "/home/ann/.config/vpsops/vpsops.toml"}
)
INTRODUCTION: Final = (
    "# Hosts\n\n"
    "The programs that `vpsops mcp install HOST` knows ([what it does](../mcp.md#in-the-hosts-configuration)), and"
    " what it writes for each. A placeholder is a folder: `{config}` is `~/.config` or `$XDG_CONFIG_HOME`, on macOS"
    " `~/Library/Application Support`, on Windows `%APPDATA%`; `{codex}` is `~/.codex` or `$CODEX_HOME`."
    " No entry holds a secret.\n"
)


def hosts_page() -> str:
    """Return the page."""
    rows = [
        f"| [{host.title}]({host.source}) | `vpsops mcp install {host.id}` | `{host.place.replace('{home}', '~')}` "
        f"| {host.syntax} | {host.then} |"
        for host in HOSTS.values()
    ]
    examples = [
        f"\n## {host.title}\n\n```{'toml' if host.syntax is Syntax.TOML else 'json'}\n"
        f"{pasted(host, entry_of(host, PROCESS))}```"
        for host in HOSTS.values()
    ]
    table = ["| host | command | file | written as | afterwards |\n|---|---|---|---|---|", *rows]
    return "\n".join([INTRODUCTION, *table, *examples, ""])
