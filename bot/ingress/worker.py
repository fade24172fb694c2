"""Takes deliveries in and hands them on: stored once, acknowledged, then handled in the background; none twice."""

import hashlib
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup
from pydantic import BaseModel

from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.ingress.interaction import CLICK, COMMAND, EVENT, MESSAGE, SHORTCUT, SUBMISSION
from vpsops.bot.protocol.payloads import BlockActions, ChatMessage, EventCallback, ShortcutPayload, ViewSubmission
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError, VpsopsError
from vpsops.core.common.supervision import Supervisor
from vpsops.core.messaging.inbox import Inbox, InboxDelivery

AT_ONCE: Final = {COMMAND: 256, CLICK: 32, SUBMISSION: 32, EVENT: 16, SHORTCUT: 32, MESSAGE: 64}
"""Deliveries of a kind that are handled at once: commands that wait for a slow provider must not hold up a click."""
PATIENT: Final = frozenset({COMMAND, MESSAGE})
"""Kinds that wait for acknowledgements longer than clicks do."""
LEFT_BEHIND: Final = timings.LEFT_BEHIND_SECONDS
"""A delivery older than this was left by a process that ended: a living one keeps its own young."""
SWEEP_SECONDS: Final = timings.SWEEP_SECONDS
LONGEST_KEY: Final = 200
INBOX: Final = "inbox"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueuedDelivery:
    """A stored delivery, and its payload as ingress parsed it; None if it was stored by another process."""

    delivery: InboxDelivery
    payload: BaseModel | None = None


Handle = Callable[[InboxDelivery, BaseModel | None], Awaitable[None]]


@dataclass(slots=True)
class _Queue:
    """The deliveries of one kind that wait, and the slots there are for it."""

    slots: anyio.Semaphore
    urgent: bool
    _waiting: deque[QueuedDelivery] = field(default_factory=deque)
    _more: anyio.Event = field(default_factory=anyio.Event)

    def put(self, queued: QueuedDelivery) -> None:
        self._waiting.append(queued)
        self._more.set()

    async def take(self) -> QueuedDelivery:
        """Wait for a slot and for the next in line."""
        await self.slots.acquire()
        while not self._waiting:
            self._more = anyio.Event()
            await self._more.wait()
        return self._waiting.popleft()


class InboxWorker:
    """Takes deliveries in. `accept` is all that happens before the acknowledgement."""

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        handle: Handle,
        ack_scheduler: AckScheduler,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._supervisor = supervisor or Supervisor(clock)
        self._inbox = inbox
        self._clock = clock
        self._handle = handle
        self._ack_scheduler = ack_scheduler
        self._busy: set[str] = set()
        self._idle = anyio.Event()
        self._idle.set()
        self._queues = {kind: _Queue(anyio.Semaphore(most), kind not in PATIENT) for kind, most in AT_ONCE.items()}

    @property
    def busy(self) -> int:
        """How many deliveries are not handled yet."""
        return len(self._busy)

    async def accept(self, key: str, kind: str, payload: BaseModel) -> bool:
        """Store a delivery and queue it; return False for a redelivery. Raises `StorageError`.

        What is handled is what is stored: a payload that redaction alters is parsed again from there.
        """
        with self._ack_scheduler.acknowledging():
            whole = payload.model_dump()
            delivery = await self._inbox.accept(key, kind, whole)
            if delivery is None:
                logger.info("delivery_duplicate", kind=kind)
                return False
            self.take_up(delivery, payload if delivery.payload == whole else None)
            return True

    def take_up(self, delivery: InboxDelivery, payload: BaseModel | None = None) -> None:
        """Queue a stored delivery, unless this process has it already."""
        if delivery.key in self._busy:
            return
        self._busy.add(delivery.key)
        if self._idle.is_set():
            self._idle = anyio.Event()
        self._queues.get(delivery.kind, self._queues[COMMAND]).put(QueuedDelivery(delivery, payload))

    async def run(self) -> None:
        """Handle what was accepted, and what other processes left, until cancelled."""
        async with anyio.create_task_group() as group:
            self._supervisor.start("turns", self._ack_scheduler.run, group=group)
            self._supervisor.start(INBOX, self._sweep, group=group)
            for kind, queue in self._queues.items():
                self._supervisor.start(f"{INBOX}:{kind}", partial(self._work_off, queue, group), group=group)

    async def _work_off(self, queue: _Queue, group: TaskGroup) -> None:
        while True:
            queued = await queue.take()
            await self._ack_scheduler.slot(urgent=queue.urgent)
            self._supervisor.start_once("delivery", partial(self._run, queued, queue), group=group)

    async def _run(self, queued: QueuedDelivery, queue: _Queue) -> None:
        delivery = queued.delivery
        try:
            await self._handle(delivery, queued.payload)
            await self._inbox.done(delivery.key)
        except StorageError as error:  # left unfinished: the sweep takes it up again
            logger.error("delivery_unfinished", kind=delivery.kind, error=error.message, error_id=error.error_id)
        except Exception as error:
            fault = VpsopsError("a delivery could not be worked off")
            logger.exception("delivery_failed", kind=delivery.kind, error_id=fault.error_id, error=type(error).__name__)
            await self._give_up(delivery)
        finally:
            queue.slots.release()
            self._busy.discard(delivery.key)
            if not self._busy:
                self._idle.set()

    async def _give_up(self, delivery: InboxDelivery) -> None:
        """Settle a delivery after its handler failed: it would fail again."""
        try:
            await self._inbox.done(delivery.key)
        except StorageError as error:
            logger.error("delivery_not_settled", error=error.message, error_id=error.error_id)

    async def _sweep(self) -> None:
        """Take up what a process that ended has left, now and every few seconds, and keep this process's own young."""
        last = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            try:
                await self._inbox.keep(tuple(self._busy), now - last)
                last = now
                for delivery in await self._inbox.unfinished(older_than=LEFT_BEHIND, kinds=tuple(AT_ONCE), along=True):
                    if delivery.key not in self._busy:
                        logger.info("delivery_taken_up", kind=delivery.kind)
                        self.take_up(delivery)
                self._supervisor.record_round(INBOX)
            except StorageError as error:
                logger.error("deliveries_unreadable", error=error.message, error_id=error.error_id)
            await self._clock.sleep(SWEEP_SECONDS)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is handled, at most `seconds`; return whether that was reached."""
        with anyio.move_on_after(seconds if math.isfinite(seconds) else None):
            await self._idle.wait()
        return not self._busy


def click_key(click: BlockActions) -> str:
    """Return a click's key: the same on every redelivery, another for a second press."""
    used = click.actions[0]
    place = click.view.id if click.view else f"{click.container.channel_id}/{click.container.message_ts}"
    return _short(f"click:{click.user.id}:{place}:{used.action_id}:{used.action_ts}:{used.chosen_value}")


def submission_key(submission: ViewSubmission) -> str:
    """Return a submission's key: a form has another hash once it was redrawn."""
    return _short(f"view:{submission.user.id}:{submission.view.id}:{submission.view.hash}")


def event_key(event: EventCallback) -> str:
    """Return an event's key, from its workspace and id, which every retry repeats."""
    return _short(f"event:{event.team_id}:{event.event_id}")


def message_key(message: ChatMessage) -> str:
    """Return a message's key: one for all events about it, which have ids of their own when it is edited later."""
    workspace = next((each.team_id or each.enterprise_id for each in message.authorizations), message.team_id)
    return _short(f"message:{workspace}:{message.channel_id}:{message.ts}")


def shortcut_key(shortcut: ShortcutPayload) -> str:
    """Return the key of a shortcut's use: its user, its name, and Slack's time of it."""
    team = shortcut.team.id if shortcut.team else ""
    used = (team, shortcut.user.id, shortcut.callback_id, shortcut.action_ts, shortcut.trigger_id)
    return _short(f"shortcut:{':'.join(used)}")


def command_key(trigger: str) -> str:
    """Return a command's key, from its trigger, which is made once for each."""
    return _short(f"command:{trigger}")


def _short(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else f"{key[:60]}:{hashlib.sha256(key.encode()).hexdigest()}"
