"""Notifications of subscriptions: a single item, a group, and the summary after quiet hours."""

from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Post, context, header, lines, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.protocol.command_catalog import SLASH

SHOWN: Final = 20
LINE: Final = 140


def item_post(item: NotificationItem) -> Post:
    """Render a single item."""
    small = [*([mrkdwn(item.foot)] if item.foot else []), *([plain(item.change, 80)] if item.change else [])]
    blocks = (section(plain(item.text)), *([context(*small)] if small else []))
    return Post(" ".join(part for part in (escape_untrusted(item.text, 1500), item.foot) if part), blocks)


def group_post(items: Sequence[NotificationItem]) -> Post:
    """Render items that occurred together as one bounded list."""
    servers = len({item.key for item in items})
    return _list(f"{len(items)} notices about {servers} servers", items)


def summary_post(items: Sequence[NotificationItem]) -> Post:
    """Render the items that quiet hours held back."""
    return _list(f"During quiet hours: {len(items)} notices", items)


def _list(title: str, items: Sequence[NotificationItem]) -> Post:
    visible = items[:SHOWN]
    left = len(items) - len(visible)
    rows = lines(*(item.text for item in visible), limit=SHOWN * LINE)
    more = f"And {left} more. " if left else ""
    foot = context(plain(f"{more}{SLASH} list shows the servers, {SLASH} changes the changes."))
    summary = ", ".join(escape_untrusted(item.text, LINE) for item in visible[:5])
    return Post(f"{escape_untrusted(title, 150)}: {summary}", (header(title), section(rows), foot))
