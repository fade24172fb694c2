"""JSON values, as the wire and the database hold them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

Json = Any
"""A value as JSON has it: the wire and the database hold it, decisions read typed values."""


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
