"""Replaces tables with sections, for surfaces without the table block."""

from vpsops.bot.blocks.elements import Block, Post, lines, section


def without_table(post: Post) -> Post:
    """Return the message with each table block replaced by plain-text sections."""
    blocks: list[Block] = []
    for block in post.blocks:
        blocks += _row_sections(block) if block["type"] == "table" else [block]
    return Post(post.text, tuple(blocks))


def _row_sections(table: Block) -> list[Block]:
    rows = [" · ".join(str(cell["text"]) for cell in row if cell["text"] != "-") for row in table["rows"]]
    return [section(lines(*rows[at : at + 10], limit=2900)) for at in range(0, len(rows), 10)]
