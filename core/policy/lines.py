"""Where in a TOML text things stand: tomllib gives values without lines; pure."""

import re
from dataclasses import dataclass, field

HEADER = re.compile(r"^\[\[?\s*([^\]]+?)\s*\]\]?")
KEY = re.compile(r"""^["']?([A-Za-z0-9_-]+)["']?(?:\s*\.\s*["']?([A-Za-z0-9_-]+)["']?)?\s*=""")
TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]')


@dataclass(slots=True)
class Table:
    """A table or array element of tables, by its name, its line and its keys' lines."""

    name: str
    line: int
    keys: dict[str, int] = field(default_factory=dict)


def tables(text: str) -> list[Table]:
    """Return the tables of a valid TOML text in their order, the top level first."""
    found = [Table("", 1)]
    for line, statement in statements(text):
        header = HEADER.match(statement)
        key = KEY.match(statement)
        if header:
            found.append(Table(header[1], line))
        elif key:
            found[-1].keys.setdefault(key[1], line)
    return found


def statements(text: str) -> list[tuple[int, str]]:
    """Return every statement's first line: its number and its text, comments and strings' insides aside."""
    begun: list[tuple[int, str]] = []
    lines = text.split("\n")
    inside = _inside(text)
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if number not in inside and stripped and not stripped.startswith("#"):
            begun.append((number, stripped))
    return begun


def _inside(text: str) -> set[int]:
    """Return the lines that begin inside a multi-line string or a bracket of an earlier line's value."""
    inside: set[int] = set()
    line, depth, position = 1, 0, 0
    while (token := TOKEN.search(text, position)) is not None:
        word, position = token.group(), token.end()
        if word in {'"""', "'''"}:
            end = text.find(word, position)
            end = len(text) if end < 0 else end
            inside |= set(range(line + 1, line + 1 + text.count("\n", position, end)))
            line += text.count("\n", position, end)
            position = end + 3
        elif word == "\n":
            line += 1
            if depth:
                inside.add(line)
        elif word in "[{":
            depth += 1
        elif word in "]}":
            depth -= 1
    return inside
