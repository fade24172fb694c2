"""From events to a channel's message: its receivers, what waits for the morning, and how it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import NOW, change, hostile
from tests.unit.bot.messages.test_change_card import NASTY, assert_safe
from vpsops.bot.messages.digest import group_post, item_post, summary_post
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.messages.subscriptions import subscription_added, subscriptions_page
from vpsops.bot.notifications.digests import desk_of, loud_channels, plan_of, topics_of
from vpsops.bot.notifications.events import DEFAULT, of_change, of_event, spread, with_defaults
from vpsops.core.changes.model import State
from vpsops.core.config.settings import Settings
from vpsops.core.messaging.outbox import OutboxMessage
from vpsops.core.messaging.subscriptions import Subscription, SubscriptionEvent, SubscriptionOptions

NIGHT = SubscriptionOptions(quiet=("22:00-07:00",), zone="Europe/Oslo")
AT_NIGHT = datetime(2027, 1, 4, 23, 30, tzinfo=UTC)
MORNING = datetime(2027, 1, 5, 6, 0, tzinfo=UTC)
DRIFT = {"event": "drift", "drifts": [{"server": "s1", "hostname": "web01.example.com", "text": "web01 is stopped."}]}


def sub(ident: str = "sub_1", channel: str = "C0OPS", *events: SubscriptionEvent, **other: Any) -> Subscription:
    """Return a subscription of #ops to everything but usage, unless other events are named."""
    return replace(
        Subscription(ident, "T0ACME", channel, frozenset(events or set(SubscriptionEvent) - {SubscriptionEvent.USAGE})),
        **other,
    )


def message(
    ident: int, subs: Sequence[str], at: datetime = NOW, *, urgent: bool = False, items: int = 1
) -> OutboxMessage:
    """Return a row of a channel's pending news."""
    drawn = [NotificationItem(f"Thing {n}.", f"s{n}", f"web{n:02}.example.com").value for n in range(items)]
    payload = {"subs": list(subs), "urgent": urgent, "items": drawn}
    return OutboxMessage(ident, "news:C0OPS", "news", payload, 1, at)


@pytest.mark.parametrize(
    ("event", "operation", "events", "urgent"),
    [
        ("succeeded", "reboot", {SubscriptionEvent.SETTLED}, False),
        ("succeeded", "create", {SubscriptionEvent.SETTLED, SubscriptionEvent.PROVISIONED}, False),
        ("failed", "create", {SubscriptionEvent.SETTLED, SubscriptionEvent.PROVISIONED}, True),
        ("overdue", "create", {SubscriptionEvent.SETTLED}, False),
        ("needs_person", "stop", {SubscriptionEvent.SETTLED}, True),
        ("denied", "stop", {SubscriptionEvent.WITHHELD}, False),
        ("superseded", "stop", {SubscriptionEvent.WITHHELD}, False),
    ],
)
def test_each_notice_is_of_its_kind(event: str, operation: str, events: set[SubscriptionEvent], urgent: bool) -> None:
    """What failed or needs a person does not wait for the morning."""
    occasion = of_change(change(State.SUCCEEDED, operation=operation), event, NOW)
    assert occasion is not None
    assert occasion.events == events
    assert occasion.urgent is urgent


@pytest.mark.parametrize("event", ["reminder", "unanswered"])
def test_what_is_for_voters_is_for_no_channel(event: str) -> None:
    """Reminders stay where the cards are."""
    assert of_change(change(), event, NOW) is None


@pytest.mark.requirement("notices-to-subscribers")
def test_only_who_subscribed_is_told_and_each_channel_once() -> None:
    """Two subscriptions of one channel are one message; other servers and other events go to no channel."""
    subscriptions = [
        sub("sub_1", "C0OPS", SubscriptionEvent.DRIFT, servers=("web*",)),
        sub("sub_2", "C0OPS", SubscriptionEvent.DRIFT),
        sub("sub_3", "C0DB", SubscriptionEvent.DRIFT, servers=("db*",)),
        sub("sub_4", "C0ALL", SubscriptionEvent.SETTLED),
        sub("sub_5", "C0OVER", SubscriptionEvent.DRIFT, options=SubscriptionOptions(until=NOW - timedelta(seconds=1))),
    ]
    (news,) = spread(of_event(DRIFT), subscriptions, NOW)
    assert (news.channel, news.payload["subs"]) == ("C0OPS", ["sub_1", "sub_2"])
    assert [item["h"] for item in news.payload["items"]] == ["web01.example.com"]


def test_usage_is_told_to_the_one_whose_threshold_it_is() -> None:
    """Another channel's threshold is independent."""
    payload = {"event": "usage", "subscription": "sub_2", "server": "s1", "hostname": "web01", "text": "cpu."}
    subscriptions = [sub("sub_1", "C0OPS", SubscriptionEvent.USAGE), sub("sub_2", "C0DB", SubscriptionEvent.USAGE)]
    assert [item.channel for item in spread(of_event(payload), subscriptions, NOW)] == ["C0DB"]


def test_the_provider_concerns_every_server() -> None:
    """Provider news reaches every subscriber of it, whatever servers they named."""
    payload = {"event": "provider_unreachable", "text": "It does not answer."}
    (news,) = spread(of_event(payload), [sub(servers=("web*",))], NOW)
    assert news.payload["urgent"] is True


def test_an_event_of_another_kind_is_nobodys_subscription() -> None:
    """The pause of agents is announced elsewhere."""
    assert of_event({"text": "Agents are paused."}) == []


@pytest.mark.parametrize(
    ("environment", "stored", "channels"),
    [
        ({"VPSOPS_CHANNEL": "C0OPS"}, [], [("C0OPS", DEFAULT)]),
        ({"VPSOPS_CHANNEL": "C0OPS"}, [sub("sub_1", "C0OPS")], [("C0OPS", "sub_1")]),
        (
            {"VPSOPS_CHANNEL": "C0OPS"},
            [sub("sub_1", "C0OPS", options=SubscriptionOptions(watch=True))],
            [("C0OPS", DEFAULT), ("C0OPS", "sub_1")],
        ),
        ({"VPSOPS_APPROVAL_CHANNEL": "C0VOTE"}, [], [("C0VOTE", DEFAULT)]),
        ({}, [], []),
    ],
)
def test_the_settings_channel_is_the_simple_default(
    environment: Mapping[str, str], stored: list[Subscription], channels: list[tuple[str, str]]
) -> None:
    """It gets every event until it has a subscription of its own; a watch does not count."""
    results = with_defaults(Settings.model_validate(environment), stored)
    assert [(item.channel, item.id) for item in results] == channels


@pytest.mark.requirement("quiet-hours")
def test_quiet_hours_hold_back_all_but_what_is_urgent() -> None:
    """At night it waits until seven in Oslo; a failure is sent at once, and so is what a loud subscription wants."""
    subscriptions = {"sub_1": sub(options=NIGHT), "sub_2": sub("sub_2")}
    rows = [message(1, ["sub_1"]), message(2, ["sub_1"], urgent=True), message(3, ["sub_1", "sub_2"])]
    plan = plan_of(rows, subscriptions, AT_NIGHT)
    assert plan.held == {MORNING: [1]}
    assert [item.row for item in plan.fresh] == [2, 3]


def test_what_was_held_back_is_told_as_such_in_the_morning() -> None:
    """News from the quiet hours is marked once they are over; later news is fresh."""
    rows = [message(1, ["sub_1"], AT_NIGHT), message(2, ["sub_1"], MORNING)]
    plan = plan_of(rows, {"sub_1": sub(options=NIGHT)}, MORNING)
    assert ([item.row for item in plan.late], [item.row for item in plan.fresh]) == ([1], [2])


def test_what_nobody_wants_any_more_is_dropped() -> None:
    """The subscription was removed while its news waited."""
    assert plan_of([message(1, ["sub_1"])], {}, NOW).dropped == [1]


def test_a_channel_that_sleeps_is_not_told_now() -> None:
    """A channel that gets it later is not counted among those that get it at once."""
    subscriptions = [sub(options=NIGHT), sub("sub_2", "C0LOUD")]
    news = spread(of_event(DRIFT), subscriptions, AT_NIGHT)
    assert loud_channels(news, subscriptions, AT_NIGHT) == ["C0LOUD"]


def test_a_day_begins_by_the_subscriptions_clock() -> None:
    """Half past eleven in the evening in UTC is tomorrow in Oslo."""
    item = NotificationItem("x", "s1", "web01.example.com")
    assert topics_of(item, AT_NIGHT, ZoneInfo("Europe/Oslo"))[0] == "server:s1:2027-01-05"
    assert topics_of(item, AT_NIGHT, ZoneInfo("UTC"))[0] == "server:s1:2027-01-04"


def test_a_long_id_still_names_one_thread() -> None:
    """A topic has room for eighty characters; two long ids are two topics."""
    first, two = (topics_of(NotificationItem("x", "s" * 300 + end), NOW, ZoneInfo("UTC"))[0] for end in "ab")
    assert first != two
    assert max(len(first), len(two)) <= 80


@pytest.mark.parametrize("name", ["web\x00", "\ud800", "ø" * 20, "a\nb"])
def test_a_strange_name_still_names_a_thread(name: str) -> None:
    """Whatever the provider calls a server, a database takes its topic."""
    (topic,) = topics_of(NotificationItem("x", name), NOW, ZoneInfo("UTC"))
    assert topic.isascii()
    assert topic.isprintable()


def test_who_subscribed_is_told_where_the_channel_is_closed() -> None:
    """The desk has the channel, the zone of its first subscription, and a person to turn to."""
    own_value = [sub(options=NIGHT, by={"id": "U0ALICE"})]
    desk = desk_of("news:C0OPS", own_value)
    assert (desk.channel, desk.zone.key, desk.instead) == ("C0OPS", "Europe/Oslo", "U0ALICE")


def test_many_at_once_are_one_bounded_list() -> None:
    """A thousand are twenty lines and a count."""
    post = group_post([NotificationItem(f"web{n}.example.com was running, is stopped.", f"s{n}") for n in range(1000)])
    assert_safe(post)
    assert "1000 notices about 1000 servers" in str(post.blocks)
    assert "And 980 more" in str(post.blocks)


@settings(max_examples=examples(40))
@given(NASTY)
def test_nothing_from_outside_is_read_as_markup(words: str) -> None:
    """Server names, provider errors and patterns notify no one in a notice, a list, a summary or a subscription."""
    items = [NotificationItem(words, words, words)] * 30
    villain = sub(servers=(words or "x",), by={"id": words, "name": words})
    occasion = of_change(hostile(State.FAILED, words), "failed", NOW)
    assert occasion is not None
    for post in (item_post(items[0]), item_post(occasion.item), group_post(items), summary_post(items)):
        assert_safe(post)
    for post in (subscriptions_page([villain] * 20, villain), subscription_added(villain)):
        assert_safe(post)
