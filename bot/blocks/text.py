"""Escapes and formats text for Slack.

Slack interprets `&`, `<` and `>` in every mrkdwn text and in the fallback `text`; a backtick ends a code
span and a line break starts a new line. It interprets nothing in plain_text objects.
"""

import ipaddress
import re
from datetime import datetime
from typing import Final

from vpsops.core.common.text import bound, one_line
from vpsops.core.common.text import moment as utc

_USER: Final = re.compile(r"[UW][A-Z0-9]{2,20}")
_CHANNEL: Final = re.compile(r"[CGD][A-Z0-9]{2,20}")
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_QUIET: Final = str.maketrans({"`": "\u02cb", "*": "\u2217", "~": "\u223c"})
_WORD: Final = re.compile(r"\S*:\S+:\S*")
_EMOJI: Final = re.compile(r":(?=[^\s:]+:)")
_TIME: Final = re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)?")
_AROUND: Final = "()[]{}.,;"


def escape(text: str) -> str:
    """Escape Slack's three control characters (`&`, `<`, `>`) in trusted text."""
    return text.translate(_ESCAPES)


def escape_untrusted(text: str, limit: int = 200) -> str:
    """Return untrusted text for mrkdwn: one line, without markup or emoji, at most `limit` characters.

    The bound applies to the escaped text, so that the result stays within Slack's limits.
    """
    plain = _WORD.sub(_without_emoji, one_line(text, limit).translate(_QUIET))
    escaped = escape(plain)
    while len(escaped) > limit:
        plain = bound(plain, len(plain) - max(1, (len(escaped) - limit) // 4))
        escaped = escape(plain)
    return escaped


def _without_emoji(word: re.Match[str]) -> str:
    """Replace the colons of emoji shortcodes in a word; IPv6 addresses and times are left unchanged."""
    if _TIME.fullmatch(word[0].strip(_AROUND)):
        return word[0]
    try:
        ipaddress.ip_address(word[0].strip(_AROUND))
    except ValueError:
        return _EMOJI.sub("\ua789", word[0])
    return word[0]


def user_mention(user: str, name: str = "") -> str:
    """Return a mention if `user` is a Slack user id, else the escaped name."""
    return f"<@{user}>" if _USER.fullmatch(user) else escape_untrusted(name or user, 80)


def is_user_id(user: str) -> bool:
    """Return whether `user` is a Slack user id."""
    return _USER.fullmatch(user) is not None


def channel_link(ident: str) -> str:
    """Return a link to a channel, or "your messages with me" for a direct conversation."""
    if _CHANNEL.fullmatch(ident) and not ident.startswith("D"):
        return f"<#{ident}>"
    return "your messages with me"


def moment(at: datetime) -> str:
    """Return a Slack date token, shown in each reader's time zone; the fallback text is in UTC."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{utc(at)}>"
