"""Messages to be sent, stored with the effect that causes them, and the memory of what was posted.

A row is a reason to notify people. Cards are drawn from the change's present state when
they are sent, so several rows of one topic are one message: superseded updates merge by themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

import anyio
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.messaging.first_contact import delete_history
from vpsops.core.messaging.posted_messages import PostedMessage, copies_in, insert_copy
from vpsops.core.storage import commit_notifier, rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import LONGEST_SECONDS, ahead, dead
from vpsops.core.storage.tables import COPIES, OUTBOX

T = TypeVar("T")
CLAIM_SECONDS: Final = timings.CLAIM_SECONDS
NEWS = "news:"
CHANGE = "change:"
QUIET = "quiet hours"
"""The reason of a message that is held back on purpose, in place of an error."""
GATHERED = 500
KINDS = ("card", "notice", "event", "news", "grant")
LEFT_SECONDS: Final = timings.LEFT_SECONDS
"""A message that this process cannot read is left to others for this long before it is tried again."""
UNREADABLE = "cannot be read by this version"
MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A notification; `kind` is `card`, `notice`, `event`, `grant` or `news` (for a channel's subscriptions)."""

    id: int
    topic: str
    kind: str
    payload: Mapping[str, Json]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelNews:
    """A message for one channel, in place of the message that it came from."""

    channel: str
    payload: Mapping[str, Json]


def news_topic(channel: str) -> str:
    """Return the topic of a channel's subscriptions."""
    return f"{NEWS}{channel}"


def put(  # noqa: PLR0913 - a row, all of it named
    connection: Connection,
    topic: str,
    kind: str,
    payload: Mapping[str, Json],
    now: datetime,
    *,
    not_before: float = 0.0,
) -> None:
    """Store a message in the caller's transaction; `not_before` is in the lease clock."""
    stamp = now.timestamp()
    connection.execute(
        sa.insert(OUTBOX).values(
            topic=topic,
            kind=kind,
            payload=dict(payload),
            state="waiting",
            created_at=stamp,
            not_before=not_before,
            attempts=0,
            error="",
        )
    )
    commit_notifier.touch(connection, commit_notifier.OUTBOX)


def topic_of(change_id: str) -> str:
    """Return the topic of a change's messages."""
    return f"{CHANGE}{change_id}"


def change_in(topic: str) -> str:
    """Return the id of the change that a topic is about; "" for any other topic."""
    return topic.removeprefix(CHANGE) if topic.startswith(CHANGE) else ""


def put_card(connection: Connection, change_id: str, now: datetime) -> None:
    """Queue a change's card to be drawn again."""
    put(connection, topic_of(change_id), "card", {"change": change_id}, now)


def put_notice(connection: Connection, change_id: str, event: str, now: datetime) -> None:
    """Queue a notice of a change's end, or of the reason why it does not end."""
    put(connection, topic_of(change_id), "notice", {"change": change_id, "event": event}, now)


class Outbox:
    """The deliverer's side. Times to wait are in the lease clock, so a jump of the day's time harms nothing."""

    def __init__(self, database: Database, owner: str, clock: Clock) -> None:
        self._database = database
        self._owner = owner
        self._clock = clock
        self._marked = database.signals.mark(commit_notifier.OUTBOX)
        self._left: dict[str, float] = {}

    async def delete_history(self, started: datetime) -> int:
        """Delete what was stored before a bot's first start; return how many messages. Raises `StorageError`."""
        return await self._database.transact(lambda connection: delete_history(connection, started), wake=False)

    async def claim(self, limit: int = 20) -> list[OutboxMessage]:
        """Take the oldest topics' messages for 30 s; a topic is with one deliverer at a time, as long as that lives."""
        self._marked = self._database.signals.mark(commit_notifier.OUTBOX)
        return await self._database.transact(lambda connection: self._claim(connection, limit), wake=False)

    def _due(self, connection: Connection, tick: float, limit: int) -> list[str]:
        claimed = ahead(OUTBOX.c.until, tick) & OUTBOX.c.owner.not_in(dead(connection, tick))
        busy = sa.select(OUTBOX.c.topic).where(OUTBOX.c.state == "waiting", claimed)
        query = (
            sa.select(OUTBOX.c.topic)
            .where(OUTBOX.c.state == "waiting", ~ahead(OUTBOX.c.not_before, tick), OUTBOX.c.topic.not_in(busy))
            .where(OUTBOX.c.kind.in_(KINDS), OUTBOX.c.topic.not_in(self._left_topics()))
            .group_by(OUTBOX.c.topic)
            .order_by(sa.func.min(OUTBOX.c.id))
            .limit(limit)
        )
        return list(connection.scalars(query))

    def _claim(self, connection: Connection, limit: int) -> list[OutboxMessage]:
        # Of several processes that were woken most find nothing, and wait for no lock.
        if not self._has_more(connection):
            return []
        if not self._database.sqlite:  # one claimer at a time, so that a topic is never split between two
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(1987080194)"))
        tick = self._database.tick(connection)
        topics = self._due(connection, tick, limit)
        due = OUTBOX.c.topic.in_(topics) & ~ahead(OUTBOX.c.not_before, tick)
        mine = (OUTBOX.c.state == "waiting") & due & OUTBOX.c.kind.in_(KINDS)
        connection.execute(
            sa.update(OUTBOX)
            .where(mine)
            .values(owner=self._owner, until=tick + CLAIM_SECONDS, attempts=OUTBOX.c.attempts + 1)
        )
        return self._read(connection, mine)

    def _read(self, connection: Connection, taken: sa.ColumnElement[bool]) -> list[OutboxMessage]:
        """Return messages that were taken; those that cannot be read go back, for a process that can."""
        messages = rows.read(connection, sa.select(OUTBOX).where(taken).order_by(OUTBOX.c.id), OUTBOX.c.id, message_of)
        if messages.unreadable:
            later = self._database.tick(connection) + LEFT_SECONDS
            ids = [int(row.id) for row in messages.unreadable]
            self._mark(connection, ids, not_before=later, owner=None, until=None, error=UNREADABLE)
        return messages.rows

    async def renew(self, topic: str) -> None:
        """Keep the claim on the messages of a topic in hand, for as long as delivering them takes."""

        def work(connection: Connection) -> None:
            mine = (OUTBOX.c.topic == topic) & (OUTBOX.c.owner == self._owner) & OUTBOX.c.until.is_not(None)
            until = self._database.tick(connection) + CLAIM_SECONDS
            connection.execute(sa.update(OUTBOX).where(mine).values(until=until))

        await self._database.transact(work, durable=False, wake=False)

    async def leave(self, topic: str, ids: Sequence[int]) -> None:
        """Put messages back that this process cannot deliver and another may; take none of their topic for a while."""
        self._left[topic] = self._clock.monotonic() + LEFT_SECONDS
        await self.retry(ids, after=0.0, error=UNREADABLE)

    def _left_topics(self) -> list[str]:
        now = self._clock.monotonic()
        self._left = {topic: until for topic, until in self._left.items() if until > now}
        return list(self._left)

    async def done(self, ids: Sequence[int], copies: Sequence[PostedMessage] = ()) -> None:
        """Settle messages that were delivered, which are not kept, and store the copies that were posted for them."""
        at = self._clock.now().timestamp()

        def work(connection: Connection) -> bool:
            for copy in copies:
                insert_copy(connection, copy, at)
            connection.execute(sa.delete(OUTBOX).where(OUTBOX.c.id.in_(ids)))
            return self._has_more(connection)

        if await self._database.transact(work, wake=False):
            self.wake()

    def _has_more(self, connection: Connection) -> bool:
        """Return whether something can be claimed now: messages of a topic that was in hand could not be before."""
        return bool(self._due(connection, self._database.tick(connection), 1))

    async def spread(
        self, ids: Sequence[int], news: Sequence[ChannelNews], *, after: float, copies: Sequence[PostedMessage] = ()
    ) -> None:
        """Replace messages by those for each channel, to be claimed after some seconds; store what was posted for them.

        Both or neither, so a channel is notified once; messages that another process claimed since are left to it.
        """
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            for copy in copies:
                insert_copy(connection, copy, now.timestamp())
            mine = OUTBOX.c.id.in_(ids) & (OUTBOX.c.owner == self._owner)
            if connection.execute(sa.delete(OUTBOX).where(mine)).rowcount:
                due = self._database.tick(connection) + after
                for new in news:
                    put(connection, news_topic(new.channel), "news", new.payload, now, not_before=due)
            return self._has_more(connection)

        if await self._database.transact(work, wake=bool(news)):
            self.wake()

    async def gather(self, topic: str) -> list[OutboxMessage]:
        """Claim the other messages of a topic that is in hand, due or not, so that they go out together."""

        def work(connection: Connection) -> list[OutboxMessage]:
            free = OUTBOX.c.owner.is_(None) | (OUTBOX.c.owner == self._owner)
            mine = (OUTBOX.c.topic == topic) & (OUTBOX.c.state == "waiting") & free & OUTBOX.c.kind.in_(KINDS)
            some = sa.select(OUTBOX.c.id).where(mine).order_by(OUTBOX.c.id).limit(GATHERED)
            until = self._database.tick(connection) + CLAIM_SECONDS
            taken = OUTBOX.c.id.in_(list(connection.scalars(some)))
            connection.execute(sa.update(OUTBOX).where(taken).values(owner=self._owner, until=until))
            return self._read(connection, taken)

        return await self._database.transact(work, wake=False)

    async def retry(self, ids: Sequence[int], *, after: float, error: str) -> None:
        """Put messages back, to be taken again after some seconds; what another took over since then is left alone."""

        def work(connection: Connection) -> None:
            again = self._database.tick(connection) + min(after, LONGEST_SECONDS)
            self._mark(connection, ids, not_before=again, owner=None, until=None, error=error[:MAX_ERROR])

        await self._database.transact(work, wake=False)
        self.wake()

    async def release(self, codes: Sequence[str]) -> int:
        """Let messages be taken at once that wait because of one of these errors; return how many."""

        def work(connection: Connection) -> int:
            held_up = sa.or_(*(OUTBOX.c.error.endswith(f": {code}", autoescape=True) for code in codes))
            mine = (OUTBOX.c.state == "waiting") & OUTBOX.c.owner.is_(None) & held_up
            commit_notifier.touch(connection, commit_notifier.OUTBOX)
            return connection.execute(sa.update(OUTBOX).where(mine).values(not_before=0.0)).rowcount

        return await self._database.transact(work)

    async def dead(self, ids: Sequence[int], *, error: str) -> None:
        """Give up messages that can never be delivered; they are kept for the operator."""
        await self._database.transact(
            lambda connection: self._mark(
                connection, ids, state="dead", owner=None, until=None, error=error[:MAX_ERROR]
            ),
            wake=False,
        )
        self.wake()

    def _mark(self, connection: Connection, ids: Sequence[int], **values: object) -> None:
        mine = OUTBOX.c.id.in_(ids) & (OUTBOX.c.owner == self._owner)  # a late call must not void another's claim
        connection.execute(sa.update(OUTBOX).where(mine).values(**values))

    @property
    def owner(self) -> str:
        """The process that this deliverer is part of."""
        return self._owner

    async def wait(self, seconds: float) -> bool:
        """Wait for new messages since the last claim; return False where none is due after `seconds`.

        Raises `StorageError`.
        """
        woken = self._marked
        await self._database.signals.wait(seconds, since=woken)
        return woken.is_set() or await self._due_now(woken)

    async def _due_now(self, woken: anyio.Event) -> bool:
        """Query with the next heartbeat whether something can be claimed, unless a commit signals it before."""
        is_due, failure = False, None

        async def check() -> None:
            nonlocal is_due, failure
            tick = self._database.tick
            try:
                is_due = bool(
                    await self._database.read_along(lambda connection: self._due(connection, tick(connection), 1))
                )
            except StorageError as error:
                failure = error
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(check)
            await woken.wait()
            is_due = True
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return is_due

    def wake(self) -> None:
        """Wake this process's deliverer: what it could not claim before may be free now."""
        self._database.signals.notify({commit_notifier.OUTBOX})

    async def with_copies(self, topic: str, read: Callable[[Connection], T]) -> tuple[T, list[PostedMessage]]:
        """Read something together with where a topic's messages are posted, oldest first."""
        return await self._database.read(lambda connection: (read(connection), copies_in(connection, topic)))

    async def copies(self, topic: str) -> list[PostedMessage]:
        """Return the posted messages of a topic, oldest first."""
        return await self._database.read(partial(copies_in, topic=topic))

    async def topics_at(self, channel: str, ts: str) -> list[str]:
        """Return the topics of a message that was posted; none for a message that is not ours."""
        query = sa.select(COPIES.c.topic).where(COPIES.c.channel == channel, COPIES.c.ts == ts)
        return await self._database.read(lambda connection: list(connection.scalars(query)))

    async def copies_of(self, topics: Sequence[str]) -> Mapping[str, list[PostedMessage]]:
        """Return the posted messages of some topics, oldest first."""
        query = sa.select(COPIES).where(COPIES.c.topic.in_(topics)).order_by(COPIES.c.at)
        copies = await self._database.read(lambda connection: connection.execute(query).all()) if topics else []
        posted: dict[str, list[PostedMessage]] = {topic: [] for topic in topics}
        for row in copies:
            posted[row.topic].append(PostedMessage(row.topic, row.purpose, row.channel, row.ts))
        return posted

    async def remember(self, topic: str, purpose: str, channel: str, ts: str, *, audited: str = "") -> None:
        """Remember a posted copy, with `audited` as an event of its change; one that is known stays as it is."""
        at, copy = self._clock.now().timestamp(), PostedMessage(topic, purpose, channel, ts)

        def work(connection: Connection) -> None:
            if insert_copy(connection, copy, at) and audited:
                chain.append(connection, at, audited, topic.partition(":")[2], {"channel": channel})

        await self._database.transact(work, wake=False)

    async def forget(self, topic: str, channel: str, ts: str) -> None:
        """Forget a copy that is gone from the channel."""
        gone = (COPIES.c.topic == topic) & (COPIES.c.channel == channel) & (COPIES.c.ts == ts)
        await self._database.transact(lambda connection: connection.execute(sa.delete(COPIES).where(gone)), wake=False)


def message_of(row: sa.RowMapping) -> OutboxMessage:
    """Return the message a row holds; raises `UnreadableValueError`."""
    if row["kind"] not in KINDS:
        raise UnreadableValueError("a kind of message that is not known")
    if not isinstance(row["payload"], dict):
        raise UnreadableValueError("payload is no object")
    return OutboxMessage(
        id=row["id"],
        topic=row["topic"],
        kind=row["kind"],
        payload=row["payload"],
        attempts=row["attempts"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
    )
