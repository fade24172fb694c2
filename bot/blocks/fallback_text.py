"""The text of a message for screen readers and notifications, made from its blocks.

Slack's clients read the top-level `text` aloud, not the blocks (docs.slack.dev, chat.postMessage, "Accessibility
considerations"). So it holds every word of them, a sentence for each line; symbols and bars, whose meaning stands
beside them in words, are left out.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from vpsops.bot.blocks.text import escape_untrusted

LONGEST: Final = 3900
"""Characters; `chat.update` refuses more than 4000."""
LONGEST_POSTED: Final = 36_000
"""Characters of a message with a data table, which is posted once and never edited; Slack cuts at 40,000."""
LINE: Final = 3000
CUT: Final = "The rest is in the message itself."
SEPARATOR: Final = " · "
ARROW: Final = re.compile(r" → ")
SYMBOLS: Final = re.compile(r"[🟡🔵🟢🔴🟠⚪◌✗●○█░]+ *")
MARK: Final = re.compile(r"[?!-] +(?=\S)")
"""A mark before a title; it stands for the state that the title ends with."""
BOLD: Final = re.compile(r"(?<!\w)\*([^*\n]+?):?\*[ ]*")
ITALIC: Final = re.compile(r"(?<!\w)_([^_\n]+)_(?!\w)")
EMPTY: Final = frozenset({"", "-"})
ENDS: Final = (".", "!", "?", ":", "…", ";", ",")


def fallback_text(blocks: Sequence[dict[str, Any]]) -> str:
    """Return the words of blocks as escaped mrkdwn, with a sentence on each line."""
    lines: list[str] = []
    left = (LONGEST_POSTED if any(block["type"] == "data_table" for block in blocks) else LONGEST) - len(CUT) - 1
    for line in (sentence for block in blocks for sentence in _sentences(block)):
        left -= len(line) + 1
        if left < 0:
            return "\n".join([*lines, CUT])
        lines.append(line)
    return "\n".join(lines)


def _sentences(block: dict[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield from _ended([MARK.sub("", _words(block["text"]), count=1)])
        case "section":
            texts = [block["text"]] if block.get("text") else []
            yield from _ended(line for text in texts for line in _words(text).split("\n"))
            yield from _ended(
                _words(pair).replace(": \n", "\n", 1).replace("\n", ": ", 1) for pair in block.get("fields", [])
            )
            yield from _controls([block["accessory"]] if block.get("accessory") else [])
        case "context":
            yield from _ended(_words(element) for element in block["elements"])
        case "table" | "data_table":
            yield from _ended(", ".join(word for cell in row if (word := _words(cell))) for row in block["rows"])
        case "actions":
            yield from _controls(block["elements"])
        case _:
            return


def _words(text: dict[str, Any]) -> str:
    """Return a text object without symbols, escaped; plain text comes from outside."""
    value = str(text.get("text", ""))
    if text.get("type") == "mrkdwn":
        value = ITALIC.sub(r"\1", BOLD.sub(r"\1: ", value))
    else:
        value = "\n".join(escape_untrusted(line, LINE) for line in value.split("\n"))
    value = SYMBOLS.sub("", ARROW.sub(" becomes ", value)).replace(SEPARATOR, ", ")
    return "" if value.strip() in EMPTY else value.strip()


def _controls(elements: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Name the controls that show words: buttons, and menus by their placeholders."""
    for kind, label in (("Buttons", "text"), ("Menus", "placeholder")):
        labels = [words for element in elements if (words := _words(element.get(label) or {}))]
        yield from _ended([f"{kind}: {'; '.join(labels)}"] if labels else [])


def _ended(texts: Iterator[str] | Sequence[str]) -> Iterator[str]:
    """Return texts that have words as sentences."""
    for text in texts:
        words = text.strip()
        if words not in EMPTY:
            yield words if words.endswith(ENDS) else f"{words}."
