"""The texts with counted tokens, and their stored counts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mcp.types as t

from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.mcp_server.server import INSTRUCTIONS

KEPT = Path(__file__).parent / "counts.json"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens a text takes, and the hash of the text that was counted."""

    tokens: int
    sha256: str


def visible(tool: t.Tool) -> str:
    """Return what a host commonly gives a model of a tool: name, description and input schema, as compact JSON."""
    definition = {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
    return json.dumps(definition, ensure_ascii=False, separators=(",", ":"))


def texts() -> Mapping[str, str]:
    """Return every text that is counted, by name."""
    return {tool.name: visible(tool) for tool in all_tools()} | {"instructions": INSTRUCTIONS}


def hashed(text: str) -> str:
    """Return the hash that says which text was counted."""
    return hashlib.sha256(text.encode()).hexdigest()


def kept() -> Mapping[str, TokenCount]:
    """Return the counts on record."""
    return {name: TokenCount(**value) for name, value in json.loads(KEPT.read_text(encoding="utf-8")).items()}


def keep(counts: Mapping[str, int]) -> None:
    """Put counts of the present texts on record."""
    current = texts()
    results = {name: {"tokens": counts[name], "sha256": hashed(current[name])} for name in sorted(current)}
    KEPT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
