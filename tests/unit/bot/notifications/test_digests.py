"""Digests, with a clock that the test moves: threads by day, quiet nights, restarts, closed channels."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.harness.internals import backend_of, database_of
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.notification_item import NotificationItem
from vpsops.bot.notifications.destinations import Place
from vpsops.bot.notifications.digests import DigestSender
from vpsops.bot.slack_api.client import SlackError
from vpsops.core.app import Core, open_core
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.messaging import outbox
from vpsops.core.messaging.subscriptions import (
    Subscription,
    SubscriptionEvent,
    SubscriptionOptions,
    Subscriptions,
    subscription_id,
)
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.service.policy_queries import PolicyQueries
from vpsops.core.workspaces.model import Workspace, Workspaces

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice")
NOON = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)
NIGHT = SubscriptionOptions(quiet=("22:00-07:00",), zone="UTC")
HOUR = 3600.0
SUB = subscription_id("1")


@dataclass
class DigestHarness:
    """A digest sender that keeps its messages here."""

    core: Core
    clock: FakeClock
    sent: list[tuple[Place, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    async def send(self, place: Place, post: Post, _name: str) -> tuple[str, str]:
        """Keep a message, or refuse it as Slack would."""
        if self.refusals and (code := self.refusals.pop(0)):
            raise SlackError("chat.postMessage", code)
        self.sent.append((place, post.text))
        return place.channel, f"{len(self.sent)}.0"

    async def fail(self, ids: list[int], _attempts: int, error: SlackError) -> None:
        """Put back what could not be delivered, as the deliverer does."""
        self.failed += ids
        await self.core.outbox.retry(ids, after=1.0, error=error.code)

    async def happens(self, *items: NotificationItem, urgent: bool = False) -> None:
        """Add news for the channel."""
        payload = {"subs": [SUB], "urgent": urgent, "items": [item.value for item in items]}
        now = self.clock.now()

        def work(connection: Connection) -> None:
            outbox.put(connection, "news:C0OPS", "news", payload, now)

        await database_of(self.core).transact(work)

    async def deliver(self) -> list[str]:
        """Deliver what is due, and return the texts that were sent."""
        before = len(self.sent)
        messages = await self.core.outbox.claim()
        if messages:
            await DigestSender(self.core, self.send, self.fail).deliver("news:C0OPS", messages)
        return [text for _, text in self.sent[before:]]

    @property
    def threads(self) -> list[str]:
        """The threads that were written to, in order; nothing for a message of its own."""
        return [place.thread for place, _ in self.sent]


@pytest.fixture
async def desk(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DigestHarness]:
    clock = FakeClock(NOON)
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url})
    async with open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core:
        monkeypatch.setattr(database_of(core), "tick", lambda _: clock.monotonic())
        subscription = Subscription(
            SUB, "T0ACME", "C0OPS", frozenset({SubscriptionEvent.DRIFT, SubscriptionEvent.SETTLED})
        )
        await Subscriptions(database_of(core), clock).add(subscription, ALICE)
        yield DigestHarness(core, clock)


async def sleep_at_night(desk: DigestHarness) -> None:
    """Let the channel's subscription have quiet hours."""
    store = Subscriptions(database_of(desk.core), desk.clock)
    await store.remove("T0ACME", "C0OPS", SUB, ALICE)
    await store.add(Subscription(SUB, "T0ACME", "C0OPS", frozenset({SubscriptionEvent.DRIFT}), options=NIGHT), ALICE)


def web(number: int, text: str = "stopped") -> NotificationItem:
    """Return something about one server."""
    return NotificationItem(f"web{number:02} {text}.", f"s{number}", f"web{number:02}.example.com")


async def deliver_items(desk: DigestHarness, *items: NotificationItem, urgent: bool = False) -> list[str]:
    """Let something happen and be delivered."""
    await desk.happens(*items, urgent=urgent)
    return await desk.deliver()


async def test_a_server_has_one_thread_a_day(desk: DigestHarness) -> None:
    """The first notice is the parent of the others; another server and another day start a new thread."""
    await deliver_items(desk, web(1))
    await deliver_items(desk, web(1, "started"))
    await deliver_items(desk, web(2))
    await deliver_items(desk, web(1, "failed"), urgent=True)
    desk.clock.advance(24 * HOUR)
    await deliver_items(desk, web(1))
    assert desk.threads == ["", "1.0", "", "1.0", ""]
    assert [place.broadcast for place, _ in desk.sent][3]


async def test_six_servers_at_once_are_one_list_and_five_are_not(desk: DigestHarness) -> None:
    """Whatever rows they came in, what waits for a channel goes out together."""
    await desk.happens(*(web(number) for number in range(3)))
    await desk.happens(*(web(number) for number in range(3, 6)))
    (text,) = await desk.deliver()
    assert text.startswith("6 notices about 6 servers")
    assert len(await deliver_items(desk, *(web(number) for number in range(5)))) == 5
    assert desk.threads == [""] * 6  # a list has no thread


@pytest.mark.requirement("quiet-hours")
async def test_a_quiet_night_is_one_summary_in_the_morning(desk: DigestHarness) -> None:
    """At night only urgent news is sent; at seven all of it comes as one message, and only once."""
    await sleep_at_night(desk)
    desk.clock.advance(11 * HOUR)  # 23:00
    assert await deliver_items(desk, web(1)) == []
    assert await deliver_items(desk, web(2), urgent=True) == ["web02 stopped."]
    for _ in range(47):  # every ten minutes until ten to seven
        desk.clock.advance(600)
        assert await desk.deliver() == []
    assert await deliver_items(desk, web(3)) == []
    desk.clock.advance(601)
    (text,) = await desk.deliver()
    assert text.startswith("During quiet hours: 2 notices.\nweb01 stopped.\nweb03 stopped.")
    desk.clock.advance(HOUR)
    assert await desk.deliver() == []


async def test_what_waits_for_the_morning_survives_the_process(desk: DigestHarness, database_url: str) -> None:
    """The news is in the database: another process sends it."""
    await sleep_at_night(desk)
    desk.clock.advance(11 * HOUR)
    assert await deliver_items(desk, web(1)) == []
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url})
    async with open_core(settings, front="cli", clock=desk.clock, accounts=EVERYBODY) as core:
        other = DigestHarness(core, desk.clock)
        database_of(core).tick = database_of(desk.core).tick  # type: ignore[method-assign]
        desk.clock.advance(8 * HOUR + 60)
        assert await other.deliver() == ["web01 stopped."]
    assert await desk.deliver() == []


async def test_news_of_a_removed_subscription_are_dropped(desk: DigestHarness) -> None:
    """News for a removed subscription is not sent."""
    await desk.happens(web(1))
    await Subscriptions(database_of(desk.core), desk.clock).remove("T0ACME", "C0OPS", SUB, ALICE)
    assert await desk.deliver() == []
    assert await rows(desk) == 0


async def test_what_slack_refuses_comes_later_and_the_rest_once(desk: DigestHarness) -> None:
    """A row that is out is settled; the one that failed comes again without it."""
    await desk.happens(web(1))
    await desk.happens(web(2))
    desk.refusals = ["", "internal_error"]
    assert await desk.deliver() == ["web01 stopped."]
    assert await desk.deliver() == []
    desk.clock.advance(1)
    assert await desk.deliver() == ["web02 stopped."]
    assert await rows(desk) == 0


async def test_a_second_delivery_of_the_same_row_says_nothing(desk: DigestHarness) -> None:
    """The process ended between the message and the note that it was sent: the copy is known."""
    await desk.happens(web(1))
    messages = await desk.core.outbox.claim()
    newsroom = DigestSender(desk.core, desk.send, desk.fail)
    await newsroom.deliver("news:C0OPS", messages)
    await newsroom.deliver("news:C0OPS", messages)
    assert [text for _, text in desk.sent] == ["web01 stopped."]


async def test_a_thread_whose_parent_was_deleted_begins_anew(desk: DigestHarness) -> None:
    """Slack knows the parent no more, so the notice becomes one itself."""
    await deliver_items(desk, web(1))
    desk.refusals = ["thread_not_found"]
    await deliver_items(desk, web(1, "started"))
    await deliver_items(desk, web(1, "stopped again"))
    assert desk.threads == ["", "", "2.0"]


async def test_what_was_made_today_is_found_by_its_name(desk: DigestHarness) -> None:
    """A create is announced by its name before it has an id: both are one thread."""
    await deliver_items(desk, NotificationItem("web09 takes long.", "", "web09.example.com"))
    await deliver_items(desk, NotificationItem("web09 is ready.", "s9", "web09.example.com"))
    assert desk.threads == ["", "1.0"]


async def rows(desk: DigestHarness) -> int:
    """Count what waits."""
    desk.clock.advance(HOUR)
    waiting: Sequence[object] = await desk.core.outbox.claim()
    return len(waiting)


async def test_a_watch_that_is_over_is_silent(desk: DigestHarness) -> None:
    """An event from before the end that is delivered after it is not sent."""
    store = Subscriptions(database_of(desk.core), desk.clock)
    await store.remove("T0ACME", "C0OPS", SUB, ALICE)
    until = desk.clock.now() + timedelta(hours=1)
    watch = Subscription(
        SUB,
        "T0ACME",
        "C0OPS",
        frozenset({SubscriptionEvent.DRIFT}),
        options=SubscriptionOptions(until=until, watch=True),
    )
    await store.add(watch, ALICE)
    assert await deliver_items(desk, web(1)) == ["web01 stopped."]
    desk.clock.advance(HOUR)
    assert await deliver_items(desk, web(1)) == []


async def test_a_channel_shared_by_two_workspaces_hears_what_each_subscribed_to(desk: DigestHarness) -> None:
    """News of another workspace is left to that workspace's turn, and dropped by neither."""
    spaces = Workspaces(True, (Workspace("T0ACME"), Workspace("T2")))
    theirs = Subscription(subscription_id("2"), "T2", "C0OPS", frozenset({SubscriptionEvent.SETTLED}))
    await Subscriptions(database_of(desk.core), desk.clock).add(theirs, ALICE)
    await desk.happens(web(1))
    payload = {"subs": [theirs.id], "urgent": False, "items": [web(2).value]}
    await database_of(desk.core).transact(
        lambda connection: outbox.put(connection, "news:C0OPS", "news", payload, desk.clock.now())
    )
    backend = backend_of(desk.core)
    in_force = PolicyInForce(backend.policy.latest(), loaded_workspaces=spaces)
    operator = replace(desk.core, policy=PolicyQueries(replace(backend, policy=in_force)))
    for team, heard in (("T0ACME", "web01"), ("T2", "web02")):
        desk.core = operator.within(team)
        (message,) = await desk.deliver()
        assert heard in message
    assert await rows(desk) == 0
