"""Notices about a change: in the threads of its cards, in its channel, to more people, and to people directly."""

from collections.abc import Sequence

from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.messages.notices import change_notice, reminder, service_notice
from vpsops.bot.notifications.card_sync import CardSync
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import Place, notice_places
from vpsops.bot.notifications.digests import loud_channels
from vpsops.bot.notifications.direct_messages import DirectMessenger
from vpsops.bot.notifications.events import of_change, spread
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.notifications.subscribers import Subscribers
from vpsops.core.app import Core
from vpsops.core.changes.approvals import waits_for_votes
from vpsops.core.messaging.outbox import ChannelNews, OutboxMessage


class NoticeSender:
    """Sends the notices of one workspace."""

    def __init__(
        self,
        core: Core,
        sender: MessageSender,
        cards: CardSync,
        subscribers: Subscribers,
        direct: DirectMessenger,
    ) -> None:
        self._core = core
        self._sender = sender
        self._cards = cards
        self._subscribers = subscribers
        self._direct = direct

    async def notify(self, topic: ChangeTopic, event: str) -> Sequence[ChannelNews]:
        """Send the notices of one event of a change, and return what subscribed channels are to be sent of it."""
        if event == "unanswered":
            await self._escalate(topic)
            return ()
        if event == "reminder":
            if waits_for_votes(topic.change):
                await self._reply(topic, event, reminder(topic.change), ())
                await self._direct.remind(topic)
            return ()
        now = self._core.clock.now()
        occasion, subscriptions = of_change(topic.change, event, now), await self._subscribers.all()
        news = spread([occasion] if occasion else [], subscriptions, now)
        await self._reply(
            topic, event, change_notice(topic.change, event, now), loud_channels(news, subscriptions, now)
        )
        await self._direct.deliver(topic, event)
        return news

    async def announce(self, message: OutboxMessage) -> None:
        """Post what concerns everyone in the workspace's channel."""
        named = str(message.payload.get("channel") or "")
        channel = named or self._core.settings.channel or self._core.settings.approval_channel
        if channel and message.payload.get("text"):
            notice = service_notice(str(message.payload["text"]))
            await self._sender.post(Place("", channel), notice, f"event/{message.id}/{message.created_at.timestamp()}")

    async def _reply(self, topic: ChangeTopic, event: str, notice: Post, subscribed: Sequence[str]) -> None:
        """Post a notice where the change's cards are, except in channels that are sent it as subscribers."""
        purpose = f"told:{event}"
        done = {copy.channel for copy in topic.copies if copy.purpose == purpose}
        for place in notice_places(topic.change, topic.cards, subscribed):
            if place.channel not in done:
                channel, ts = await self._sender.reply(place, notice, f"{topic.change.id}/{purpose}")
                done |= {place.channel, channel}
                if ts:
                    topic.note(purpose, channel, ts)

    async def _escalate(self, topic: ChangeTopic) -> None:
        """Post the card for more people, if a channel for it is set and no one has voted yet."""
        channel = self._core.settings.escalation_channel
        has_card = channel in {card.channel for card in topic.cards}
        if channel and not has_card and not topic.change.votes and waits_for_votes(topic.change):
            await self._cards.post(topic, Place(Audience.ESCALATED.value, channel))
