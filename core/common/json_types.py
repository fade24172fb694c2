"""JSON values, as the wire and the database hold them."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Json = Any
"""A value as JSON has it: the wire and the database hold it, decisions read typed values."""


def parse_json(text: str) -> Json:
    """Parse JSON, with a question mark for each escaped half of a character: it is no text, and no column takes it.

    Raises `ValueError`, `RecursionError`.
    """
    value = json.loads(text)
    if "\\ud" not in text and "\\uD" not in text:
        return value
    return json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))


def map_texts(value: Json, change: Callable[[str], str], *, keys: bool = True, depth: float = math.inf) -> Json:
    """Return JSON with every text changed, names included with `keys`; containers deeper than `depth` are empty."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        entries = value.items() if depth else ()
        return {
            map_texts(key, change) if keys else key: map_texts(entry, change, keys=keys, depth=depth - 1)
            for key, entry in entries
        }
    if isinstance(value, list | tuple):
        return [map_texts(entry, change, keys=keys, depth=depth - 1) for entry in value] if depth else []
    return value
