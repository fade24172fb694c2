"""Long lists as one table that Slack turns over and sorts, and plain sections for workspaces without such blocks."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, lines, section
from vpsops.core.common.text import one_line

TABLES: Final = frozenset({"table", "data_table"})
TABLE_ROWS: Final = 200
"""Slack: a data table has at most 201 rows, its head among them."""
CHARACTERS: Final = 19_000
"""Slack: 20,000 in all cells together."""
CELL: Final = 100
ROWS_AT_ONCE: Final = 20
TABLES_SKIPPED: Final = 100
"""Messages with a table that are sent without it after one was refused; then one is tried again."""


class TableMemory:
    """Which kinds of tables a workspace refuses, as far as a process has seen; a refusal is forgotten after a while."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    def layout(self, post: Post) -> Post:
        """Return the message as it is tried first."""
        refused = [kind for kind in table_kinds(post) if self._left.get(kind)]
        for kind in refused:
            self._left[kind] -= 1
        return without_table(post) if refused else post

    def refuse(self, tried: Post) -> None:
        """Note that a message was refused and taken without its tables."""
        self._left |= dict.fromkeys(table_kinds(tried), TABLES_SKIPPED)


def data_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Block:
    """Return a table with as many of the rows, from the first, as fit."""
    visible: list[list[Block]] = []
    left = CHARACTERS - sum(map(len, heads))
    for row in rows[:TABLE_ROWS]:
        cells = [{"type": "raw_text", "text": one_line(word, CELL) or "-"} for word in row]
        left -= sum(len(cell["text"]) for cell in cells)
        if left < 0:
            break
        visible.append(cells)
    head = [{"type": "raw_text", "text": word} for word in heads]
    return {"type": "data_table", "caption": caption, "page_size": ROWS_AT_ONCE, "rows": [head, *visible]}


def table_kinds(post: Post) -> frozenset[str]:
    """Return the kinds of tables that a message has."""
    return TABLES & {str(block["type"]) for block in post.blocks}


def without_table(post: Post) -> Post:
    """Return the message with each table block replaced by plain-text sections."""
    blocks: list[Block] = []
    for block in post.blocks:
        blocks += _row_sections(block) if block["type"] in TABLES else [block]
    return Post(tuple(blocks), post.text)


def _row_sections(table: Block) -> list[Block]:
    rows = [" · ".join(str(cell["text"]) for cell in row if cell["text"] != "-") for row in table["rows"]]
    return [section(lines(*rows[at : at + 10], limit=2900)) for at in range(0, len(rows), 10)]
