"""The text of every message has every word of its blocks, as sentences, and no symbol: screen readers read it alone."""

import ast
import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

import vpsops.bot
from tests.browser.surfaces.catalogue import surfaces
from tests.fakes.slack_bot import words_of
from tests.unit.bot.changes_in_every_state import HOSTILE, every_change, hostile
from vpsops.bot.blocks.elements import Post, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.fallback_text import CUT, SYMBOLS
from vpsops.bot.blocks.labels import STATE_LABELS
from vpsops.bot.blocks.labels import SYMBOLS as STATE_SYMBOLS
from vpsops.bot.messages.change_card import Audience, change_card
from vpsops.bot.messages.servers import SIGNS
from vpsops.bot.slack_api.block_limits import fit_post
from vpsops.core.changes.model import State

NOW: Final = every_change()[0].created_at
MESSAGES: Final = {name: value.payload for name, value in surfaces().items() if value.kind == "message"}
CARDS: Final = {
    f"{change.state}-{change.ruling.decision}-{change.overdue}-{audience}": change_card(change, NOW, audience)
    for change in every_change()
    for audience in Audience
}
EVERY: Final[Mapping[str, Mapping[str, Any]]] = {
    **MESSAGES,
    **{name: {"text": card.text, "blocks": card.blocks} for name, card in CARDS.items()},
}
MENUS: Final = frozenset({"overflow"})
ASCII_MARKS: Final = frozenset({"?", "!", "-"})


def words(text: str) -> list[str]:
    """Return the words of a text, without the characters that are escaped or made quiet."""
    return re.findall(r"\w+", html.unescape(text))


def seen(node: Any) -> Iterator[str]:
    """Return every text of some blocks that a sighted reader gets: not the entries of a menu that is closed."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from seen(item)
    elif isinstance(node, dict) and node.get("type") not in MENUS:
        yield from words_of([{"text": node["text"]}] if isinstance(node.get("text"), str) else [])
        for name, value in node.items():
            if name not in {"value", "options", "confirm"} and not isinstance(value, str):
                yield from seen(value)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.requirement("heard-as-seen")
def test_every_word_of_a_message_is_in_its_text(name: str) -> None:
    """A listener gets what others see: facts, reasons, who decides, until when, and what can be pressed."""
    sent = EVERY[name]
    missing = [word for text in seen(list(sent["blocks"])) for word in words(text) if word not in words(sent["text"])]
    assert missing == []


@pytest.mark.parametrize("name", EVERY)
def test_a_text_has_no_symbols_and_no_sentences_run_together(name: str) -> None:
    """Each line ends as a sentence does; the signs of states and the bars of usage have their words beside them."""
    text = str(EVERY[name]["text"])
    assert not SYMBOLS.search(text), text
    assert not re.search(r"→|·|[█░]", text), text
    assert [line for line in text.splitlines() if not re.search(r"[.!?:…;,]$", line)] == []


def test_every_symbol_that_is_drawn_is_known() -> None:
    """Those of states, of servers and of usage."""
    drawn = {*STATE_SYMBOLS.values(), *(label.mark for label in STATE_LABELS.values()), *SIGNS.values(), "◌", "█", "░"}
    assert [sign for sign in drawn if sign not in ASCII_MARKS and not SYMBOLS.fullmatch(sign)] == []
    for mark in ASCII_MARKS:
        assert Post((header(f"{mark} Reboot web01: failed"),)).text == "Reboot web01: failed."


def test_no_message_is_given_a_text_of_its_own() -> None:
    """Only a plainer layout of a message keeps the text that the message has."""
    given = set()
    for path in Path(vpsops.bot.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Post"
                and len(node.args) + len(node.keywords) > 1
            ):
                given.add(path.name)
    assert given == {"block_limits.py", "tables.py"}


@pytest.mark.parametrize("state", State)
def test_words_from_outside_stay_words(state: State) -> None:
    """No mention, no link, no emoji and no second line comes from them; the text is cut at a sentence."""
    for card in (change_card(hostile(state, HOSTILE), NOW, audience) for audience in Audience):
        assert len(card.text) <= 4000
        assert "<!channel>" not in card.text
        assert "<https:" not in card.text
        assert ":fire:" not in card.text


def test_a_long_message_is_cut_at_a_sentence_and_says_so() -> None:
    """What is left out is in the message."""
    post = Post(tuple(section(plain(f"Sentence {number} {'x' * 200}")) for number in range(40)))
    assert post.text.splitlines()[-1] == CUT
    assert post.text.splitlines()[-2].endswith("x.")
    assert fit_post(post).text == post.text


def test_how_each_kind_of_block_is_read() -> None:
    """Fields as label and value, lines as sentences, bold as a label, changes as words."""
    post = Post(
        (
            header("🟡 Resize web01: waiting"),
            {"type": "section", "fields": [lines("Plan", "small → large"), lines("Region", "oslo · NO")]},
            section(mrkdwn("*/vps list* Lists. _allowed_")),
            context(plain("-"), mrkdwn("By <@U0ALICE> · <!date^1^{time}|00:00>")),
            {"type": "table", "rows": [[{"type": "raw_text", "text": "Code"}, {"type": "raw_text", "text": "-"}]]},
        )
    )
    assert post.text.splitlines() == [
        "Resize web01: waiting.",
        "Plan: small becomes large.",
        "Region: oslo, NO.",
        "/vps list: Lists. allowed.",
        "By <@U0ALICE>, <!date^1^{time}|00:00>.",
        "Code.",
    ]
