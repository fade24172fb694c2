"""Notices about a change: in the threads of its cards, in its channel, to more people, and to people directly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vpsops.bot.blocks.approver_text import CHANNEL_MENTION
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import Audience, requester_text
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.notices import change_notice, override_notice, reminder, service_notice
from vpsops.bot.notifications.card_sync import CardSync
from vpsops.bot.notifications.change_topic import NOTICE, ChangeTopic
from vpsops.bot.notifications.destinations import (
    ApprovalMentions,
    Place,
    asker_of,
    is_direct,
    named_approvers,
    notice_places,
    notifying_channel,
    replies_with,
    reviewer_places,
    voters_channels,
)
from vpsops.bot.notifications.digests import loud_channels
from vpsops.bot.notifications.direct_messages import DirectMessenger
from vpsops.bot.notifications.events import of_change, spread
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.notifications.subscribers import Subscribers
from vpsops.bot.views.end_blocks import end_notice
from vpsops.core.app import Core
from vpsops.core.break_glass.overrides import REVIEW_REMINDER
from vpsops.core.changes.approvals import waits_for_votes
from vpsops.core.changes.model import OVERRIDDEN, Change, State
from vpsops.core.common.text import one_line
from vpsops.core.ends.lifecycle import MISSING as MISSING_END
from vpsops.core.ends.lifecycle import NOTICES as END_NOTICES
from vpsops.core.ends.lifecycle import no_end_note
from vpsops.core.messaging.outbox import ChannelNews, OutboxMessage
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.messaging.subscriptions import Subscription


@dataclass(frozen=True, slots=True)
class NoticeDraft:
    """The notice of one event: the channel in which it mentions the requester, and their name for the others."""

    event: str
    channel: str
    named: str

    def at(self, channel: str, change: Change, now: datetime) -> Post:
        """Return the notice as a channel gets it."""
        mentions = channel == self.channel or is_direct(channel)
        return change_notice(change, self.event, now, "" if mentions else self.named)


class NoticeSender:
    """Sends the notices of one workspace."""

    def __init__(
        self,
        core: Core,
        sender: MessageSender,
        cards: CardSync,
        mentions: ApprovalMentions,
        direct: DirectMessenger,
    ) -> None:
        self._core = core
        self._sender = sender
        self._cards = cards
        self._mentions = mentions
        self._subscribers = Subscribers(core)
        self._direct = direct

    async def notify(self, topic: ChangeTopic, event: str) -> Sequence[ChannelNews]:
        """Send the notices of one event of a change, and return what subscribed channels are to be sent of it."""
        if event in {"unanswered", "reminder"}:
            if waits_for_votes(topic.change):
                await (self._escalate(topic) if event == "unanswered" else self._remind(topic))
            return ()
        if event == OVERRIDDEN or event.startswith(REVIEW_REMINDER):
            await self._call_reviewers(topic, event)
            return ()
        if event.startswith(END_NOTICES):
            await self._tell_of_end(topic, event)
            return ()
        if topic.change.plan and event != State.NEEDS_PERSON.value:  # its plan's card and notice have it
            return ()
        change, now = topic.change, self._core.clock.now()
        named = requester_text(change, await self._mentions.directory.requester_name(change))
        subscriptions = await self._subscribers.all()
        occasions = [occasion for occasion in (of_change(change, event, now, named),) if occasion is not None]
        loud = loud_channels(spread(occasions, subscriptions, now), subscriptions, now)
        channel = await self._notifying_channel(topic, [entry for entry in subscriptions if entry.channel in loud])
        await self._reply(topic, NoticeDraft(event, channel, named), loud)
        await self._direct.deliver(topic, event, channel, loud)
        return spread(occasions, subscriptions, now, channel)

    async def _notifying_channel(self, topic: ChangeTopic, at_once: Sequence[Subscription]) -> str:
        """Return the channel in which this news mentions the requester; empty for none.

        Where Slack does not return the members of a channel, an agent's human is messaged directly.
        """
        change = topic.change
        if not await self._direct.is_wanted(change):
            return ""
        for channel in [] if notifying_channel(change, at_once) else voters_channels(change, topic.cards):
            if asker_of(change) in await self._mentions.directory.members([channel]):
                return channel
        return notifying_channel(change, at_once)

    async def announce(self, message: OutboxMessage) -> None:
        """Post what concerns everyone in the workspace's channel."""
        named = str(message.payload.get("channel") or "")
        channel = named or self._core.settings.channel or self._core.settings.approval_channel
        if channel and message.payload.get("text"):
            notice = service_notice(str(message.payload["text"]))
            await self._sender.post(Place("", channel), notice, f"event/{message.id}/{message.created_at.timestamp()}")

    async def _reply(self, topic: ChangeTopic, draft: NoticeDraft, subscribed: Sequence[str]) -> None:
        """Post a notice where the change's cards are, except in channels that are sent it as subscribers."""
        purpose, now = f"{NOTICE}{draft.event}", self._core.clock.now()
        done = {copy.channel for copy in topic.copies if copy.purpose == purpose}
        for place in notice_places(topic.change, topic.cards, subscribed):
            if place.channel not in done and replies_with(draft.event, place.channel):
                notice = draft.at(place.channel, topic.change, now)
                channel, ts = await self._sender.reply(place, notice, f"{topic.change.id}/{purpose}")
                done |= {place.channel, channel}
                if ts:
                    topic.note(purpose, channel, ts)

    async def _remind(self, topic: ChangeTopic) -> None:
        """Remind those who may vote in the threads of the cards, and directly where no mention there reaches them."""
        change = topic.change
        for card in topic.cards:
            await self._remind_at(topic, card, "reminder")
        channels = [card.channel for card in topic.cards if card.purpose == Audience.VOTERS.value]
        labels = await self._mentions.directory.labels(change.ruling.approvers)
        unreached = await self._mentions.unreached(change, channels)
        reached = {who for channel in channels for who in await self._mentions.reached(change, channel, labels)}
        named = [who for who in named_approvers(change, labels) if who not in reached]
        await self._direct.remind(topic, named, unreached)

    async def _remind_at(self, topic: ChangeTopic, card: PostedMessage, event: str) -> None:
        """Remind once for each channel and event: with mentions, and shown in the channel, where people vote."""
        change, purpose = topic.change, f"told:{event}"
        if any(copy.purpose == purpose and copy.channel == card.channel for copy in topic.copies):
            return
        voters = card.purpose == Audience.VOTERS.value
        labels = await self._mentions.directory.labels(change.ruling.approvers)
        tokens = await self._mentions.in_thread(change, card.channel, labels) if voters else ()
        thread = "" if CHANNEL_MENTION in tokens else card.ts
        link = "" if thread else await self._sender.permalink(card.channel, card.ts)
        place = Place("", card.channel, thread, broadcast=voters)
        channel, ts = await self._sender.reply(place, reminder(change, tokens, link), f"{change.id}/{purpose}")
        if ts:
            topic.note(purpose, channel, ts)

    async def _call_reviewers(self, topic: ChangeTopic, event: str) -> None:
        """Notify all who were skipped, as far as they can be found: where they vote, and directly where they are not.

        A reminder comes only while the review is open; each has a purpose of its own, so that none is posted twice.
        """
        if (override := topic.change.override) is None or (event != OVERRIDDEN and override.reviewed_at is not None):
            return
        (change,) = await self._core.changes.for_review([topic.change])
        labels = await self._mentions.directory.labels(change.ruling.approvers)
        named = requester_text(change, await self._mentions.directory.requester_name(change))
        places = reviewer_places(change, topic.cards, self._core.settings)
        for place in places:
            await self._call_at(topic, change, place, named, event)
        channels = [place.channel for place in places]
        present = await self._mentions.directory.members(channels) if places else frozenset[str]()
        people = [who for who in named_approvers(change, labels) if who not in present]
        others = await self._mentions.unreached(change, channels)
        await self._direct.call_reviewers(topic, event, [*people, *others], override_notice(change, event, (), named))

    async def _tell_of_end(self, topic: ChangeTopic, event: str) -> None:
        """Post what becomes of a server's end, or that it has none where it was to have one.

        A notice of an end that the server has no more is not sent.
        """
        core, change = self._core, topic.change
        if event == MISSING_END:
            asked_by = f"{change.target.hostname}, asked for by {change.actor.cited}"
            await self._ask_owner(topic, event, note(one_line(asked_by, 300), no_end_note(change)))
            return
        end = await core.ends.of_change(change.id, scope=core.scope)
        if end is not None and event.split(":")[1:2] == [str(end.turn)]:
            named = requester_text(change, await self._mentions.directory.requester_name(change))
            await self._ask_owner(topic, event, end_notice(end, event, named))

    async def _ask_owner(self, topic: ChangeTopic, event: str, notice: Post) -> None:
        """Ask the owner of a server about its end, directly and where its card is; one who left: the channel."""
        core, change, purpose = self._core, topic.change, f"{NOTICE}{event}"
        reached = await self._direct.ask_owner(topic, event, notice)
        places = [Place("", card.channel, card.ts) for card in topic.cards]
        if not reached or not places:
            places = reviewer_places(change, [], core.settings) if not reached else []
        for place in places:
            if not any(copy.purpose == purpose and copy.channel == place.channel for copy in topic.copies):
                channel, ts = await self._sender.reply(place, notice, f"{change.id}/{purpose}")
                if ts:
                    topic.note(purpose, channel, ts)

    async def _call_at(self, topic: ChangeTopic, change: Change, place: Place, named: str, event: str) -> None:
        purpose = f"{NOTICE}{event}"
        if any(copy.purpose == purpose and copy.channel == place.channel for copy in topic.copies):
            return
        labels = await self._mentions.directory.labels(change.ruling.approvers)
        tokens = await self._mentions.in_thread(change, place.channel, labels)
        whole = CHANNEL_MENTION in tokens
        there = Place("", place.channel, "" if whole else place.thread, broadcast=not whole and bool(place.thread))
        post = override_notice(change, event, tokens, named)
        channel, ts = await self._sender.reply(there, post, f"{change.id}/{purpose}")
        if ts:
            topic.note(purpose, channel, ts)

    async def _escalate(self, topic: ChangeTopic) -> None:
        """Post the card for more people, if a channel for it is set and no one has voted yet.

        A card that was posted in quiet hours without a mention is recalled in its channel once these are over.
        """
        channel, now = self._core.settings.escalation_channel, self._core.clock.now()
        if topic.change.votes:
            return
        if channel and channel not in {card.channel for card in topic.cards}:
            await self._cards.post(topic, Place(Audience.ESCALATED.value, channel))
        for card in topic.cards:
            silent = card.purpose == Audience.VOTERS.value and await self._mentions.is_deferred(
                topic.change, Audience.VOTERS, card.channel
            )
            if silent and not await self._mentions.is_quiet(card.channel, now):
                await self._remind_at(topic, card, "unanswered")
