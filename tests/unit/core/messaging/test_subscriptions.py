"""Subscriptions: what they match, when they are quiet, and how they are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.clock import START, FakeClock
from vpsops.core.audit import chain
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.messaging.subscriptions import (
    PER_CHANNEL,
    Subscription,
    SubscriptionEvent,
    SubscriptionOptions,
    Subscriptions,
    Threshold,
    check,
    forget_ended,
    subscription_id,
)
from vpsops.core.storage import Database

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice")
NIGHT = SubscriptionOptions(quiet=("22:00-07:00",), zone="Europe/Oslo")


def wish(number: int = 1, **other: object) -> Subscription:
    """Return a subscription of #ops to drift on the web servers."""
    base = Subscription(
        subscription_id(str(number)), "T0ACME", "C0OPS", frozenset({SubscriptionEvent.DRIFT}), ("web*",)
    )
    return replace(base, **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("patterns", "hostname", "meant"),
    [
        (("web*",), "web01.example.com", True),
        (("WEB01.",), "web01.example.com", True),
        (("db*", "srv-9"), "web01.example.com", True),
        (("db*",), "web01.example.com", False),
        (("*.example.com",), "web01.example.com", True),
        (("*",), "", True),
        (("web*",), "", False),
    ],
)
def test_servers_are_meant_as_in_the_policy(patterns: tuple[str, ...], hostname: str, meant: bool) -> None:
    """First labels, full names, patterns and ids mean what they mean in a rule; an unknown name is not meant."""
    assert check(wish(servers=patterns)).means("SRV-9", hostname) is meant


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        (datetime(2027, 1, 4, 20, 59, tzinfo=UTC), None),
        (datetime(2027, 1, 4, 21, 0, 30, tzinfo=UTC), datetime(2027, 1, 5, 6, tzinfo=UTC)),
        (datetime(2027, 1, 5, 5, 59, 59, tzinfo=UTC), datetime(2027, 1, 5, 6, tzinfo=UTC)),
        (datetime(2027, 1, 5, 6, tzinfo=UTC), None),
        (datetime(2027, 3, 27, 22, tzinfo=UTC), datetime(2027, 3, 28, 5, tzinfo=UTC)),
    ],
)
def test_quiet_hours_follow_the_wall_clock_of_their_zone(now: datetime, ends: datetime | None) -> None:
    """Oslo's night ends at seven there, in winter and over the change to summer time."""
    assert NIGHT.quiet_until(now) == ends


def test_a_weekend_is_quiet_until_monday() -> None:
    """Spans of days are one quiet time."""
    saturday = datetime(2027, 1, 9, 12, tzinfo=UTC)
    assert SubscriptionOptions(quiet=("Sat-Sun",)).quiet_until(saturday) == datetime(2027, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize("quiet", ["25:00-26:00", "Mon-Sun", "sometimes", "07:00-07:00"])
def test_quiet_hours_that_make_no_sense_are_refused(quiet: str) -> None:
    """Nonsense, and a week that is all quiet, are refused with an example."""
    with pytest.raises(InvalidInputError, match="quiet hours"):
        SubscriptionOptions(quiet=(quiet,))


def test_an_unknown_zone_is_refused_without_quiet_hours_too() -> None:
    """The zone also determines when a day begins."""
    with pytest.raises(InvalidInputError, match="not a time zone"):
        SubscriptionOptions(zone="Mars/Base")


@pytest.mark.parametrize(
    "wrong",
    [
        wish(events=frozenset()),
        wish(servers=()),
        wish(servers=tuple(f"web{n}" for n in range(11))),
        wish(servers=("x" * 300,)),
        wish(events=frozenset({SubscriptionEvent.USAGE})),
        wish(options=SubscriptionOptions(usage=(Threshold("cpu", 90, 10),))),
        wish(
            events=frozenset({SubscriptionEvent.USAGE}), options=SubscriptionOptions(usage=(Threshold("cpu", 100, 10),))
        ),
        wish(
            events=frozenset({SubscriptionEvent.USAGE}), options=SubscriptionOptions(usage=(Threshold("luck", 50, 10),))
        ),
        wish(
            events=frozenset({SubscriptionEvent.USAGE}),
            options=SubscriptionOptions(usage=(Threshold("cpu", float("nan"), 10),)),
        ),
    ],
)
def test_what_is_no_subscription_is_refused(wrong: Subscription) -> None:
    """No event, no server, too many, or a threshold that cannot be met."""
    with pytest.raises(InvalidInputError):
        check(wrong)


async def test_one_is_kept_as_it_was_made_and_once(database: Database, clock: FakeClock) -> None:
    """It is read back complete; the same delivery makes it once; both are in the trail."""
    store = Subscriptions(database, clock)
    full = wish(
        events=frozenset(SubscriptionEvent),
        options=replace(NIGHT, usage=(Threshold("cpu", 92.5, 10),), until=START + timedelta(hours=2)),
    )
    made = await store.add(full, ALICE)
    assert await store.add(full, ALICE) == made
    assert await store.of_channel("T0ACME", "C0OPS") == [made]
    assert await store.all() == [made]
    assert made.by["id"] == "U0ALICE"
    assert [record.event for record in await database.read(chain.read)] == ["subscribed"]


async def test_only_its_own_channel_can_remove_one(database: Database, clock: FakeClock) -> None:
    """Another channel's or workspace's id is unknown; a removal is in the trail with who did it."""
    store = Subscriptions(database, clock)
    made = await store.add(wish(), ALICE)
    for team, channel in (("T0ACME", "C0OTHER"), ("T0OTHER", "C0OPS")):
        with pytest.raises(InvalidInputError, match="no such subscription"):
            await store.remove(team, channel, made.id, ALICE)
    await store.remove("T0ACME", "C0OPS", made.id, ALICE)
    assert await store.all() == []
    (last,) = [item for item in await database.read(chain.read) if item.event == "unsubscribed"]
    assert last.body["by"]["id"] == "U0ALICE"


async def test_a_channel_has_room_for_so_many(database: Database, clock: FakeClock) -> None:
    """The next one is refused, another channel is not concerned, and one that ended makes room."""
    store = Subscriptions(database, clock)
    for number in range(PER_CHANNEL - 1):
        await store.add(wish(number), ALICE)
    await store.add(wish(90, options=SubscriptionOptions(until=START + timedelta(hours=1))), ALICE)
    with pytest.raises(InvalidInputError, match="20 subscriptions already"):
        await store.add(wish(91), ALICE)
    await store.add(wish(92, channel="C0OTHER"), ALICE)
    clock.advance(3600)
    await store.add(wish(91), ALICE)
    assert len(await store.of_channel("T0ACME", "C0OPS")) == PER_CHANNEL


async def test_a_watch_takes_the_place_of_an_earlier_one(database: Database, clock: FakeClock) -> None:
    """Watching the same server again moves the end; other subscriptions stay; ended ones are forgotten."""
    store = Subscriptions(database, clock)
    await store.add(wish(1, servers=("srv-1",)), ALICE)
    for number, hours in ((2, 1), (3, 5)):
        until = START + timedelta(hours=hours)
        await store.add(wish(number, servers=("srv-1",), options=SubscriptionOptions(until=until, watch=True)), ALICE)
    assert {item.id for item in await store.all()} == {subscription_id("1"), subscription_id("3")}
    clock.advance(5 * 3600)
    assert [item.id for item in await store.all()] == [subscription_id("1")]
    assert await database.transact(lambda connection: forget_ended(connection, clock.now().timestamp())) == 1
