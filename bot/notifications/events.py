"""Maps what happened to the notices of each channel: events, urgency, and subscriptions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from vpsops.bot.messages.change_card import confirmation_text, requester_text, result_server
from vpsops.bot.messages.notices import change_text
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.core.changes.model import Change
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import one_line
from vpsops.core.config.settings import Settings
from vpsops.core.messaging.outbox import ChannelNews
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, Subscription, SubscriptionEvent
from vpsops.core.operations.traits import makes_server

URGENT: Final = frozenset({"failed", "needs_person", "provider_unreachable", "provider_refuses_key", "provider_back"})
"""Events that bypass quiet hours: alerts, and their recovery."""
SETTLED: Final = frozenset({"succeeded", "failed", "overdue", "needs_person"})
WITHHELD: Final = frozenset({"denied", "expired", "superseded", "cancelled", "set_aside"})
PROVIDER: Final = frozenset({"provider_unreachable", "provider_refuses_key", "provider_back"})
DEFAULT: Final = "default"
TEXT: Final = 600


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that happened: its kind, whether it may wait, its only receiver, if any, and a foot that mentions."""

    events: frozenset[SubscriptionEvent]
    item: NotificationItem
    urgent: bool = False
    only: str = ""
    mention: str = ""

    def item_in(self, channel: str, mention_in: str) -> NotificationItem:
        """Return the item as a channel gets it: one channel's mentions the requester, the others' name them."""
        return replace(self.item, foot=self.mention) if self.mention and channel == mention_in else self.item


def of_change(change: Change, event: str, now: datetime, named: str = "") -> Occasion | None:
    """Return what a notice about a change is to channels; nothing where it is for its voters alone.

    `named` is the requester without a mention, as escaped mrkdwn.
    """
    if event in SETTLED:
        ended = makes_server(change.operation) and event in {"succeeded", "failed"}
        events = frozenset(
            {SubscriptionEvent.SETTLED, SubscriptionEvent.PROVISIONED} if ended else {SubscriptionEvent.SETTLED}
        )
    elif event in WITHHELD:
        events = frozenset({SubscriptionEvent.WITHHELD})
    else:
        return None
    made = result_server(change.result)
    ident = change.target.id or (made.id if made else "")
    words = one_line(change_text(change, event, now), TEXT)
    mention = requester_text(change)
    item = NotificationItem(words, ident, change.target.hostname, _foot(change, named or mention), change.id)
    return Occasion(events, item, event in URGENT, mention=_foot(change, mention))


def _foot(change: Change, requester: str) -> str:
    return f"Requested by {requester}{confirmation_text(change)}"


def of_event(payload: Mapping[str, Json]) -> list[Occasion]:
    """Return a monitor's event as a notification for channels; None for an event without subscriptions."""
    event = str(payload.get("event", ""))
    if event in PROVIDER:
        item = NotificationItem(one_line(str(payload.get("text", "")), TEXT))
        return [Occasion(frozenset({SubscriptionEvent.PROVIDER}), item, event in URGENT)]
    if event == "usage":
        return [
            Occasion(frozenset({SubscriptionEvent.USAGE}), _item(payload), only=str(payload.get("subscription", "")))
        ]
    if event == "drift":
        return [Occasion(frozenset({SubscriptionEvent.DRIFT}), _item(entry)) for entry in payload.get("drifts", ())]
    return []


def _item(payload: Mapping[str, Json]) -> NotificationItem:
    return NotificationItem(
        one_line(str(payload.get("text", "")), TEXT), str(payload.get("server", "")), str(payload.get("hostname", ""))
    )


def with_defaults(settings: Settings, stored: Sequence[Subscription]) -> list[Subscription]:
    """Add what the settings subscribe: VPSOPS_CHANNEL to everything, as long as it has no subscription of its own.

    Without it, the approval channel hears of the provider and of drift seen while a change is watched.
    """
    own = {subscription.channel for subscription in stored if not subscription.options.watch}
    if settings.channel:
        events, channel = WITHOUT_THRESHOLD, settings.channel
    else:
        events, channel = frozenset({SubscriptionEvent.PROVIDER, SubscriptionEvent.DRIFT}), settings.approval_channel
    added = [Subscription(DEFAULT, "", channel, events)] if channel and channel not in own else []
    return [*added, *stored]


def spread(
    occasions: Iterable[Occasion], subscriptions: Sequence[Subscription], now: datetime, mention_in: str = ""
) -> list[ChannelNews]:
    """Return the notices of each channel: those of the same subscriptions and urgency go together.

    In the channel `mention_in` they mention the requester, so that the same news mentions no one twice.
    """
    by_channel: dict[tuple[str, tuple[str, ...], bool], list[NotificationItem]] = {}
    for occasion in occasions:
        matching: dict[str, list[str]] = {}
        for entry in subscriptions:
            if _wants(entry, occasion, now):
                matching.setdefault(entry.channel, []).append(entry.id)
        for channel, ids in matching.items():
            by_channel.setdefault((channel, tuple(ids), occasion.urgent), []).append(
                occasion.item_in(channel, mention_in)
            )
    return [
        ChannelNews(channel, {"subs": list(ids), "urgent": urgent, "items": [notice.value for notice in items]})
        for (channel, ids, urgent), items in by_channel.items()
    ]


def _wants(subscription: Subscription, occasion: Occasion, now: datetime) -> bool:
    if not subscription.wants(occasion.events, now) or (occasion.only and subscription.id != occasion.only):
        return False
    return SubscriptionEvent.PROVIDER in occasion.events or subscription.means(
        occasion.item.server, occasion.item.hostname
    )
