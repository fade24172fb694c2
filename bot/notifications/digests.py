"""Posts to each channel what it subscribed to: a thread for each server and day, a list for many, none at night."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from vpsops.bot.blocks.elements import Post
from vpsops.bot.blocks.text import is_user_id
from vpsops.bot.messages.digest import group_post, item_post, summary_post
from vpsops.bot.messages.notification_item import SERVER, NotificationItem
from vpsops.bot.notifications.destinations import Place
from vpsops.bot.notifications.subscribers import Subscribers, quiet_until
from vpsops.bot.slack_api.client import SlackError
from vpsops.core.app import Core
from vpsops.core.common import timings
from vpsops.core.messaging.outbox import QUIET, ChannelNews, OutboxMessage
from vpsops.core.messaging.subscriptions import Subscription

GROUP_ABOVE: Final = 5
"""So many servers at once are posted one by one; more are one list."""
ITEMS_ABOVE: Final = 10
TOPIC: Final = 80
NO_THREAD: Final = frozenset({"thread_not_found", "message_not_found", "cannot_reply_to_message"})
HOLD_SECONDS: Final = timings.QUIET_HOLD_SECONDS

Send = Callable[[Place, Post, str], Awaitable[tuple[str, str]]]
Failed = Callable[[list[int], int, SlackError], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PendingNotification:
    """One stored notification, its number in its row, and its subscriptions."""

    row: int
    number: int
    item: NotificationItem
    urgent: bool
    at: float

    @property
    def name(self) -> str:
        """Name the message, so that a second try finds the first: another database counts from one again."""
        return f"{self.purpose}/{self.at}"

    @property
    def purpose(self) -> str:
        """What its copy is remembered by."""
        return f"news:{self.row}.{self.number}"


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """What to do with the pending messages: forget, hold until a time, post together, post now."""

    dropped: Sequence[int]
    held: Mapping[datetime, Sequence[int]]
    late: Sequence[PendingNotification]
    fresh: Sequence[PendingNotification]


@dataclass(frozen=True, slots=True)
class DigestTarget:
    """Where a channel's notices go: the time zone of its days, and who receives them if the channel is closed."""

    channel: str
    zone: ZoneInfo
    instead: str = ""


def plan_of(
    messages: Sequence[OutboxMessage], subscriptions: Mapping[str, Subscription], now: datetime
) -> DeliveryPlan:
    """Sort what waits for one channel by what its subscriptions say now."""
    dropped: list[int] = []
    held: dict[datetime, list[int]] = {}
    late: list[PendingNotification] = []
    fresh: list[PendingNotification] = []
    for message in messages:
        own_value = [subscriptions[ident] for ident in message.payload.get("subs", ()) if ident in subscriptions]
        urgent = bool(message.payload.get("urgent"))
        until = None if urgent else quiet_until(own_value, now)
        if not own_value:
            dropped.append(message.id)
        elif until is not None:
            held.setdefault(until, []).append(message.id)
        else:
            night = not urgent and quiet_until(own_value, message.created_at) is not None
            (late if night else fresh).extend(_pending(message, urgent))
    return DeliveryPlan(dropped, held, late, fresh)


def _pending(message: OutboxMessage, urgent: bool) -> list[PendingNotification]:
    items = message.payload.get("items", ())
    at = message.created_at.timestamp()
    return [
        PendingNotification(message.id, number, NotificationItem.of(entry), urgent, at)
        for number, entry in enumerate(items)
    ]


def topics_of(item: NotificationItem, at: datetime, zone: ZoneInfo) -> list[str]:
    """Return the topics of a server's thread on a day: by its id, and by its name for what was made that day."""
    day = at.astimezone(zone).date().isoformat()
    names = dict.fromkeys(entry for entry in (item.key, item.hostname) if entry)
    return [_short(f"{SERVER}{name}:{day}") for name in names]


def _short(topic: str) -> str:
    """A topic that a database takes, whatever the provider calls its servers."""
    plain = len(topic) <= TOPIC and topic.isascii() and topic.isprintable()
    return topic if plain else f"{SERVER}{_hash(topic)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class DigestSender:
    """One process's; a channel's news are with one process at a time."""

    def __init__(self, core: Core, send: Send, failed: Failed) -> None:
        self._core = core
        self._send = send
        self._failed = failed
        self.subscribers = Subscribers(core)

    async def deliver(self, topic: str, claimed: Sequence[OutboxMessage]) -> None:
        """Post to a channel what waits for it."""
        messages = await self._core.outbox.gather(topic) or list(claimed)
        subscriptions = {subscription.id: subscription for subscription in await self.subscribers.all()}
        now = self._core.clock.now()
        others = await self.subscribers.others(messages, subscriptions)
        if others:
            await self._core.outbox.retry(others, after=0.0, error="another workspace's")
        plan = plan_of([message for message in messages if message.id not in others], subscriptions, now)
        if plan.dropped:
            await self._core.outbox.done(plan.dropped)
        for until, ids in plan.held.items():
            seconds = min(max((until - now).total_seconds(), 1.0), HOLD_SECONDS)
            await self._core.outbox.retry(list(ids), after=seconds, error=QUIET)
        desk = desk_of(
            topic,
            [subscriptions[ident] for m in messages for ident in m.payload.get("subs", ()) if ident in subscriptions],
        )
        left = {due.row for due in (*plan.late, *plan.fresh)}
        try:
            await self._post(desk, plan, left)
        except SlackError as error:
            await self._failed(sorted(left), max(message.attempts for message in messages), error)

    async def _post(self, desk: DigestTarget, plan: DeliveryPlan, left: set[int]) -> None:
        """Post, and settle each row as soon as all of it is out; the rest stays in `left`."""
        for some, draw in ((plan.late, summary_post), (plan.fresh, group_post)):
            servers, night = {due.item.key for due in some}, draw is summary_post
            if len(some) > (1 if night else ITEMS_ABOVE) or len(servers) > GROUP_ABOVE:
                await self._list(desk, some, draw([due.item for due in _urgent_first(some)]))
                await self._done({due.row for due in some}, left)
            else:
                for row in dict.fromkeys(due.row for due in some):
                    for entry in some:
                        if entry.row == row:
                            await self._post_single(desk, entry)
                    await self._done({row}, left)

    async def _done(self, rows: set[int], left: set[int]) -> None:
        await self._core.outbox.done(sorted(rows))
        left -= rows

    async def _list(self, desk: DigestTarget, some: Sequence[PendingNotification], post: Post) -> None:
        names = ",".join(due.name for due in some)
        place = Place("", desk.channel, instead=desk.instead)
        await self._send(place, post, f"list/{_hash(names)}")

    async def _post_single(self, desk: DigestTarget, notification: PendingNotification) -> None:
        """Post one notification: in the thread of its server's day, or as that thread's first message."""
        box = self._core.outbox
        topics = topics_of(notification.item, self._core.clock.now(), desk.zone)
        copies = [copy for topic in topics for copy in await box.copies(topic) if copy.purpose.startswith("news:")]
        if any(copy.purpose == notification.purpose for copy in copies):
            return
        parent = next((copy for copy in copies if copy.channel == desk.channel), None)
        post, name = item_post(notification.item), notification.name
        place = Place("", desk.channel, parent.ts if parent else "", desk.instead, broadcast=notification.urgent)
        try:
            channel, ts = await self._send(place, post, name)
        except SlackError as error:
            if parent is None or error.code not in NO_THREAD:
                raise
            await box.forget(parent.topic, parent.channel, parent.ts)
            channel, ts = await self._send(Place("", desk.channel, instead=desk.instead), post, name)
        if ts:
            await box.remember(topics[0], notification.purpose, channel, ts)


def desk_of(topic: str, subscriptions: Sequence[Subscription]) -> DigestTarget:
    """Return where a channel's news go."""
    zone = next((subscription.options.zone for subscription in subscriptions), "UTC")
    makers = (str(subscription.by.get("id", "")) for subscription in subscriptions)
    return DigestTarget(
        topic.partition(":")[2], ZoneInfo(zone), next((maker for maker in makers if is_user_id(maker)), "")
    )


def loud_channels(news: Sequence[ChannelNews], subscriptions: Sequence[Subscription], now: datetime) -> list[str]:
    """Return the channels that hear of this at once rather than when their quiet hours end."""
    known = {subscription.id: subscription for subscription in subscriptions}
    loud = []
    for new in news:
        own_value = [known[ident] for ident in new.payload["subs"] if ident in known]
        if new.payload["urgent"] or quiet_until(own_value, now) is None:
            loud.append(new.channel)
    return loud


def _urgent_first(some: Sequence[PendingNotification]) -> list[PendingNotification]:
    return sorted(some, key=lambda entry: not entry.urgent)
