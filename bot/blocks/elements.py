"""The few kinds of block we send, as functions; pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vpsops.core.common.text import one_line

Block = dict[str, Any]
"""A block, element or view as Slack's wire has it."""

MAX_FALLBACK = 2900


@dataclass(frozen=True, slots=True)
class Post:
    """A message: what is drawn, and the text that notifications and screen readers get (escaped mrkdwn)."""

    text: str
    blocks: tuple[Block, ...]


def plain(text: str, limit: int = 3000) -> Block:
    """Return a plain text object: nothing in it is read as markup, so outside text may stand in it."""
    return {"type": "plain_text", "text": one_line(text, limit) or "-", "emoji": False}


def lines(*texts: str, limit: int = 2000) -> Block:
    """Return a plain text object of several lines, each flattened for itself."""
    each = max(1, limit // max(1, len(texts)) - 1)
    return {"type": "plain_text", "text": "\n".join(one_line(text, each) or "-" for text in texts), "emoji": False}


def mrkdwn(text: str) -> Block:
    """Return a mrkdwn object; the caller has escaped whatever came from outside."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def header(text: str) -> Block:
    """Return a heading."""
    return {"type": "header", "text": plain(text, 150)}


def section(text: Block, accessory: Block | None = None) -> Block:
    """Return a paragraph, with a control beside it if one is given."""
    return {"type": "section", "text": text, **({"accessory": accessory} if accessory else {})}


def field_sections(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    """Return label and value pairs in two columns, all as plain text; empty values are left out."""
    shown = [lines(label, value) for label, value in pairs if value]
    return [{"type": "section", "fields": shown[at : at + 10]} for at in range(0, len(shown), 10)]


def context(*elements: Block) -> Block:
    """Return a line of small print."""
    return {"type": "context", "elements": list(elements)}


def actions(elements: Sequence[Block], block_id: str = "") -> Block:
    """Return a row of controls."""
    return {"type": "actions", "elements": list(elements), **({"block_id": block_id[:255]} if block_id else {})}


def shared_copy(post: Post, who: str) -> Post:
    """Return a private answer as it is shown to a channel: without controls, with who shows it (escaped mrkdwn)."""
    kept = [{name: value for name, value in block.items() if name != "accessory"} for block in post.blocks]
    by = f"Shared by {who}"
    blocks = [*(item for item in kept if item["type"] != "actions"), context(mrkdwn(by))]
    return Post(f"{post.text} {by}", tuple(blocks))


def button(text: str, action: str, value: Mapping[str, Any], style: str = "") -> Block:
    """Return a button; its value is compact JSON and never holds a secret or an address."""
    drawn = {"type": "button", "text": plain(text, 75), "action_id": action, "value": pack(value)}
    return {**drawn, "style": style} if style else drawn


def option(text: str, value: str, description: str = "") -> Block:
    """Return one choice of a menu."""
    drawn = {"text": plain(text, 75), "value": value}
    return {**drawn, "description": plain(description, 75)} if description else drawn


def pack(value: Mapping[str, Any]) -> str:
    """Write a button's value or a view's metadata."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def unpack(text: str) -> dict[str, Any]:
    """Read a button's value or a view's metadata; an unreadable one is empty."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
