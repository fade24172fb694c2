"""Messages without tables, for places that do not take one."""

from vpsops.bot.blocks.elements import Block, Post, lines, section


def without_table(post: Post) -> Post:
    """Return the same message in sections, for a place that takes no table."""
    blocks: list[Block] = []
    for block in post.blocks:
        blocks += _row_sections(block) if block["type"] == "table" else [block]
    return Post(post.text, tuple(blocks))


def _row_sections(table: Block) -> list[Block]:
    told = [" · ".join(str(cell["text"]) for cell in row if cell["text"] != "-") for row in table["rows"]]
    return [section(lines(*told[at : at + 10], limit=2900)) for at in range(0, len(told), 10)]
