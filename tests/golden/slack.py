"""What Slack gives back of ours: ids of blocks, controls, forms and menus, with their values and metadata."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.browser.surfaces.catalogue import surfaces
from vpsops.core.common.json_types import Json

IDS: Final = ("action_id", "block_id", "callback_id", "value", "private_metadata")
FOR_PEOPLE: Final = frozenset({"price", "why"})
"""Keys of texts that may be worded differently."""


def values(_folder: Path) -> Mapping[str, Sequence[str]]:
    """Return, by what is drawn, each id with what it carries, once; drawings without any are left out."""
    results = {name: list(dict.fromkeys(_ids(surface.payload))) for name, surface in surfaces().items()}
    return {name: ids for name, ids in results.items() if ids}


def _ids(drawn: Any) -> Iterator[str]:
    if isinstance(drawn, list | tuple):
        for inner in drawn:
            yield from _ids(inner)
    elif isinstance(drawn, Mapping):
        ids = [f"{name}={_carried(drawn[name])}" for name in IDS if name in drawn]
        if ids:
            yield " ".join([str(drawn.get("type", "option")), *ids])
        for inner in drawn.values():
            yield from _ids(inner)


def _carried(text: str) -> str:
    """Return a value as it is on the wire, but for texts in it that people read."""
    try:
        packed: Json = json.loads(text)
    except ValueError:
        return text
    if isinstance(packed, dict):
        packed |= dict.fromkeys(FOR_PEOPLE & packed.keys(), "...")
    return json.dumps(packed, separators=(",", ":"), ensure_ascii=False)
