"""Where the cards of changes are, as addresses that a click opens."""

from collections.abc import Mapping, Sequence
from typing import Final

import anyio

from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.ingress.interaction import Requester
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.notifications.destinations import asker_of
from vpsops.core.changes.model import Change
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.messaging.posted_messages import PostedMessage

LINK_SECONDS: Final = 2.0
"""A list without links is better than no list."""


async def links_to(ctx: BotContext, requester: Requester, changes: Sequence[Change]) -> Mapping[str, str]:
    """Return the addresses of these changes' cards, by change; one that is not known in time is left out."""
    copies = await ctx.core.outbox.copies_of([topic_of(change.id) for change in changes])
    results: dict[str, str] = {}

    async def load(change: Change) -> None:
        best = best_copy(copies[topic_of(change.id)], requester.where.channel, own=asker_of(change) == requester.user)
        address = await ctx.slack.permalink(best.channel, best.ts) if best else ""
        if address:
            results[change.id] = address

    with anyio.move_on_after(LINK_SECONDS):
        async with anyio.create_task_group() as group:
            for change in changes:
                group.start_soon(load, change)
    return results


def best_copy(copies: Sequence[PostedMessage], channel: str, *, own: bool) -> PostedMessage | None:
    """Choose the copy to link to: in the reader's channel, else with the voters, else any that the reader can open."""
    cards = [copy for copy in copies if copy.purpose in {audience.value for audience in Audience}]
    open_to = [card for card in cards if own or not card.channel.startswith("D")]
    ranked = sorted(open_to, key=lambda entry: (entry.channel != channel, entry.purpose != Audience.VOTERS.value))
    return ranked[0] if ranked else None
