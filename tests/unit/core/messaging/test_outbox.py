"""The outbox: stored with the effect, claimed by one deliverer at a time, never lost, given up only on purpose."""

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.messaging import outbox
from vpsops.core.messaging.outbox import ChannelNews, Outbox, OutboxMessage
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.storage import Database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import OUTBOX

BOUND = PATIENCE_SECONDS


@pytest.fixture
def boxes(database: Database, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> tuple[Outbox, Outbox]:
    """Two deliverers on a lease clock that the test moves, on either database."""
    monkeypatch.setattr(database, "tick", lambda _: clock.monotonic())
    return Outbox(database, "ann", clock), Outbox(database, "ben", clock)


async def put(database: Database, clock: FakeClock, *topics: str) -> None:
    """Store one card of each topic."""

    def work(connection: Connection) -> None:
        for topic in topics:
            outbox.put(connection, topic, "card", {"change": topic}, clock.now())

    await database.transact(work)


async def rows(database: Database) -> list[tuple[str, str, int, str]]:
    """Return topic, state, attempts and error of all that is stored."""
    columns = sa.select(OUTBOX.c.topic, OUTBOX.c.state, OUTBOX.c.attempts, OUTBOX.c.error).order_by(OUTBOX.c.id)
    return [tuple(row) for row in await database.read(lambda connection: connection.execute(columns).all())]


def topics(messages: list[OutboxMessage]) -> list[str]:
    """Return the topics of messages, in order."""
    return [message.topic for message in messages]


def ids(messages: list[OutboxMessage]) -> list[int]:
    """Return the numbers of messages, in order."""
    return [message.id for message in messages]


@pytest.mark.requirement("slack-messages-survive")
async def test_a_message_is_stored_with_its_effect_or_not_at_all(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """Where the transaction fails, no message about it is sent."""

    def work(connection: Connection) -> None:
        outbox.put_card(connection, "chg_1", clock.now())
        outbox.put_notice(connection, "chg_1", "succeeded", clock.now())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.transact(work)
    assert await boxes[0].claim() == []


async def test_messages_come_whole_and_oldest_first(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A claim has all there is of the oldest topics, in the order it was stored."""
    await put(database, clock, "a", "b", "a", "c")
    first = await boxes[0].claim(limit=2)
    assert topics(first) == ["a", "b", "a"]
    assert first[0] == OutboxMessage(first[0].id, "a", "card", {"change": "a"}, 1, clock.now())
    assert topics(await boxes[0].claim(limit=2)) == ["c"]


async def test_a_topic_is_with_one_deliverer_at_a_time(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """Messages that arrive during a topic's delivery wait for its end, so that edits cannot overtake each other."""
    ann, ben = boxes
    await put(database, clock, "a")
    mine = await ann.claim()
    await put(database, clock, "a", "b")
    assert topics(await ben.claim()) == ["b"]
    await ann.done(ids(mine))
    assert topics(await ben.claim()) == ["a"]


async def test_what_a_dead_deliverer_had_is_taken_over(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A claim lasts half a minute; then another delivers, and knows that it was tried before."""
    ann, ben = boxes
    await put(database, clock, "a")
    await ann.claim()
    clock.advance(29.9)
    assert await ben.claim() == []
    clock.advance(0.2)
    assert [message.attempts for message in await ben.claim()] == [2]


async def test_a_late_word_does_not_void_anothers_claim(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A deliverer that was paused and wakes up cannot put back or give up what another is delivering."""
    ann, ben = boxes
    await put(database, clock, "a")
    mine = await ann.claim()
    clock.advance(31)
    await ben.claim()
    await ann.retry(ids(mine), after=0, error="late")
    await ann.dead(ids(mine), error="late")
    assert await ann.claim() == []
    assert await rows(database) == [("a", "waiting", 2, "")]


async def test_a_number_is_never_given_again(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A late word on a message that is gone hits no other message, even where the table was empty meanwhile."""
    ann, ben = boxes
    await put(database, clock, "a")
    first = await ann.claim()
    clock.advance(31)
    await ben.done(ids(await ben.claim()))
    await put(database, clock, "b")
    await ann.done(ids(first))
    assert topics(await ben.claim()) == ["b"]


async def test_a_failed_delivery_is_tried_again_later(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """It rests for the requested time, keeps the error within bounds, and others go ahead meanwhile."""
    ann, ben = boxes
    await put(database, clock, "a", "b")
    mine = await ann.claim(limit=1)
    await ann.retry(ids(mine), after=60, error="x" * 1000)
    assert topics(await ben.claim()) == ["b"]
    assert (await rows(database))[0] == ("a", "waiting", 1, "x" * 300)
    clock.advance(59)
    assert topics(await ann.claim()) == ["b"]
    clock.advance(2)
    assert topics(await ann.claim()) == ["a"]


async def test_no_wait_is_longer_than_the_clock_can_tell(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A rest of an hour becomes nine minutes: a later tick would be taken for one from before a reboot."""
    await put(database, clock, "a")
    await boxes[0].retry(ids(await boxes[0].claim()), after=3600, error="busy")
    clock.advance(539)
    assert await boxes[0].claim() == []
    clock.advance(2)
    assert topics(await boxes[0].claim()) == ["a"]


async def test_what_can_never_be_delivered_is_kept_but_not_tried(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """The operator finds it, with the reason; the topic's other messages are sent."""
    ann, _ = boxes
    await put(database, clock, "a")
    await ann.dead(ids(await ann.claim()), error="channel_not_found")
    assert await rows(database) == [("a", "dead", 1, "channel_not_found")]
    await put(database, clock, "a")
    clock.advance(3600)
    assert len(await ann.claim()) == 1


async def test_ticks_from_before_a_reboot_hold_nothing_back(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """The lease clock restarts with the machine: claims and rests from before are void."""
    await put(database, clock, "claimed", "resting")
    await database.transact(
        lambda connection: connection.execute(
            sa.update(OUTBOX).where(OUTBOX.c.topic == "claimed").values(owner="old", until=90_000.0)
        )
    )
    await database.transact(
        lambda connection: connection.execute(
            sa.update(OUTBOX).where(OUTBOX.c.topic == "resting").values(not_before=90_000.0)
        )
    )
    assert topics(await boxes[0].claim()) == ["claimed", "resting"]


async def test_many_deliverers_share_the_work(database: Database, clock: FakeClock) -> None:
    """Eight claim at the same time until nothing is left: every message is with exactly one of them."""
    await put(database, clock, *(f"t{number % 20}" for number in range(60)))
    taken: list[tuple[str, int]] = []

    async def deliver(owner: str) -> None:
        box = Outbox(database, owner, clock)
        while messages := await box.claim(limit=3):
            taken.extend((message.topic, message.id) for message in messages)
            await box.done(ids(messages))

    with anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(deliver, f"deliverer-{number}")
    assert len(taken) == len(set(taken)) == 60
    assert await rows(database) == []


async def test_a_new_message_wakes_the_deliverer(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """An idle deliverer is woken, even by a message that came between its check and its wait."""
    assert await boxes[0].claim() == []
    await put(database, clock, "a")
    with anyio.fail_after(BOUND):
        await boxes[0].wait(600)
    assert topics(await boxes[0].claim()) == ["a"]


async def test_posted_copies_are_remembered_once(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """Posted copies can be found for an edit, in order, and are forgotten when they are gone."""
    ann, ben = boxes
    await ann.remember("a", "card", "C1", "1.0")
    clock.advance(1)
    await ann.remember("a", "thread", "C2", "2.0")
    await ben.remember("a", "other", "C1", "1.0")
    await ben.remember("b", "card", "C1", "3.0")
    assert await ann.copies("a") == [PostedMessage("a", "card", "C1", "1.0"), PostedMessage("a", "thread", "C2", "2.0")]
    await ben.forget("a", "C1", "1.0")
    assert await ann.copies("a") == [PostedMessage("a", "thread", "C2", "2.0")]
    assert await database.read(lambda connection: len(connection.execute(sa.select(OUTBOX)).all())) == 0


async def test_a_dead_deliverers_claim_is_taken_over_before_it_ends(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A process that beat and fell silent holds no topic; one that still beats keeps its own."""
    ann, ben = boxes
    await Process(database, clock, "slack", id="ann").beat()
    await put(database, clock, "a")
    assert topics(await ann.claim()) == ["a"]
    clock.advance(4.0)
    assert await ben.claim() == []
    clock.advance(2.0)
    assert topics(await ben.claim()) == ["a"]


async def test_what_channels_are_told_takes_the_place_of_its_cause(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """Both or neither: a deliverer that lost the message to another replaces nothing."""
    ann, ben = boxes
    await put(database, clock, "a")
    (message,) = await ann.claim()
    clock.advance(31.0)
    assert topics(await ben.claim()) == ["a"]
    await ann.spread([message.id], [ChannelNews("C1", {"n": 1})], after=2.0)
    assert [row[0] for row in await rows(database)] == ["a"]
    await ben.spread([message.id], [ChannelNews("C1", {"n": 1}), ChannelNews("C2", {"n": 2})], after=2.0)
    assert await ann.claim() == []
    clock.advance(2.0)
    assert [(item.topic, item.kind, item.payload) for item in await ann.claim()] == [
        ("news:C1", "news", {"n": 1}),
        ("news:C2", "news", {"n": 2}),
    ]


async def test_what_waits_for_its_time_goes_with_what_is_due(
    database: Database, clock: FakeClock, boxes: tuple[Outbox, Outbox]
) -> None:
    """A topic that is delivered brings its own postponed messages along, and no other topic's."""
    ann, ben = boxes
    await put(database, clock, "a", "b")
    first = await ann.claim()
    await ann.retry([first[0].id], after=300.0, error="quiet")
    clock.advance(1.0)
    await put(database, clock, "a", "b")
    assert topics(await ben.claim()) == ["a"]
    assert topics(await ben.gather("a")) == ["a", "a"]
