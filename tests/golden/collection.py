"""What collects each file of values."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.golden import digests, mcp, names, schema, slack
from vpsops.core.common.json_types import Json

COLLECTED: Final[Mapping[str, Callable[[Path], Json]]] = {
    "digests": digests.values,
    "mcp": mcp.values,
    "names": names.values,
    "schema": schema.values,
    "slack": slack.values,
}
"""All but `story`, which runs in an event loop, and `words`, which is written by hand."""


def as_text(value: Json) -> str:
    """Return values as a file holds them."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
