"""Undoes what phones and Slack do to typed text, before a word of it is looked at; pure.

Phones turn two hyphens into a dash and straight quotes into curly ones; Slack turns hostnames into
links and people into mentions, and escapes three characters.
"""

import html
import re
from typing import Final

MAX_TEXT: Final = 4000
MAX_REASON: Final = 500
WITHOUT_NAME: Final = frozenset({"create", "pause", "resume"})
"""Commands that need no name before a reason."""

_LINK: Final = re.compile(r"<(?:https?://|mailto:|tel:)([^<>|]*)(?:\|([^<>]*))?>")
_MENTION: Final = re.compile(r"<@([UW][A-Z0-9]{2,20})(?:\|[^<>]*)?>")
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_LEADING: Final = re.compile(rf"(?<!\S)[{_DASHES}](?=[^\W\d_])")
_ANY_DASH: Final = re.compile(f"[{_DASHES}]")
_QUOTES: Final = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a"
_REASON: Final = re.compile(rf"\s(?:because:?|for:|[-{_DASHES}]{{1,2}}reason(?:=|\s|$))\s*", re.IGNORECASE)
_FIRST: Final = re.compile(r"\S+")


def split_command(text: str) -> tuple[list[str], str]:
    """Return the words that were typed, and the reason that follows them in the asker's own spelling."""
    head, reason = _split_reason(undo_slack_markup(text[:MAX_TEXT]))
    return [word for word in (strip_quotes(part) for part in _normalize_dashes(head).split()) if word], reason


def mentioned_user(word: str) -> str:
    """Return the Slack id of the person that a word mentions, or nothing."""
    found = _MENTION.fullmatch(word)
    return found[1] if found else ""


def replace_first_word(text: str, word: str) -> str:
    """Return the text as it was typed, with another first word: what follows is kept to the letter."""
    return _FIRST.sub(lambda _: word, text[:MAX_TEXT].strip(), count=1)


def strip_quotes(word: str) -> str:
    """Return a word without the quotes around it."""
    return word.strip(_QUOTES)


def abbreviate(word: str) -> str:
    """Return a word to be shown, cut where it is long."""
    return word if len(word) <= 40 else word[:39] + "…"  # noqa: PLR2004 - enough to recognise it


def _split_reason(text: str) -> tuple[str, str]:
    """Cut the reason off; its marker counts from the third word on, so no server's name is taken for one."""
    first = text.split(maxsplit=1)[0].lower().lstrip("/") if text.strip() else ""
    for match in _REASON.finditer(text):
        if len(text[: match.start()].split()) > 1 or first in WITHOUT_NAME:
            return text[: match.start()], text[match.end() :].strip()[:MAX_REASON]
    return text, ""


def undo_slack_markup(text: str) -> str:
    """Undo what Slack did: links back to what was typed, the three escapes back to characters."""
    linked = _LINK.sub(lambda found: found[2] or found[1].rstrip("/"), text)
    plain = html.unescape(linked) if "&" in linked else linked
    return "".join(" " if item.isspace() else item for item in plain if item.isspace() or item.isprintable())


def _normalize_dashes(text: str) -> str:
    return _ANY_DASH.sub("-", _LEADING.sub("--", text))
