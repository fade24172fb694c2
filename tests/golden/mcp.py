"""Names and types of MCP tools, as clients have them: arguments, results, annotations; without words for models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.unit.mcp_server.tools.tool_snapshots import all_tools
from vpsops.core.common.json_types import Json

FOR_MODELS: Final = frozenset({"title", "description"})


def values(_folder: Path) -> Mapping[str, Json]:
    """Return each tool's schemas and annotations by its name."""
    tools = (tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in all_tools())
    return {tool["name"]: _without_words(tool) for tool in tools}


def _without_words(value: Any, *, names: bool = False) -> Json:
    """Return a schema without titles and descriptions, but for properties that are called so."""
    if isinstance(value, list):
        return [_without_words(inner) for inner in value]
    if isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if names or key not in FOR_MODELS}
        return {key: _without_words(inner, names=key == "properties" and not names) for key, inner in kept.items()}
    return value
