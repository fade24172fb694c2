"""Text on its way to Slack: what comes from outside is data, and stays data; pure.

Slack reads `&`, `<` and `>` in every mrkdwn text and in the fallback `text`; a backtick ends a code
span and a line break starts a line of its own. Plain text objects read none of it.
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
_AROUND: Final = "()[]{}.,;"


def escape(text: str) -> str:
    """Return our own text with Slack's three control characters spelled out."""
    return text.translate(_ESCAPES)


def escape_untrusted(text: str, limit: int = 200) -> str:
    """Return outside text for a mrkdwn place: flat, without markup or emoji of any kind, at most `limit` characters.

    The bound holds for the escaped text too, so that a limit of Slack's is kept whatever was sent.
    """
    plain = _WORD.sub(_without_emoji, one_line(text, limit).translate(_QUIET))
    shown = escape(plain)
    while len(shown) > limit:
        plain = bound(plain, len(plain) - max(1, (len(shown) - limit) // 4))
        shown = escape(plain)
    return shown


def _without_emoji(word: re.Match[str]) -> str:
    """Return a word with another colon where Slack would draw a picture; an IPv6 address is left as it is."""
    try:
        ipaddress.ip_address(word[0].strip(_AROUND))
    except ValueError:
        return _EMOJI.sub("\ua789", word[0])
    return word[0]


def user_mention(user: str, name: str = "") -> str:
    """Return a mention where `user` is a Slack id, otherwise the name as data."""
    return f"<@{user}>" if _USER.fullmatch(user) else escape_untrusted(name or user, 80)


def is_user_id(user: str) -> bool:
    """Say whether an id is a Slack person's."""
    return _USER.fullmatch(user) is not None


def channel_link(ident: str) -> str:
    """Return a link to a channel, or "your messages with me" for a direct conversation."""
    if _CHANNEL.fullmatch(ident) and not ident.startswith("D"):
        return f"<#{ident}>"
    return "your messages with me"


def moment(at: datetime) -> str:
    """Return a time of day that every reader sees in their own zone, with UTC as the fallback."""
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time}}|{utc(at)}>"
