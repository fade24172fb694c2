"""Cards and questions in a few lines: what they say first, their facts in one line, their buttons."""

from collections.abc import Iterable
from typing import Final

from vpsops.playground.slack.rendering.plain_text import text_of
from vpsops.playground.slack.rendering.render import render_block, render_element
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.slack.workspace.state import WorkspaceState

MOST_LINES: Final = 5


def card_lines(message: Message, state: WorkspaceState) -> list[str]:
    """Return a card's title, its first sentence, its facts in one line, its reason and its buttons; no mention."""
    lines = [line for block in message.blocks for line in _lines(block, state)]
    return [line for line in lines if line and not line.startswith("@")][:MOST_LINES] or first_lines([message], state)


def _lines(block: Json, state: WorkspaceState) -> list[str]:
    kind = block.get("type")
    if kind == "header":
        return [text_of(block.get("text"), state)]
    if kind == "section" and block.get("fields"):
        return [" · ".join(text_of(item, state).replace("\n", " ") for item in block["fields"])]
    if kind == "actions":
        return [" ".join(render_element(element, state) for element in block.get("elements", ()))]
    if kind == "context":
        return []
    return [line for line in render_block(block, state) if line.strip()]


def first_lines(messages: Iterable[Message], state: WorkspaceState) -> list[str]:
    """Return the first line that each message says."""
    return [
        next((line for block in message.blocks for line in render_block(block, state) if line.strip()), message.text)
        for message in messages
    ]


def question_lines(text: str) -> list[str]:
    """Return a question's title, its first sentence, and what it costs."""
    first, *rest = text.splitlines()
    facts = [line.rstrip(".") for line in rest if line.startswith(("Cost", "System"))]
    return [first, *rest[:1], " · ".join(facts)]
