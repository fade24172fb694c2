"""Delivers the outbox: every message is drawn from the present state when its turn comes, so updates merge."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.bot.notifications.change_topic import ChangeTopic, TopicBatch, TopicLocks, load_topic
from vpsops.bot.notifications.events import of_event, spread
from vpsops.bot.notifications.subscribers import Subscribers
from vpsops.bot.notifications.token_check import DeliveryHealth
from vpsops.bot.notifications.workspace_delivery import SharedState, WorkspaceDelivery
from vpsops.bot.slack_api.client import APP_REMOVED_CODES, LAYOUT_CODES, SlackError
from vpsops.bot.workspaces.registry import NotInstalledError, WorkspaceSessions
from vpsops.core.app import Core
from vpsops.core.changes.model import Change
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common import timings
from vpsops.core.common.errors import StorageError, UnknownChangeError, UnknownGrantError, UnreadableRowError
from vpsops.core.grants.topics import grant_in
from vpsops.core.messaging.outbox import NEWS, ChannelNews, OutboxMessage, topic_of
from vpsops.core.monitoring.change_telemetry import traceparent_of
from vpsops.core.telemetry.metrics import SLACK_RETRIES

AT_ONCE: Final = 10
"""Topics in hand at once."""
IDLE_SECONDS: Final = timings.IDLE_SECONDS
TOGETHER_SECONDS: Final = timings.TOGETHER_SECONDS
"""A change takes its steps within a few milliseconds: one card shows all of them."""
OUTBOX: Final = "outbox"

logger = structlog.get_logger(__name__)


class OutboxWorker:
    """Claims outbox rows and has them delivered. One process's; several may run beside each other."""

    def __init__(self, core: Core, sessions: WorkspaceSessions) -> None:
        self._core = core
        self._sessions = sessions
        self._shared = SharedState.of(core)
        self._deliveries: dict[str, WorkspaceDelivery] = {}
        self._subscribers = Subscribers(core)
        self._locks = TopicLocks()
        self._room = anyio.Semaphore(AT_ONCE)
        self._supervisor = core.supervisor
        self._finishing = False
        self._group: TaskGroup | None = None
        self._started: datetime | None = core.clock.now()
        self.health = DeliveryHealth()

    async def run(self) -> None:
        """Deliver until asked to finish; no failure ends it, and no slow channel holds up another."""
        self._room = anyio.Semaphore(AT_ONCE)  # where this is started again, nothing is in hand any more
        async with anyio.create_task_group() as group:
            self._group = group
            while not self._finishing:
                room = self._room.value
                messages = await self._claim()
                topics = len({message.topic for message in messages})
                for topic, claimed in groupby(messages, key=lambda message: message.topic):
                    await self._room.acquire()
                    self._supervisor.start_once("message", partial(self._in_hand, topic, list(claimed)), group=group)
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
            logger.error("outbox_unreadable", error=error.message, error_id=error.error_id)

    async def finish(self, seconds: float) -> None:
        """Claim no more, and let what is being posted be posted and remembered, at most for `seconds`."""
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
            if self._started is not None:
                deleted = await self._core.outbox.delete_history(self._started)
                self._started = None
                if deleted:
                    logger.info("history_not_posted", messages=deleted)
            messages = await self._core.outbox.claim(self._room.value or 1)
        except StorageError as error:
            logger.error("outbox_unreadable", error=error.message, error_id=error.error_id)
            return []
        self._supervisor.record_round(OUTBOX)
        return sorted(messages, key=lambda message: (message.topic, message.id))

    async def _in_hand(self, topic: str, messages: list[OutboxMessage]) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._renew, topic)
                await self._deliver_topic(topic, messages)
                group.cancel_scope.cancel()
        finally:
            self._room.release()

    async def _renew(self, topic: str) -> None:
        """Keep other processes from posting the same while Slack is slow."""
        while True:
            await self._core.clock.sleep(timings.RENEW_SECONDS)
            try:
                await self._core.outbox.renew(topic)
            except StorageError as error:  # the claim holds for a while yet
                logger.error("claim_not_renewed", topic=topic, error=error.message, error_id=error.error_id)

    async def redraw(self, change: Change) -> None:
        """Edit the posted cards to the change's present state; posts nothing new."""
        delivery = await self._delivery(self._core.workspaces.owner(change.origin))
        outbox, name = self._core.outbox, topic_of(change.id)
        async with self._locks.of(name):
            await delivery.cards.redraw(ChangeTopic(outbox, change, await outbox.copies(name)))

    async def _delivery(self, team: str) -> WorkspaceDelivery:
        """Return what delivers in one workspace, with its present token; raises `NotInstalledError`, `StorageError`."""
        session = await self._sessions.of(team)
        key = team if self._core.workspaces.several else ""
        known = self._deliveries.get(key)
        if known is None or known.session.slack is not session.slack:
            known = self._deliveries[key] = WorkspaceDelivery(session, self._shared, self._failed)
        return known

    async def _deliver_topic(self, topic: str, messages: list[OutboxMessage]) -> None:
        """Deliver one topic's messages: the card once, and settled with what follows it, then each notice."""
        if topic.startswith(NEWS):
            await self._deliver_news(topic, messages)
            return
        if grant_in(topic):
            await self._deliver_grant(topic, messages)
            return
        batch, steps = TopicBatch(topic), _steps_of(messages)
        for number, step in enumerate(steps, start=1):
            if not await self._deliver_step(batch, step, settle=step[0].kind != "card" or number == len(steps)):
                await self._put_back([message for later in steps[number:] for message in later])
                return

    async def _deliver_news(self, topic: str, messages: list[OutboxMessage]) -> None:
        ids = [message.id for message in messages]
        try:
            delivery = await self._delivery(await self._subscribers.team_of(messages))
            await delivery.digests.deliver(topic, messages)
        except NotInstalledError as error:
            await self._core.outbox.dead(ids, error=error.message)
        except StorageError as error:  # the lease runs out by itself
            logger.error("news_not_settled", topic=topic, error=error.message, error_id=error.error_id)
        except Exception as error:
            logger.exception("news_failed", topic=topic)
            await self._core.outbox.dead(ids, error=type(error).__name__)

    async def _deliver_grant(self, topic: str, messages: list[OutboxMessage]) -> None:
        """Draw a grant's line once, from its present state."""
        ids = [message.id for message in messages]
        try:
            grant = await self._core.grants.get(grant_in(topic), scope=OPERATOR)
            async with self._locks.of(topic):
                await (await self._delivery(self._core.workspaces.owner(grant.origin))).show_grant(grant)
            await self._core.outbox.done(ids)
        except SlackError as error:
            await self._failed(ids, messages[-1].attempts, error)
        except (UnknownGrantError, NotInstalledError) as error:
            await self._core.outbox.dead(ids, error=error.message)
        except StorageError as error:  # the lease runs out by itself
            logger.error("message_not_settled", topic=topic, error=error.message, error_id=error.error_id)
        except Exception as error:
            logger.exception("message_failed", topic=topic)
            await self._core.outbox.dead(ids, error=type(error).__name__)

    async def _deliver_step(self, batch: TopicBatch, step: list[OutboxMessage], *, settle: bool) -> bool:
        """Deliver messages as one; return whether the topic's later ones may follow."""
        ids = [message.id for message in step]
        try:
            news = await self._deliver(batch, step[-1], again=any(message.attempts > 1 for message in step))
            batch.delivered += ids
            if settle:
                await self._settle(batch, news)
        except SlackError as error:
            await self._settle(batch)
            await self._failed(ids, step[-1].attempts, error)
            return False
        except (UnknownChangeError, NotInstalledError) as error:
            await self._give_up(batch, ids, error.message)
        except UnreadableRowError as error:
            logger.info("message_left_to_others", topic=batch.topic, why=error.message)
            await self._core.outbox.leave(batch.topic, ids)
            return False
        except StorageError as error:  # the lease runs out by itself
            logger.error("message_not_settled", topic=batch.topic, error=error.message, error_id=error.error_id)
            return False
        except Exception as error:
            logger.exception("message_failed", topic=batch.topic)
            await self._give_up(batch, ids, type(error).__name__)
        else:
            self.health.recovered()
        return True

    async def _settle(self, batch: TopicBatch, news: Sequence[ChannelNews] = ()) -> None:
        """Settle what was delivered, with the copies posted for it; what subscribers are sent takes its place."""
        ids, batch.delivered = batch.delivered, []
        copies = batch.change.take_unsaved() if batch.change else []
        if news:
            after = self._core.timing.notice_seconds
            await self._core.outbox.spread(ids, news, after=after, copies=copies)
            if self._group is not None:
                self._supervisor.start_once("wake", partial(self._wake, after), group=self._group)
        elif ids or copies:
            await self._core.outbox.done(ids, copies)

    async def _give_up(self, batch: TopicBatch, ids: list[int], error: str) -> None:
        await self._settle(batch)
        await self._core.outbox.dead(ids, error=error)

    async def _wake(self, seconds: float) -> None:
        await self._core.clock.sleep(seconds)
        self._core.outbox.wake()

    async def _deliver(self, batch: TopicBatch, message: OutboxMessage, *, again: bool) -> Sequence[ChannelNews]:
        """Deliver one message, and return what subscribers are to be sent of it."""
        if message.kind == "event":
            return await self._deliver_event(message)
        async with self._locks.of(batch.topic):
            topic = batch.change = batch.change or await load_topic(self._core.outbox, str(message.payload["change"]))
            team = self._core.workspaces.owner(topic.change.origin)
            delivery = await self._delivery(team)
            try:
                with self._core.telemetry.tracer.span(f"message {message.kind}", parent=traceparent_of(topic.change)):
                    return await delivery.deliver(topic, message, again=again)
            except SlackError as error:
                if not self._core.workspaces.several or error.code not in APP_REMOVED_CODES:
                    raise
                if not await self._sessions.gone(team, delivery.session.slack.client.token or ""):
                    raise
                raise NotInstalledError(f"Slack takes the token of {team} no more ({error.code}).") from None

    async def _deliver_event(self, message: OutboxMessage) -> Sequence[ChannelNews]:
        occasions = of_event(message.payload)
        if occasions:
            return spread(occasions, await self._subscribers.all(), self._core.clock.now())
        known = [space.team for space in self._core.workspaces.known] if self._core.workspaces.several else [""]
        teams = [str(message.payload["team"])] if message.payload.get("team") else known
        for team in teams:
            try:
                await (await self._delivery(team)).notices.announce(message)
            except (NotInstalledError, UnreadableRowError) as error:
                logger.info("announcement_skipped", team=team, why=error.message)
        return ()

    async def _failed(self, ids: list[int], attempts: int, error: SlackError) -> None:
        if error.code in LAYOUT_CODES:  # the plainer one was refused as well, and would be for ever
            logger.error("message_given_up", error=str(error))
            await self._core.outbox.dead(ids, error=str(error))
            return
        after = self.health.failed(error, attempts, several=self._core.workspaces.several)
        self._core.telemetry.meter.count(SLACK_RETRIES)
        await self._core.outbox.retry(ids, after=after, error=str(error))

    async def _put_back(self, messages: list[OutboxMessage]) -> None:
        if messages:
            ids = [message.id for message in messages]
            await self._core.outbox.retry(ids, after=1.0, error="after an earlier one")


def _steps_of(messages: Sequence[OutboxMessage]) -> list[list[OutboxMessage]]:
    """Return the messages that are delivered as one: all of the card, then each notice."""
    cards = [message for message in messages if message.kind == "card"]
    return [*([cards] if cards else []), *([message] for message in messages if message.kind != "card")]
