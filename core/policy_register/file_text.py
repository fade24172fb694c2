"""A document as the text of a `vpsops.toml`, to be read, kept and applied again."""

import json
from collections.abc import Iterator, Mapping

from vpsops.core.common.json_types import Json
from vpsops.core.policy_register.document import Document, Table


def file_text(document: Document) -> str:
    """Return a document as TOML. The embedded default is written as a comment, for it is no rule of a file."""
    sections = [
        _section("[settings]", document.settings),
        *([_embedded(document)] if document.embedded else [_section("[[rule]]", rule) for rule in document.rules]),
        *_limits(document.limits),
        *(_section("[[workspace]]", workspace) for workspace in document.workspaces),
        *(_section("[[window]]", window) for window in document.windows),
        *(_section("[[freeze]]", freeze) for freeze in document.freezes),
        _holds(document.holds),
    ]
    return "\n".join(section for section in sections if section)


def _holds(holds: Mapping[str, float]) -> str:
    votes, confirmation = holds.get("approve", 0.0), holds.get("confirm", 0.0)
    return f"# A hold waits {votes:g} s for votes unless its rule says otherwise, {confirmation:g} s for a yes.\n"


def _embedded(document: Document) -> str:
    rules = "\n".join(_section("[[rule]]", rule) for rule in document.rules)
    commented = "".join(f"# {line}".rstrip() + "\n" for line in rules.splitlines())
    return f"# The embedded default, which holds where there is no [[rule]]:\n#\n{commented}"


def _limits(limits: Table) -> Iterator[str]:
    plain = {key: value for key, value in limits.items() if not isinstance(value, Mapping)}
    yield _section("[limits]", plain)
    for key, value in limits.items():
        if isinstance(value, Mapping):
            yield _section(f"[limits.{key}]", value)


def _section(header: str, table: Mapping[str, Json]) -> str:
    first = [key for key in ("id", "team", "name", "decision") if key in table]
    keys = [*first, *(key for key in table if key not in first)]
    return "".join([f"{header}\n", *(f"{key} = {value_text(table[key])}\n" for key in keys)]) if table else ""


def value_text(value: Json) -> str:
    """Return a value as TOML. Written here: tomli-w is not among the dependencies, and this is all of it."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {value_text(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
