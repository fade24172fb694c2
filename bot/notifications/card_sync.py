"""Keeps the posted cards of changes at their present state: posts what is missing, edits what is there."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final

import anyio
import structlog

from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import IN_PROGRESS, Audience, change_card, typical_duration_text
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import Place, audience_of, card_places
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, MESSAGE_GONE_CODES, NO_OPEN_CHANNEL, SlackError
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.supervision import error_id_of
from vpsops.core.execution.card_refresh import next_ones
from vpsops.core.messaging.outbox import PostedMessage
from vpsops.core.outcomes.typical_durations import TypicalDurations

CARDS: Final = "cards"
REFRESH_SECONDS: Final = 15.0
REFRESHED: Final = 10
"""Cards redrawn in one round."""

logger = structlog.get_logger(__name__)
DrawnCards = MutableMapping[tuple[str, str], Post]
"""The last cards that were posted or edited, by channel and timestamp."""


class CardSync:
    """One workspace's; what was drawn last, and the usual times, are one process's."""

    def __init__(self, core: Core, sender: MessageSender, drawn: DrawnCards, usual: TypicalDurations) -> None:
        self._core = core
        self._sender = sender
        self._drawn = drawn
        self._usual = usual

    async def sync(self, topic: ChangeTopic, *, again: bool) -> None:
        """Edit the cards that are posted, and post those that are missing; `again` if an earlier try failed.

        Raises `SlackError`; if people are waited for who cannot see a card, with `NO_OPEN_CHANNEL`.
        """
        await self.redraw(topic)
        posted = {copy.purpose for copy in topic.cards}
        closed = False
        for place in card_places(topic.change, self._core.settings):
            if place.purpose not in posted:
                made = await self.post(topic, place)
                closed = closed or made is None
                if again and made is not None:  # it may be the one of an earlier try, drawn from an earlier state
                    self._drawn.pop((made.channel, made.ts), None)
                    await self._edit(topic, made)
        if closed and not topic.change.state.final:
            raise SlackError("chat.postMessage", NO_OPEN_CHANNEL)

    async def redraw(self, topic: ChangeTopic) -> None:
        """Edit the cards that are posted."""
        for copy in topic.cards:
            await self._edit(topic, copy)

    async def post(self, topic: ChangeTopic, place: Place, instead_of: str = "") -> PostedMessage | None:
        """Post a card, and remember it; return nothing if its place is closed."""
        card = await self._card(topic.change, place.audience)
        channel, ts = await self._sender.post(place, card, f"{topic.change.id}/{place.purpose}/{instead_of}")
        if not ts:
            return None
        self._drawn[channel, ts] = card
        audited = "escalated" if place.audience is Audience.ESCALATED else ""
        return await topic.remember(place.purpose, channel, ts, audited=audited)

    async def _card(self, change: Change, audience: Audience) -> Post:
        usual = await self._usual.of(change.operation) if change.state in IN_PROGRESS else None
        return change_card(change, self._core.clock.now(), audience, typical_duration_text(usual))

    async def _edit(self, topic: ChangeTopic, copy: PostedMessage) -> None:
        card = await self._card(topic.change, audience_of(copy.purpose))
        if self._drawn.get((copy.channel, copy.ts)) == card:
            return
        try:
            await self._sender.edit(copy.channel, copy.ts, card)
        except SlackError as error:
            if error.code not in MESSAGE_GONE_CODES | CHANNEL_CLOSED_CODES:
                raise
            await self._replace(topic, copy, error.code)
        else:
            self._drawn[copy.channel, copy.ts] = card

    async def _replace(self, topic: ChangeTopic, copy: PostedMessage, code: str) -> None:
        """Forget a card that cannot be edited any more, and post another one for those who still wait for it."""
        logger.info("copy_gone", topic=topic.name, code=code)
        await topic.forget(copy)
        if copy.purpose not in {card.purpose for card in topic.cards}:
            places = card_places(topic.change, self._core.settings)
            instead = next((place.instead for place in places), "")
            await self.post(topic, Place(copy.purpose, copy.channel, instead=instead), copy.ts)


class CardRefresher:
    """Keeps the elapsed time on the cards of running changes current: some at a time, in turn, by one process."""

    def __init__(self, core: Core, redraw: Callable[[Change], Awaitable[None]]) -> None:
        self._core = core
        self._redraw = redraw

    async def run(self) -> None:
        """Redraw until cancelled."""
        refreshed: dict[str, float] = {}
        while True:
            await self._core.clock.sleep(REFRESH_SECONDS)
            try:
                running = await self._core.changes.to_refresh(self._core.outbox.owner)
            except VpsopsError as error:
                logger.info("cards_not_refreshed", error=str(error))
                continue
            chosen, now = next_ones(running, refreshed, REFRESHED), self._core.clock.monotonic()
            kept = {change.id: refreshed[change.id] for change in running if change.id in refreshed}
            refreshed = kept | {change.id: now for change in chosen}
            async with anyio.create_task_group() as group:  # a channel that is slow keeps no other card old
                for change in chosen:
                    group.start_soon(self._refresh, change)
            self._core.supervisor.record_round(CARDS)

    async def _refresh(self, change: Change) -> None:
        try:
            await self._redraw(change)
        except (SlackError, VpsopsError) as error:
            logger.info("card_not_refreshed", change=change.id, error=str(error))
        except Exception as error:  # one card that breaks its drawing must not keep the others as they are
            logger.exception("card_not_refreshed", change=change.id, error_id=error_id_of(error))
