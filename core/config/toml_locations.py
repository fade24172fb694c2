"""Where in a TOML text things stand: tomllib gives values without lines.

The text is one that tomllib has read, so only what moves a line needs to be understood: strings,
comments and brackets.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r'"""(?:\\.|(?!""").)*"{3,5}'  # a multi-line string may end in quotes of its own
    r"|'''(?:(?!''').)*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)
KEY = re.compile(r"""^(?:"(?:\\.|[^"\\])*"|'[^']*'|[^="'])+?=""")


@dataclass(slots=True)
class TomlTable:
    """A table or element of an array of tables: its name's parts, its line and its keys' lines."""

    name: tuple[str, ...]
    line: int
    keys: dict[str, int] = field(default_factory=dict)

    def key(self, *parts: str) -> int:
        """Return the line of a key, or of the nearest thing around it."""
        names = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        return next((self.keys[name] for name in names if name in self.keys), self.line)


def tables(text: str) -> list[TomlTable]:
    """Return the top level and then the tables of a valid TOML text in their order.

    A table inside a rule, `[rule.approvers]`, is a key of that rule.
    """
    sections = [TomlTable((), 1)]
    inner: tuple[str, ...] = ()
    for line, statement in statements(text):
        if not statement.startswith("["):
            _note(sections[-1], (*inner, *_path(_before_value(statement))), line)
            continue
        name = _path(statement)
        inside = bool(sections[-1].name) and name[:1] == sections[-1].name and len(name) > 1
        inner = name[1:] if inside else ()
        if inside:
            _note(sections[-1], inner, line)
        else:
            sections.append(TomlTable(name, line))
    return sections


def _note(table: TomlTable, path: tuple[str, ...], line: int) -> None:
    for count in range(1, len(path) + 1):
        table.keys.setdefault(".".join(path[:count]), line)


def _before_value(statement: str) -> str:
    match = KEY.match(statement)
    return f"{match[0]}0" if match else "unread = 0"


def _path(statement: str) -> tuple[str, ...]:
    """Return the parts of a header's or key's name, as tomllib reads them."""
    value: Any = tomllib.loads(statement)
    parts: list[str] = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        name, value = next(iter(value.items()))
        parts.append(name)
    return tuple(parts)


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the first line of every statement and its number, comments and the insides of values aside."""
    inside = _inside(text)
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if number not in inside and stripped and not stripped.startswith("#"):
            yield number, stripped


def _inside(text: str) -> set[int]:
    """Return the lines that begin inside a multi-line string, or inside a bracket of an earlier line."""
    inside: set[int] = set()
    line, depth = 1, 0
    for token in TOKEN.finditer(text):
        word = token.group()
        crossed = word.count("\n")
        if crossed and (depth or word != "\n"):
            inside |= set(range(line + 1, line + 1 + crossed))
        line += crossed
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(word, 0)
    return inside
