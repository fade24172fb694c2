"""Delivers the outbox: every message is drawn from the present state when its turn comes, so updates merge."""

from collections.abc import Sequence
from copy import copy as copy_of
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from cachetools import LRUCache

from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import IN_PROGRESS, Audience, change_card, typical_duration_text
from vpsops.bot.messages.notices import change_notice, reminder, service_notice
from vpsops.bot.notifications.destinations import Place, audience_of, card_places, notice_places
from vpsops.bot.notifications.digests import NO_THREAD, DigestSender, told_now
from vpsops.bot.notifications.direct_messages import DirectMessenger
from vpsops.bot.notifications.events import of_change, of_event, spread
from vpsops.bot.slack_api.client import (
    APP_REMOVED_CODES,
    CHANNEL_CLOSED_CODES,
    LAYOUT_CODES,
    MESSAGE_GONE_CODES,
    NO_OPEN_CHANNEL,
    RATE_LIMIT_CODES,
    TOKEN_CODES,
    SlackClient,
    SlackError,
)
from vpsops.bot.slack_api.rate_limiter import MessageRateLimiter
from vpsops.bot.workspaces.registry import NotInstalledError, WorkspaceSession, WorkspaceSessions
from vpsops.core.app import Core
from vpsops.core.changes.approvals import waits_for_votes
from vpsops.core.changes.model import Change
from vpsops.core.common import timings
from vpsops.core.common.errors import StorageError, UnknownChangeError, UnreadableRowError, VpsopsError
from vpsops.core.common.supervision import error_id_of
from vpsops.core.execution.card_refresh import in_hand, mine_to_refresh, next_ones
from vpsops.core.messaging.outbox import NEWS, ChannelNews, OutboxMessage, PostedMessage, topic_of
from vpsops.core.outcomes.typical_durations import TypicalDurations

AT_ONCE: Final = 10
"""Topics in hand at once."""
IDLE_SECONDS: Final = timings.IDLE_SECONDS
TOGETHER_SECONDS: Final = timings.TOGETHER_SECONDS
"""A change takes its steps within a few milliseconds: one card tells of all of them."""
RETRY_SECONDS: Final = timings.MESSAGE_RETRY_SECONDS
STOPPED_SECONDS: Final = timings.STOPPED_SECONDS
"""A message that the one token could not send: the check of the token lets it go as soon as that is right again."""
SEVERAL_STOPPED_SECONDS: Final = timings.SEVERAL_STOPPED_SECONDS
"""The same for one of several workspaces, whose tokens nobody checks."""
CLOSED_SECONDS: Final = timings.CLOSED_SECONDS
"""How often it is looked whether somebody has invited the app to where a card belongs."""
OUTBOX: Final = "outbox"
CARDS: Final = "cards"
REFRESH_SECONDS: Final = 15.0
REFRESHED: Final = 10
DRAWN_KEPT: Final = 2000

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class DeliveryHealth:
    """Whether messages get out; `why` is Slack's word when they do not."""

    why: str = ""


class OutboxWorker:
    """Turns outbox rows into messages. One process's; several may run beside each other."""

    def __init__(self, core: Core, slack: SlackClient, offices: WorkspaceSessions | None = None) -> None:
        self._core = core
        self._offices = offices
        self._twins: dict[str, tuple[SlackClient, OutboxWorker]] = {}
        self._slack = slack
        self._pace = MessageRateLimiter(core.clock)
        self._drawn: LRUCache[tuple[str, str], Post] = LRUCache(DRAWN_KEPT)
        self._locks: dict[str, anyio.Lock] = {}
        self._told: set[str] = set()
        self._room = anyio.Semaphore(AT_ONCE)
        self._supervisor = core.supervisor
        self._finishing = False
        self._usual = TypicalDurations(core.database, core.clock)
        self._group: TaskGroup | None = None
        self.newsroom = DigestSender(core, self._post, self._failed)
        self._personal = DirectMessenger(core, slack, self._post)
        self.health = DeliveryHealth()

    async def run(self) -> None:
        """Deliver until told to finish; nothing that goes wrong ends it, and no slow channel holds up another."""
        self._room = anyio.Semaphore(AT_ONCE)  # where this is started again, nothing is in hand any more
        async with anyio.create_task_group() as group:
            self._group = group
            while not self._finishing:
                room = self._room.value
                messages = await self._claim()
                topics = len({one.topic for one in messages})
                for topic, its in groupby(messages, key=lambda one: one.topic):
                    await self._room.acquire()
                    self._supervisor.start_once("message", partial(self._in_hand, topic, list(its)), group=group)
                if topics < max(room, 1):  # that was all
                    await self._wait()

    async def _wait(self) -> None:
        """Wait until there may be something to claim; what follows at once is taken with it."""
        try:
            while not await self._core.outbox.wait(IDLE_SECONDS):
                self._supervisor.record_round(OUTBOX)
            with anyio.move_on_after(TOGETHER_SECONDS):
                await anyio.sleep_forever()
        except StorageError as error:
            log.error("outbox cannot be read", error=error.message, error_id=error.error_id)

    async def finish(self, seconds: float) -> None:
        """Take no more and let what is being posted be posted and remembered, at most for `seconds`."""
        self._finishing = True
        with anyio.move_on_after(seconds):
            for _ in range(AT_ONCE):
                await self._room.acquire()

    async def _claim(self) -> list[OutboxMessage]:
        """Take no more topics than there is room for; a full hand waits until one is done."""
        if self._room.value == 0:
            async with self._room:
                pass
        try:
            messages = await self._core.outbox.claim(self._room.value or 1)
        except StorageError as error:
            log.error("outbox cannot be read", error=error.message, error_id=error.error_id)
            return []
        self._supervisor.record_round(OUTBOX)
        return sorted(messages, key=lambda one: (one.topic, one.id))

    async def _in_hand(self, topic: str, messages: list[OutboxMessage]) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._renew, topic)
                await self._deliver_topic(topic, messages)
                group.cancel_scope.cancel()
        finally:
            self._room.release()

    async def _renew(self, topic: str) -> None:
        """Keep others from posting the same while Slack is slow."""
        while True:
            await self._core.clock.sleep(timings.RENEW_SECONDS)
            try:
                await self._core.outbox.renew(topic)
            except StorageError as error:  # the claim holds for a while yet
                log.error("claim not renewed", topic=topic, error=error.message, error_id=error.error_id)

    async def refresh(self) -> None:
        """Keep the elapsed time on the cards of what is under way fresh: ten at a time, in turn, by one process."""
        refreshed: dict[str, float] = {}
        while True:
            await self._core.clock.sleep(REFRESH_SECONDS)
            try:
                under_way = await mine_to_refresh(self._core.database, self._core.outbox.owner)
            except VpsopsError as error:
                log.info("cards not refreshed", error=str(error))
                continue
            chosen, now = next_ones(under_way, refreshed, REFRESHED), self._core.clock.monotonic()
            kept = {one.id: refreshed[one.id] for one in under_way if one.id in refreshed}
            refreshed = kept | {one.id: now for one in chosen}
            async with anyio.create_task_group() as group:  # a channel that is slow keeps no other card old
                for change in chosen:
                    group.start_soon(self._refresh, change)
            self._supervisor.record_round(CARDS)

    async def _refresh(self, change: Change) -> None:
        try:
            await self.redraw(change)
        except (SlackError, VpsopsError) as error:
            log.info("card not refreshed", change=change.id, error=str(error))
        except Exception as error:  # one card that breaks its drawing must not keep the others as they are
            log.exception("card not refreshed", change=change.id, error_id=error_id_of(error))

    async def redraw(self, change: Change) -> None:
        """Edit the posted copies to the change's present state; posts nothing new."""
        there = await self._at(self._core.workspaces.owner(change.origin))
        async with self._lock(topic_of(change.id)):
            await there.draw_again(change)

    async def draw_again(self, change: Change) -> None:
        """Edit the posted copies, in the workspace that this one is for."""
        for copy in await self._card_copies(topic_of(change.id)):
            await self._edit(change, copy)

    @property
    def token(self) -> str:
        """The token that it speaks with."""
        return self._slack.client.token or ""

    async def _at(self, team: str) -> "OutboxWorker":
        """Return this deliverer as it is for one workspace; raises `NotInstalledError`, `StorageError`."""
        if self._offices is None or not self._core.workspaces.several:
            return self
        office = await self._offices.of(team)
        slack, twin = self._twins.get(team, (None, self))
        if slack is not office.slack:
            twin = copy_of(self)
            twin.move_to(office)
            self._twins[team] = office.slack, twin
        return twin

    def move_to(self, office: WorkspaceSession) -> None:
        """Speak in a workspace from now on; locks, pace and what was drawn stay shared."""
        self._core, self._slack = office.core, office.slack
        self.newsroom = DigestSender(office.core, self._post, self._failed)
        self._personal = DirectMessenger(office.core, office.slack, self._post)

    async def _deliver_topic(self, topic: str, messages: list[OutboxMessage]) -> None:
        """Deliver one topic's messages: the card once, then what is to be told, each settled for itself."""
        if topic.startswith(NEWS):
            await self._deliver_news(topic, messages)
            return
        cards = [one for one in messages if one.kind == "card"]
        steps = [cards] if cards else []
        steps += [[one] for one in messages if one.kind != "card"]
        for number, step in enumerate(steps):
            if not await self._settle(topic, step):
                await self._put_back([one for later in steps[number + 1 :] for one in later])
                return

    async def _deliver_news(self, topic: str, messages: list[OutboxMessage]) -> None:
        try:
            there = await self._at(await self.newsroom.team_of(messages))
            await there.newsroom.deliver(topic, messages)
        except NotInstalledError as error:
            await self._core.outbox.dead([one.id for one in messages], error=error.message)
        except StorageError as error:  # the lease runs out by itself
            log.error("news not settled", topic=topic, error=error.message, error_id=error.error_id)
        except Exception as error:
            log.exception("news broke", topic=topic)
            await self._core.outbox.dead([one.id for one in messages], error=type(error).__name__)

    async def _settle(self, topic: str, step: list[OutboxMessage]) -> bool:
        ids = [one.id for one in step]
        try:
            news = await self._deliver(topic, step[-1], again=any(one.attempts > 1 for one in step))
            await self._hand_on(ids, news)
        except SlackError as error:
            await self._failed(ids, step[-1].attempts, error)
            return False
        except (UnknownChangeError, NotInstalledError) as error:
            await self._core.outbox.dead(ids, error=error.message)
        except UnreadableRowError as error:
            log.info("message left to a process that can read its change", topic=topic, error=error.message)
            await self._core.outbox.leave(topic, ids)
            return False
        except StorageError as error:  # the lease runs out by itself
            log.error("message not settled", topic=topic, error=error.message, error_id=error.error_id)
            return False
        except Exception as error:
            log.exception("message broke", topic=topic)
            await self._core.outbox.dead(ids, error=type(error).__name__)
        else:
            self._recovered()
        return True

    async def _hand_on(self, ids: list[int], news: Sequence[ChannelNews]) -> None:
        """Settle messages; what subscribers are to be told of them is stored in their place, and due in a moment."""
        if not news:
            await self._core.outbox.done(ids)
            return
        after = self._core.timing.notice_seconds
        await self._core.outbox.spread(ids, news, after=after)
        if self._group is not None:
            self._supervisor.start_once("wake", partial(self._wake, after), group=self._group)

    async def _wake(self, seconds: float) -> None:
        await self._core.clock.sleep(seconds)
        self._core.outbox.look_again()

    async def _deliver(self, topic: str, message: OutboxMessage, *, again: bool) -> Sequence[ChannelNews]:
        """Deliver one message, and return what subscribers are to be told of it."""
        if message.kind == "event":
            return await self._tell_event(message)
        async with self._lock(topic), in_hand(self._core.outbox, str(message.payload["change"])) as change:
            team = self._core.workspaces.owner(change.origin)
            there = await self._at(team)
            try:
                return await there.deliver_change(change, message, again=again)
            except SlackError as error:
                if there is self or self._offices is None or error.code not in APP_REMOVED_CODES:
                    raise
                if not await self._offices.gone(team, there.token):
                    raise
                raise NotInstalledError(f"Slack takes the token of {team} no more ({error.code}).") from None

    async def deliver_change(self, change: Change, message: OutboxMessage, *, again: bool) -> Sequence[ChannelNews]:
        """Draw a change's cards or tell of it, in the workspace that this one is for."""
        if message.kind == "card":
            await self._draw(change, again=again)
            return ()
        return await self._tell(change, str(message.payload.get("event", "")))

    async def _draw(self, change: Change, *, again: bool) -> None:
        topic = topic_of(change.id)
        for copy in await self._card_copies(topic):
            await self._edit(change, copy)
        posted = {copy.purpose for copy in await self._card_copies(topic)}
        closed = False
        for place in card_places(change, self._core.settings):
            if place.purpose not in posted:
                made = await self._post_card(change, place)
                closed = closed or made is None
                if again and made is not None:  # it may be the one of an earlier try, drawn from an earlier state
                    self._drawn.pop((made.channel, made.ts), None)
                    await self._edit(change, made)
        if closed and not change.state.final:  # people are waited for, and cannot see it
            raise SlackError("chat.postMessage", NO_OPEN_CHANNEL)

    async def _card_copies(self, topic: str) -> list[PostedMessage]:
        return [one for one in await self._core.outbox.copies(topic) if not one.purpose.startswith("told:")]

    async def _post_card(self, change: Change, place: Place, instead_of: str = "") -> PostedMessage | None:
        card = await self._card(change, place.audience)
        channel, ts = await self._post(place, card, f"{change.id}/{place.purpose}/{instead_of}")
        if not ts:
            return None
        audited = "escalated" if place.audience is Audience.ESCALATED else ""
        await self._core.outbox.remember(topic_of(change.id), place.purpose, channel, ts, audited=audited)
        self._drawn[channel, ts] = card
        return PostedMessage(topic_of(change.id), place.purpose, channel, ts)

    async def _card(self, change: Change, audience: Audience) -> Post:
        usual = await self._usual.of(change.operation) if change.state in IN_PROGRESS else None
        return change_card(change, self._core.clock.now(), audience, typical_duration_text(usual))

    async def _edit(self, change: Change, copy: PostedMessage) -> None:
        card = await self._card(change, audience_of(copy.purpose))
        if self._drawn.get((copy.channel, copy.ts)) == card:
            return
        await self._pace.wait_for_edit()
        try:
            await self._slack.update(copy.channel, copy.ts, card)
        except SlackError as error:
            if error.code in RATE_LIMIT_CODES:
                self._pace.pause_edits(error.retry_after or 1.0)
            if error.code not in MESSAGE_GONE_CODES | CHANNEL_CLOSED_CODES:
                raise
            await self._replace(change, copy, error.code)
        else:
            self._drawn[copy.channel, copy.ts] = card

    async def _replace(self, change: Change, copy: PostedMessage, code: str) -> None:
        """A copy that cannot be edited any more is forgotten, and posted anew where people still wait for it."""
        topic = topic_of(change.id)
        log.info("copy is gone", topic=topic, code=code)
        await self._core.outbox.forget(topic, copy.channel, copy.ts)
        left = {one.purpose for one in await self._card_copies(topic)}
        if copy.purpose not in left:
            instead = next((one.instead for one in card_places(change, self._core.settings)), "")
            await self._post_card(change, Place(copy.purpose, copy.channel, instead=instead), copy.ts)

    async def _tell(self, change: Change, event: str) -> Sequence[ChannelNews]:
        if event == "unanswered":
            await self._escalate(change)
            return ()
        if event == "reminder":
            if waits_for_votes(change):
                await self._say(change, event, reminder(change), ())
                await self._personal.remind(change)
            return ()
        now = self._core.clock.now()
        occasion, wanted = of_change(change, event, now), await self.newsroom.wanted()
        news = spread([occasion] if occasion else [], wanted, now)
        await self._say(change, event, change_notice(change, event, now), told_now(news, wanted, now))
        await self._personal.tell(change, event)
        return news

    async def _say(self, change: Change, event: str, notice: Post, told: Sequence[str]) -> None:
        """Say something where the change's cards are, but not in channels that are told of it anyway."""
        topic, purpose = topic_of(change.id), f"told:{event}"
        copies = await self._core.outbox.copies(topic)
        done = {one.channel for one in copies if one.purpose == purpose}
        cards = [one for one in copies if not one.purpose.startswith("told:")]
        for place in notice_places(change, cards, told):
            if place.channel not in done:
                channel, ts = await self._beside(place, notice, f"{change.id}/{purpose}")
                done |= {place.channel, channel}
                if ts:
                    await self._core.outbox.remember(topic, purpose, channel, ts)

    async def _beside(self, place: Place, notice: Post, name: str) -> tuple[str, str]:
        """Say something in a card's thread, or in its channel where the card was deleted."""
        try:
            return await self._post(place, notice, name)
        except SlackError as error:
            if not place.thread or error.code not in NO_THREAD:
                raise
        return await self._post(Place(place.purpose, place.channel, instead=place.instead), notice, name)

    async def _escalate(self, change: Change) -> None:
        """Show the card to more people, if a channel for it is set and still nobody has voted."""
        channel = self._core.settings.escalation_channel
        copies = await self._card_copies(topic_of(change.id))
        if not channel or change.votes or not waits_for_votes(change) or channel in {one.channel for one in copies}:
            return
        await self._post_card(change, Place(Audience.ESCALATED.value, channel))

    async def _tell_event(self, message: OutboxMessage) -> Sequence[ChannelNews]:
        occasions = of_event(message.payload)
        if occasions:
            return spread(occasions, await self.newsroom.wanted(), self._core.clock.now())
        known = [one.team for one in self._core.workspaces.known] if self._core.workspaces.several else [""]
        teams = [str(message.payload["team"])] if message.payload.get("team") else known
        for team in teams:
            try:
                await (await self._at(team)).announce(message)
            except (NotInstalledError, UnreadableRowError) as error:
                log.info("nothing announced where the app is not", error=error.message)
        return ()

    async def announce(self, message: OutboxMessage) -> None:
        """Tell a channel what everybody should know, in the workspace that this one is for."""
        named = str(message.payload.get("channel") or "")
        channel = named or self._core.settings.channel or self._core.settings.approval_channel
        if channel and message.payload.get("text"):
            notice = service_notice(str(message.payload["text"]))
            await self._post(Place("", channel), notice, f"event/{message.id}/{message.created_at.timestamp()}")

    async def _post(self, place: Place, post: Post, name: str) -> tuple[str, str]:
        """Post to a place, or to the one it names instead; an empty timestamp says that both are closed.

        The name makes a post that was not remembered, because the process died in between, be found again.
        A thread that is gone raises: whoever keeps threads knows what to do instead.
        """
        for channel, thread in ((place.channel, place.thread), (place.instead, "")):
            if not channel:
                continue
            try:
                async with self._pace.post_slot(channel):
                    return await self._slack.post(channel, post, thread, name, broadcast=place.broadcast)
            except SlackError as error:
                if error.code in RATE_LIMIT_CODES:
                    self._pace.pause_channel(channel, error.retry_after or 1.0)
                if error.code not in CHANNEL_CLOSED_CODES or (thread and error.code in NO_THREAD):
                    raise
                self._say_once(f"cannot post to {channel}", error.code)
        return "", ""

    def _say_once(self, what: str, code: str) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning(what, code=code, hint="invite the app to the channel, or set another one")

    async def _failed(self, ids: list[int], attempts: int, error: SlackError) -> None:
        if error.code in LAYOUT_CODES:  # the plainer one was refused as well, and would be for ever
            log.error("Slack refuses a message; it is given up", error=str(error))
            await self._core.outbox.dead(ids, error=str(error))
            return
        after = error.retry_after or RETRY_SECONDS[min(max(attempts - 1, 0), len(RETRY_SECONDS) - 1)]
        if error.code == NO_OPEN_CHANNEL:
            after = CLOSED_SECONDS
        elif error.code in TOKEN_CODES:
            after = SEVERAL_STOPPED_SECONDS if self._core.workspaces.several else STOPPED_SECONDS
            if self.health.why != error.code:
                log.error("Slack refuses the token; messages are kept", code=error.code, hint="Check SLACK_BOT_TOKEN.")
            self.health.why = "" if self._core.workspaces.several else error.code  # one of many does not end the others
        else:
            log.warning("message not delivered", error=str(error), again_in=after)
        await self._core.outbox.retry(ids, after=after, error=str(error))

    async def _put_back(self, messages: list[OutboxMessage]) -> None:
        if messages:
            await self._core.outbox.retry([one.id for one in messages], after=1.0, error="after an earlier one")

    def _recovered(self) -> None:
        if self.health.why:
            log.warning("messages get out again")
            self.health.why = ""

    def _lock(self, topic: str) -> anyio.Lock:
        if len(self._locks) > DRAWN_KEPT:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(topic, anyio.Lock())
