"""Makes the entry for the MCP registry and the manifest of the bundle: version and tools stand in the code alone."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.harness.repository import ROOT

NAMESPACE: Final = "io.github.vpsops/vpsops"
"""The registry takes it from a publisher who proves the namespace, and from a README that names it."""
SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
SUMMARY: Final = "Run VPSes with approvals that fail closed: people decide in Slack or in the client."
ENTRY_POINT: Final = "start.py"
CONFIG: Final = "The vpsops.toml that `vpsops init` wrote. Keys stay in the files that it names."
LONG: Final = (
    "Lists servers and asks for changes: reboot, start, stop, create and more. Each change passes a policy; what needs"
    " a person waits for one in Slack or in a dialog, is sent once, and is followed to its end. Run `vpsops init`"
    " first; the bundle holds no key and asks for none."
)


def project() -> Mapping[str, Any]:
    """Return the table `project` of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def server_json() -> str:
    """Return packaging/registry/server.json."""
    version = project()["version"]
    package = {
        "registryType": "pypi",
        "identifier": project()["name"],
        "version": version,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "mcp"}],
        "environmentVariables": [
            {"name": "VPSOPS_CONFIG", "description": CONFIG, "format": "filepath", "isRequired": True}
        ],
    }
    entry = {
        "$schema": SCHEMA,
        "name": NAMESPACE,
        "title": project()["name"],
        "description": SUMMARY,
        "version": version,
        "packages": [package],
    }
    return json.dumps(entry, indent=2, ensure_ascii=False) + "\n"


def bundle_manifest(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return packaging/registry/manifest.json; the tools are those of a server without limits of its own."""
    words = ["run", "--directory", "${__dirname}", ENTRY_POINT]
    environ = {"VPSOPS_CONFIG": "${user_config.config}"}
    manifest = {
        "manifest_version": "0.4",
        "name": project()["name"],
        "display_name": project()["name"],
        "version": project()["version"],
        "description": SUMMARY,
        "long_description": LONG,
        "author": {"name": project()["authors"][0]["name"]},
        "license": project()["license"],
        "keywords": project()["keywords"],
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {"command": "uv", "args": words, "env": environ},
        },
        "tools": [{"name": tool["name"], "description": tool["title"]} for tool in tools],
        "tools_generated": True,
        "user_config": {"config": {"type": "file", "title": "Configuration", "description": CONFIG, "required": True}},
        "compatibility": {
            "platforms": ["darwin", "linux"],
            "runtimes": {"python": project()["requires-python"]},
        },
    }
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def bundle_project(wheel: str) -> str:
    """Return the bundle's own pyproject.toml: the wheel that lies beside it, and nothing of ours from an index."""
    return (
        f'[project]\nname = "vpsops-bundle"\nversion = "{project()["version"]}"\n'
        f'requires-python = "{project()["requires-python"]}"\ndependencies = ["vpsops"]\n\n'
        f'[tool.uv.sources]\nvpsops = {{ path = "{wheel}" }}\n'
    )
