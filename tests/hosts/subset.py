"""The part of JSON Schema that every big model API takes: one plain type a node, and nothing that needs resolving."""

from collections.abc import Iterator, Mapping
from typing import Any

TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
KEYS = frozenset({"type", "description", "properties", "required", "items", "enum", "minimum", "maximum"})


def faults(node: Any, at: str = "$") -> Iterator[str]:
    """Yield what is outside that part, with its place."""
    if not isinstance(node, Mapping):
        yield f"{at}: no schema"
        return
    kind = node.get("type")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        yield f"{at}: type {kind!r}"
    strange = [key for key in node if key not in KEYS and not (key == "additionalProperties" and node[key] is False)]
    if strange:
        yield f"{at}: {', '.join(strange)}"
    yield from _enum_faults(node, at)
    yield from _inner_faults(node, str(kind).lower(), at)


def _enum_faults(node: Mapping[str, Any], at: str) -> Iterator[str]:
    if "enum" not in node:
        return
    words = node["enum"]
    good = isinstance(words, list) and words and all(isinstance(word, str) and word for word in words)
    if not good or len(set(words)) != len(words) or str(node.get("type")).lower() != "string":
        yield f"{at}: enum {words!r}"


def _inner_faults(node: Mapping[str, Any], kind: str, at: str) -> Iterator[str]:
    if kind == "array":
        yield from faults(node.get("items"), f"{at}[]")
    if kind != "object":
        return
    properties = node.get("properties")
    if not isinstance(properties, Mapping):
        yield f"{at}: an object without properties"
        return
    if set(node.get("required") or ()) - set(properties):
        yield f"{at}: requires what it does not describe"
    for name, inner in properties.items():
        yield from faults(inner, f"{at}.{name}")
