"""What a channel subscribed to, as messages: one thing, many at once, or a quiet night's; pure."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Post, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.protocol.command_catalog import SLASH

SHOWN: Final = 20
LINE: Final = 140


def item_post(item: NotificationItem) -> Post:
    """Draw one thing."""
    small = [*([mrkdwn(item.foot)] if item.foot else []), *([plain(item.change, 80)] if item.change else [])]
    blocks = (section(plain(item.text)), *([context(*small)] if small else []))
    return Post(" ".join(part for part in (escape_untrusted(item.text, 1500), item.foot) if part), blocks)


def group_post(items: Sequence[NotificationItem]) -> Post:
    """Draw many things that happened at once as one bounded list."""
    servers = len({item.key for item in items})
    return _list(f"{len(items)} notices about {servers} servers", items)


def summary_post(items: Sequence[NotificationItem]) -> Post:
    """Draw what was held back in quiet hours."""
    return _list(f"While it was quiet: {len(items)} notices", items)


def _list(title: str, items: Sequence[NotificationItem]) -> Post:
    shown = items[:SHOWN]
    left = len(items) - len(shown)
    rows = lines(*(item.text for item in shown), limit=SHOWN * LINE)
    more = f"And {left} more. " if left else ""
    foot = context(plain(f"{more}{SLASH} list shows how the servers are, {SLASH} changes what was asked for."))
    said = ", ".join(escape_untrusted(item.text, LINE) for item in shown[:5])
    return Post(f"{escape_untrusted(title, 150)}: {said}", (header(title), section(rows), foot))
