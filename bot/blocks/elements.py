"""Builders of the Block Kit blocks, elements and objects that vpsops sends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpsops.bot.blocks.fallback_text import fallback_text
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.core.common.json_types import parse_json
from vpsops.core.common.text import one_line
from vpsops.core.operations.facts import Fact

Block = dict[str, Any]
"""A block, element or view in Slack's JSON form."""

NO_MENTIONS: Final[Mapping[str, str]] = {}
MAX_FALLBACK = 2900
SHORT_FACT: Final = 120
MAX_FACT: Final = 2_000
MAX_FIELD: Final = 900
MAX_VALUE: Final = 2_000
"""Characters; https://docs.slack.dev/reference/block-kit/block-elements/button-element."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message: its blocks, and the text made from them for notifications and screen readers (escaped mrkdwn)."""

    blocks: tuple[Block, ...]
    text: str = ""

    def __post_init__(self) -> None:
        """Make the text, unless the blocks are another layout of a message that has it."""
        object.__setattr__(self, "text", self.text or fallback_text(self.blocks))


def plain(text: str, limit: int = 3000) -> Block:
    """Return a plain_text object. Slack interprets no markup in it, so untrusted text is safe here."""
    return {"type": "plain_text", "text": one_line(text, limit) or "-", "emoji": False}


def lines(*texts: str, limit: int = 2000) -> Block:
    """Return a plain_text object with one line for each text; line breaks within a text are removed."""
    each = max(1, limit // max(1, len(texts)) - 1)
    return {"type": "plain_text", "text": "\n".join(one_line(text, each) or "-" for text in texts), "emoji": False}


def mrkdwn(text: str) -> Block:
    """Return a mrkdwn object. The caller must escape untrusted text."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def header(text: str) -> Block:
    """Return a header block."""
    return {"type": "header", "text": plain(text, 150)}


def section(text: Block, accessory: Block | None = None) -> Block:
    """Return a section block, optionally with an accessory element."""
    return {"type": "section", "text": text, **({"accessory": accessory} if accessory else {})}


def field_sections(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    """Return label and value pairs as section fields (two columns, bold labels); empty values are omitted."""
    return _sections([(label, escape_untrusted(value, MAX_FIELD)) for label, value in pairs if value])


def _sections(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    fields = [mrkdwn(f"*{escape_untrusted(label, 80)}*\n{value}") for label, value in pairs]
    return [{"type": "section", "fields": fields[at : at + 10]} for at in range(0, len(fields), 10)]


def described(facts: Sequence[Fact], mentions: Mapping[str, str] = NO_MENTIONS) -> list[Block]:
    """Return the facts of an operation: short ones in columns, each long one by itself.

    Numbered facts, such as the steps of a runbook, keep their order: all are by themselves where one of them is long.
    `mentions` has the mention that stands for a value, by the label of its fact.
    """
    alone = {_unnumbered(fact.label) for fact in facts if len(fact.value) > SHORT_FACT}
    short = _sections(
        [
            (fact.label, mentions.get(fact.label) or escape_untrusted(fact.value, MAX_FIELD))
            for fact in facts
            if fact.value and _unnumbered(fact.label) not in alone
        ]
    )
    long = (fact for fact in facts if fact.value and _unnumbered(fact.label) in alone)
    return [*short, *(section(plain(one_line(fact.line, MAX_FACT))) for fact in long)]


def _unnumbered(label: str) -> str:
    return label.rstrip("0123456789 ")


def context(*elements: Block) -> Block:
    """Return a context block."""
    return {"type": "context", "elements": list(elements)}


def actions(elements: Sequence[Block], block_id: str = "") -> Block:
    """Return an actions block."""
    return {"type": "actions", "elements": list(elements), **({"block_id": block_id[:255]} if block_id else {})}


def modal(  # noqa: PLR0913 - the parts of a modal
    callback_id: str, title: str, blocks: Sequence[Block], *, metadata: Mapping[str, Any], close: str, submit: str = ""
) -> Block:
    """Return a modal; without `submit` it is no form."""
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": pack(metadata),
        "title": plain(title, 24),
        **({"submit": plain(submit, 24)} if submit else {}),
        "close": plain(close, 24),
        "blocks": list(blocks),
    }


def shared_copy(post: Post, who: str) -> Post:
    """Return a private reply as a channel message: without controls, with the sharing user's mention `who`."""
    kept = [{name: value for name, value in block.items() if name != "accessory"} for block in post.blocks]
    by = f"Shared by {who}"
    blocks = [*(block for block in kept if block["type"] != "actions"), context(mrkdwn(by))]
    return Post(tuple(blocks))


def button(text: str, action: str, value: Mapping[str, Any], style: str = "") -> Block:
    """Return a button with a value in compact JSON. Values must not contain secrets or URLs."""
    element = {"type": "button", "text": plain(text, 75), "action_id": action, "value": pack(value)}
    return {**element, "style": style} if style else element


def choice(row: Sequence[Block], typed: Sequence[str]) -> Block:
    """Return a row of buttons; where one cannot hold all that was asked for, what to type in their place."""
    if all(len(item["value"]) <= MAX_VALUE for item in row):
        return actions(row)
    words = ", ".join(one_line(word, 100) for word in typed)
    return section(plain(f"This is too long for buttons. Send it again with one of {words}."))


def option(text: str, value: str, description: str = "") -> Block:
    """Return a menu option."""
    element = {"text": plain(text, 75), "value": value}
    return {**element, "description": plain(description, 75)} if description else element


def way_back(channel: str, thread: str) -> Mapping[str, str]:
    """Return what a view's private_metadata keeps of the channel and the thread that it was opened from."""
    return {"ch": channel, **({"th": thread} if thread else {})}


def pack(value: Mapping[str, Any]) -> str:
    """Serialize a button's value or a view's private_metadata."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def unpack(text: str) -> dict[str, Any]:
    """Parse a button's value or a view's private_metadata; return {} if it is not a JSON object."""
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
