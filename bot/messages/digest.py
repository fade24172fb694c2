"""Notifications of subscriptions: a single item, a group, and the summary after quiet hours."""

import re
from collections.abc import Sequence
from typing import Final

from vpsops.bot.blocks.elements import Block, Post, context, header, lines, mrkdwn, plain, section
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.protocol.command_catalog import SLASH

SHOWN: Final = 20
LINE: Final = 140
MENTION: Final = re.compile(r"<@[UW][A-Z0-9]+>")
MENTIONED: Final = 100


def item_post(item: NotificationItem) -> Post:
    """Render a single item."""
    small = [*([mrkdwn(item.foot)] if item.foot else []), *([plain(item.change, 80)] if item.change else [])]
    blocks = (section(plain(item.text)), *([context(*small)] if small else []))
    return Post(blocks)


def group_post(items: Sequence[NotificationItem]) -> Post:
    """Render items that occurred together as one bounded list."""
    servers = len({notice.key for notice in items})
    return _list(f"{len(items)} notices about {servers} servers", items)


def summary_post(items: Sequence[NotificationItem]) -> Post:
    """Render the items that quiet hours held back."""
    return _list(f"During quiet hours: {len(items)} notices", items)


def _list(title: str, items: Sequence[NotificationItem]) -> Post:
    visible = items[:SHOWN]
    left = len(items) - len(visible)
    rows = lines(*(notice.text for notice in visible), limit=SHOWN * LINE)
    more = f"And {left} more. " if left else ""
    foot = context(plain(f"{more}{SLASH} list shows the servers, {SLASH} changes the changes."))
    return Post((header(title), section(rows), *_requesters(items), foot))


def _requesters(items: Sequence[NotificationItem]) -> list[Block]:
    """Mention the requesters that these items mention."""
    mentions = dict.fromkeys(mention for notice in items for mention in MENTION.findall(notice.foot))
    return [context(mrkdwn(f"Requested by {', '.join(list(mentions)[:MENTIONED])}"))] if mentions else []
