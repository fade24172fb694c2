"""Normalizes typed command text before it is parsed.

Phones turn two hyphens into a dash and straight quotes into curly ones. Slack turns hostnames into
links and names into mentions, and escapes three characters.
"""

import html
import re
from typing import Final

from vpsops.bot.protocol.command_catalog import EXACT

MAX_TEXT: Final = 4000
MAX_REASON: Final = 500
WITHOUT_NAME: Final = frozenset({"create", "pause", "resume"})
"""Commands that accept a reason without a server name before it."""

_LINK: Final = re.compile(r"<(?:https?://|mailto:|tel:)([^<>|]*)(?:\|([^<>]*))?>")
_EMPHASIS: Final = re.compile(r"\s*([*_~]+)([^\s*_~]+\s.*?)\1\s*", re.DOTALL)
"""Marks of emphasis around several words: those of `*reboot web01*` are no part of a pattern."""
_MENTION: Final = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>")
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_LEADING: Final = re.compile(rf"(?<!\S)[{_DASHES}](?=[^\W\d_])")
_ANY_DASH: Final = re.compile(f"[{_DASHES}]")
_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_WORD: Final = re.compile(r"""[A-Za-z_-]+[=:](?:"[^"]*"|[\u201c\u201d][^\u201c\u201d]*[\u201c\u201d])(?!\S)|\S+""")
"""One word, or a name and its value in quotation marks: `region:"Oslo, Norway"`."""
_REASON: Final = re.compile(rf"\s(?:because:?|for:|[-{_DASHES}]{{1,2}}reason(?:=|\s|$))\s*", re.IGNORECASE)


def split_command(text: str) -> tuple[list[str], str]:
    """Split command text into normalized words and the verbatim reason."""
    head, reason = _split_reason(_without_emphasis(undo_slack_markup(text[:MAX_TEXT])))
    head = _without_emphasis(head)
    return [word for word in (strip_quotes(part) for part in _WORD.findall(_normalize_dashes(head))) if word], reason


def _without_emphasis(text: str) -> str:
    match = _EMPHASIS.fullmatch(text)
    return match[2] if match else text


def mentioned_user(word: str) -> str:
    """Return the user id of a Slack mention, or ""."""
    match = _MENTION.fullmatch(word)
    return match[1] if match else ""


def replace_first_words(text: str, word: str, count: int = 1) -> str:
    """Return the text with its first words replaced by another and the rest unchanged."""
    return re.sub(rf"(?:\S+\s+){{{count - 1}}}\S+", lambda _: word, text[:MAX_TEXT].strip(), count=1)


def strip_quotes(word: str) -> str:
    """Return a word without surrounding quotes."""
    return word.strip(_QUOTES)


def abbreviate(word: str) -> str:
    """Return a word truncated to 40 characters for display."""
    return word if len(word) <= 40 else word[:39] + "…"  # noqa: PLR2004 - enough to recognise it


def _split_reason(text: str) -> tuple[str, str]:
    """Split off the reason. Its marker is recognized from the third word on, so it cannot be a server's name."""
    first = text.split(maxsplit=1)[0].lower().lstrip("/") if text.strip() else ""
    for match in _REASON.finditer(text):
        if len(text[: match.start()].split()) > 1 or EXACT.get(first, first) in WITHOUT_NAME:
            return text[: match.start()], text[match.end() :].strip()[:MAX_REASON]
    return text, ""


def split_at_reason(text: str) -> tuple[str, str]:
    """Split a text before its first marker of a reason that has words after it; both parts stay as they were typed."""
    match = _REASON.search(text)
    return (text[: match.start()], text[match.start() :]) if match and text[match.end() :].strip() else (text, "")


def undo_slack_markup(text: str) -> str:
    """Undo Slack's markup: replace links with their text and unescape the three control characters."""
    linked = _LINK.sub(lambda match: match[2] or match[1].rstrip("/"), text)
    plain = html.unescape(linked) if "&" in linked else linked
    return "".join(" " if letter.isspace() else letter for letter in plain if letter.isspace() or letter.isprintable())


def _normalize_dashes(text: str) -> str:
    return _ANY_DASH.sub("-", _LEADING.sub("--", text))
