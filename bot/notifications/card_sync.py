"""Keeps the posted cards of changes at their present state: posts what is missing, edits what is there."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Final

import anyio
import structlog

from vpsops.bot.blocks.elements import Post
from vpsops.bot.blocks.plan_names import name_posts, names_text
from vpsops.bot.messages.change_card import (
    IN_PROGRESS,
    Audience,
    CardOptions,
    change_card,
    requester_text,
    typical_duration_text,
)
from vpsops.bot.notifications.change_topic import ENDED, FIXED, ChangeTopic, names_purpose
from vpsops.bot.notifications.destinations import (
    ApprovalMentions,
    Place,
    audience_of,
    card_places,
    mentions_requester,
)
from vpsops.bot.notifications.digests import NO_THREAD
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.slack_api.client import CHANNEL_CLOSED_CODES, MESSAGE_GONE_CODES, NO_OPEN_CHANNEL, SlackError
from vpsops.core.app import Core
from vpsops.core.changes.approvals import awaits_slack, waits_for_votes
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.supervision import error_id_of
from vpsops.core.execution.card_refresh import RefreshTurns
from vpsops.core.identity.actors import union_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.outcomes.typical_durations import TypicalDurations
from vpsops.core.wayscloud.answers.labels import value_in

CARDS: Final = "cards"
REFRESH_SECONDS: Final = 15.0
DELETED: Final = "message_not_found"
REFRESHED: Final = 10
"""Cards redrawn in one round."""

logger = structlog.get_logger(__name__)
DrawnCards = MutableMapping[tuple[str, str], Post]
"""The last cards that were posted or edited, by channel and timestamp."""


class CardSync:
    """One workspace's; what was drawn last, and the usual times, are one process's."""

    def __init__(
        self,
        core: Core,
        sender: MessageSender,
        mentions: ApprovalMentions,
        drawn: DrawnCards,
        usual: TypicalDurations,
    ) -> None:
        self._core = core
        self._sender = sender
        self._mentions = mentions
        self._drawn = drawn
        self._usual = usual

    async def sync(self, topic: ChangeTopic, *, again: bool) -> None:
        """Edit the cards that are posted, and post those that are missing; `again` if an earlier try failed.

        Raises `SlackError`; if people are waited for who cannot see a card, with `NO_OPEN_CHANNEL`.
        """
        await self.redraw(topic)
        for copy in topic.fixed:
            await self._post_instead(topic, copy.purpose.removeprefix(FIXED), copy.channel)
        posted = {copy.purpose for copy in topic.cards}
        closed = False
        for place in card_places(topic.change, self._core.settings):
            if place.purpose not in posted and not topic.has(FIXED, place.purpose):
                made = await self.post(topic, place)
                closed = closed or made is None
                if again and made is not None:  # it may be the one of an earlier try, drawn from an earlier state
                    self._drawn.pop((made.channel, made.ts), None)
                    await self._edit(topic, made)
        await self._post_names(topic)
        if closed and awaits_slack(topic.change):
            await self._core.gate.unreachable(topic.change.id, scope=self._core.scope)
        elif closed and not topic.change.state.final:
            raise SlackError("chat.postMessage", NO_OPEN_CHANNEL)

    async def redraw(self, topic: ChangeTopic) -> None:
        """Edit the cards that are posted."""
        for copy in topic.cards:
            await self._edit(topic, copy)

    async def post(self, topic: ChangeTopic, place: Place, instead_of: str = "") -> PostedMessage | None:
        """Post a card, and remember it; return nothing if its place is closed."""
        card = await self._card(topic, place.audience, place.channel)
        channel, ts = await self._sender.post(place, card, f"{topic.change.id}/{place.purpose}/{instead_of}")
        if not ts:
            return None
        self._drawn[channel, ts] = card
        audited = "escalated" if place.audience is Audience.ESCALATED else ""
        return await topic.remember(place.purpose, channel, ts, audited=audited)

    async def _post_names(self, topic: ChangeTopic) -> None:
        """Post the names that a plan's card only counts in the thread of each copy, once; the copy says where they are.

        Raises `SlackError`, but not where there is no such thread: then the copy says that they are not in it.
        """
        posts = [] if topic.change.state.final else name_posts(topic.change)
        for card in topic.cards if posts else ():
            for part, post in enumerate(posts):
                if not await self._is_posted(topic, card, part, post):
                    logger.warning("plan_names_not_posted", change=topic.change.id, channel=card.channel)
                    break
            await self._edit(topic, card)

    async def _is_posted(self, topic: ChangeTopic, card: PostedMessage, part: int, post: Post) -> bool:
        """Post a part of the names unless it is there; return whether it is."""
        purpose = names_purpose(card.ts, part)
        if topic.has(purpose, ""):
            return True
        try:
            place = Place(purpose, card.channel, card.ts)
            channel, ts = await self._sender.post(place, post, f"{topic.change.id}/{card.channel}/{purpose}")
        except SlackError as error:
            if error.code not in NO_THREAD:
                raise
            return False
        if ts:
            await topic.remember(purpose, channel, ts)
        return bool(ts)

    def _names(self, topic: ChangeTopic, ts: str) -> str:
        """Return what a copy of a plan's card says about the names that it only counts; a new one has no `ts`."""
        parts = range(len(name_posts(topic.change)))
        return names_text(
            topic.change, posted=bool(ts) and all(topic.has(names_purpose(ts, part), "") for part in parts)
        )

    async def _card(
        self, topic: ChangeTopic, audience: Audience, channel: str, *, instead: bool = False, ts: str = ""
    ) -> Post:
        change, names = topic.change, self._names(topic, ts)
        usual = await self._usual.of(change.operation) if change.state in IN_PROGRESS else None
        owner = value_in(change.target.labels, self._core.settings.owner_label)
        is_mentioned = mentions_requester(change, audience, channel, instead=instead)
        requester = "" if is_mentioned else await self._named(change)
        options = CardOptions(typical_duration_text(usual), owner=owner, requester=requester, names=names)
        if waits_for_votes(change):
            named = union_of((change.ruling.approvers, *change.ruling.overrides))
            labels = await self._mentions.directory.labels(named)
            await self._core.group_names.learn(labels.groups_of(named))
            mentions = await self._mentions.on_card(change, audience, channel, labels)
            options = replace(options, usual="", labels=labels, mentions=mentions)
        return change_card(change, self._core.clock.now(), audience, options)

    async def _named(self, change: Change) -> str:
        return requester_text(change, await self._mentions.directory.requester_name(change))

    async def _edit(self, topic: ChangeTopic, copy: PostedMessage) -> None:
        card = await self._card(topic, audience_of(copy.purpose), copy.channel, ts=copy.ts)
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
        """Leave a card as it is that cannot be edited, and post another one where it is needed.

        Its buttons stay, and answer by what has become of the change. While people decide they still serve, and only
        a deleted card is missed.
        """
        logger.info("copy_gone", topic=topic.name, code=code)
        if code in MESSAGE_GONE_CODES - {DELETED} and topic.change.state is State.HELD:
            return
        if code in MESSAGE_GONE_CODES and topic.change.state is not State.HELD:
            await topic.fix(copy)
            await self._post_instead(topic, copy.purpose, copy.channel)
            return
        await topic.forget(copy)
        if copy.purpose not in {card.purpose for card in topic.cards}:
            await self.post(topic, self._place_of(topic, copy.purpose, copy.channel), copy.ts)

    async def _post_instead(self, topic: ChangeTopic, purpose: str, channel: str) -> None:
        """Post in place of a card that cannot be edited: where a person has to act, and once at the end.

        What is in between is not posted: each step would be a message of its own.
        """
        state, place = topic.change.state, self._place_of(topic, purpose, channel)
        if purpose in {card.purpose for card in topic.cards}:
            return
        if state is State.NEEDS_PERSON:
            await self.post(topic, place, state.value)
        elif state.final and not topic.has(ENDED, purpose):
            card = await self._card(topic, place.audience, channel, instead=True)
            posted, ts = await self._sender.post(place, card, f"{topic.change.id}/{ENDED}{purpose}")
            if ts:
                await topic.remember(ENDED + purpose, posted, ts)

    def _place_of(self, topic: ChangeTopic, purpose: str, channel: str) -> Place:
        """Return the place of a card that is posted again."""
        places = card_places(topic.change, self._core.settings)
        return Place(purpose, channel, instead=next((place.instead for place in places), ""))


class CardRefresher:
    """Keeps the elapsed time on the cards of running changes current: some at a time, in turn, by one process."""

    def __init__(self, core: Core, redraw: Callable[[Change], Awaitable[None]]) -> None:
        self._core = core
        self._redraw = redraw

    async def run(self) -> None:
        """Redraw until cancelled."""
        turns = RefreshTurns()
        while True:
            await self._core.clock.sleep(REFRESH_SECONDS)
            try:
                under_way = await self._core.changes.to_refresh(self._core.outbox.owner)
                due = turns.next(under_way, self._core.clock.monotonic(), REFRESHED)
                chosen = await self._core.changes.by_ids(due, scope=OPERATOR) if due else ()
            except VpsopsError as error:
                logger.info("cards_not_refreshed", error=str(error))
                continue
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
