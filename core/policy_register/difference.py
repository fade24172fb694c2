"""The effect of another document: rule by rule, limit by limit, setting by setting, and what that means."""

from collections.abc import Iterator, Mapping
from typing import Final

from vpsops.core.common.json_types import Json
from vpsops.core.policy_register.consequence import Direction, consequences
from vpsops.core.policy_register.document import Document, Table, ruleset_from

MOST_LINES: Final = 60
LONGEST: Final = 200
HEADINGS: Final = {
    Direction.MILDER: "Milder, so more is let through:",
    Direction.STRICTER: "Stricter:",
    Direction.OTHER: "Decided by others, or in another time:",
}


def changed_lines(before: Document, after: Document) -> list[str]:
    """Return the written differences: `+` is new, `-` is gone, `~` has another value."""
    rules = _by(before.rules, "id"), _by(after.rules, "id")
    spaces = _by(before.workspaces, "team"), _by(after.workspaces, "team")
    embedded = (["~ rules: the embedded default"] if after.embedded else ["~ rules: a policy of one's own"]) * (
        before.embedded != after.embedded
    )
    return [
        *embedded,
        *_tables("rule", *rules),
        *_keys("limit", _flat(before.limits), _flat(after.limits)),
        *_tables("workspace", *spaces),
        *(["~ workspaces: " + ("several" if after.several else "one")] if before.several != after.several else []),
        *_tables("window", _by(before.windows, "name"), _by(after.windows, "name")),
        *_tables("freeze", _by(before.freezes, "name"), _by(after.freezes, "name")),
        *_keys("setting", before.settings, after.settings),
        *_keys("hold in seconds:", before.holds, after.holds),
    ]


def _by(tables: tuple[Table, ...], key: str) -> dict[str, Table]:
    return {str(table[key]): table for table in tables}


def _flat(table: Table, prefix: str = "") -> dict[str, Json]:
    flat: dict[str, Json] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _tables(kind: str, before: Mapping[str, Table], after: Mapping[str, Table]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"- {kind} {name}: {_inline(before[name])}"
        elif name not in before:
            yield f"+ {kind} {name}: {_inline(after[name])}"
        else:
            yield from _keys(f"{kind} {name}:", _flat(before[name]), _flat(after[name]))


def _inline(table: Table) -> str:
    return ", ".join(
        f"{key} {value_words(value)}" for key, value in _flat(table).items() if key not in {"id", "team", "name"}
    )


def _keys(kind: str, before: Mapping[str, Json], after: Mapping[str, Json]) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if key not in after:
            yield f"- {kind} {key} {value_words(old)}"
        elif key not in before:
            yield f"+ {kind} {key} {value_words(new)}"
        else:
            yield f"~ {kind} {key} {value_words(old)} -> {value_words(new)}"


def value_words(value: Json) -> str:
    """Return a value for display."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def meaning_lines(before: Document, after: Document) -> list[str]:
    """Return the meaning of the other document for requests, milder things first."""
    result = consequences(ruleset_from(before).policy, ruleset_from(after).policy)
    lines: list[str] = []
    for direction in Direction:
        texts = [line for effect in result.items if effect.direction is direction for line in effect.lines]
        if texts:
            more = [f"  and {len(texts) - MOST_LINES} more"] if len(texts) > MOST_LINES else []
            lines += [HEADINGS[direction], *(f"  {line}" for line in texts[:MOST_LINES]), *more]
    if not lines:
        lines = ["No request is decided otherwise by the rules."]
    return lines if result.whole else [*lines, "There were too many combinations to compare all of them."]


def summary_of(before: Document | None, after: Document) -> str:
    """Summarise in one line the changes of another document, for the audit trail."""
    if before is None:
        return f"the first one: {'the embedded default' if after.embedded else f'{len(after.rules)} rules'}"
    lines = changed_lines(before, after)
    summary = "; ".join(line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…" for line in lines[:4])
    return f"{summary}; and {len(lines) - 4} more" if len(lines) > 4 else summary  # noqa: PLR2004 - a line's worth
