"""What Slack delivers: stored once, acknowledged, then worked off in the background; none is lost, none done twice."""

import hashlib
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
import structlog
from anyio.abc import TaskGroup

from vpsops.bot.ingress.ack_scheduler import AckScheduler
from vpsops.bot.protocol.payloads import BlockActions, EventCallback, ShortcutPayload, ViewSubmission
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError, VpsopsError
from vpsops.core.common.supervision import Supervisor
from vpsops.core.messaging.inbox import Inbox, InboxDelivery

COMMAND: Final = "command"
CLICK: Final = "click"
SUBMISSION: Final = "submission"
EVENT: Final = "event"
SHORTCUT: Final = "shortcut"

AT_ONCE: Final = {COMMAND: 256, CLICK: 32, SUBMISSION: 32, EVENT: 16, SHORTCUT: 32}
"""Deliveries of a kind in hand at once: commands that wait for a slow provider must not hold up a click."""
LEFT_BEHIND: Final = timings.LEFT_BEHIND_SECONDS
"""A delivery older than this was left by a process that ended: a living one keeps its own young."""
SWEEP_SECONDS: Final = timings.SWEEP_SECONDS
LONGEST_KEY: Final = 200
INBOX: Final = "inbox"

logger = structlog.get_logger(__name__)
Work = Callable[[InboxDelivery], Awaitable[None]]


@dataclass(slots=True)
class _Queue:
    """What waits of one kind, and the room there is for it."""

    room: anyio.Semaphore
    urgent: bool
    _line: deque[InboxDelivery] = field(default_factory=deque)
    _more: anyio.Event = field(default_factory=anyio.Event)

    def put(self, delivery: InboxDelivery) -> None:
        self._line.append(delivery)
        self._more.set()

    async def take(self) -> InboxDelivery:
        """Wait for room and for the next in line."""
        await self.room.acquire()
        while not self._line:
            self._more = anyio.Event()
            await self._more.wait()
        return self._line.popleft()


class InboxWorker:
    """Takes deliveries in. `accept` is all that happens before the acknowledgement."""

    def __init__(
        self, inbox: Inbox, clock: Clock, work: Work, ack_scheduler: AckScheduler, supervisor: Supervisor | None = None
    ) -> None:
        self._supervisor = supervisor or Supervisor(clock)
        self._inbox = inbox
        self._clock = clock
        self._work = work
        self._ack_scheduler = ack_scheduler
        self._busy: set[str] = set()
        self._idle = anyio.Event()
        self._idle.set()
        self._lanes = {kind: _Queue(anyio.Semaphore(most), urgent=kind != COMMAND) for kind, most in AT_ONCE.items()}

    @property
    def busy(self) -> int:
        """How many deliveries are not worked off yet."""
        return len(self._busy)

    async def accept(self, key: str, kind: str, payload: Mapping[str, Any]) -> bool:
        """Store a delivery and put it in line; say False when it was here before. Raises `StorageError`."""
        with self._ack_scheduler.acknowledging():
            if not await self._inbox.accept(key, kind, payload):
                logger.info("delivery again", kind=kind)
                return False
            self.take_up(InboxDelivery(key, kind, self._inbox.redactor.json(payload), self._clock.now()))
            return True

    def take_up(self, delivery: InboxDelivery) -> None:
        """Put a stored delivery in line, unless it is in hand already."""
        if delivery.key in self._busy:
            return
        self._busy.add(delivery.key)
        if self._idle.is_set():
            self._idle = anyio.Event()
        self._lanes.get(delivery.kind, self._lanes[COMMAND]).put(delivery)

    async def run(self) -> None:
        """Work off what was accepted, and what others left, until cancelled."""
        async with anyio.create_task_group() as group:
            self._supervisor.start("turns", self._ack_scheduler.run, group=group)
            self._supervisor.start(INBOX, self._sweep, group=group)
            for kind, lane in self._lanes.items():
                self._supervisor.start(f"{INBOX}:{kind}", partial(self._work_off, lane, group), group=group)

    async def _work_off(self, lane: "_Queue", group: TaskGroup) -> None:
        while True:
            delivery = await lane.take()
            await self._ack_scheduler.slot(urgent=lane.urgent)
            self._supervisor.start_once("delivery", partial(self._run, delivery, lane), group=group)

    async def _run(self, delivery: InboxDelivery, lane: "_Queue") -> None:
        try:
            await self._work(delivery)
            await self._inbox.done(delivery.key)
        except StorageError as error:  # left unfinished: the sweep takes it up again
            logger.error("delivery not finished", kind=delivery.kind, error=error.message, error_id=error.error_id)
        except Exception as error:
            fault = VpsopsError("a delivery could not be worked off")
            logger.exception("delivery broke", kind=delivery.kind, error_id=fault.error_id, error=type(error).__name__)
            await self._give_up(delivery)
        finally:
            lane.room.release()
            self._busy.discard(delivery.key)
            if not self._busy:
                self._idle.set()

    async def _give_up(self, delivery: InboxDelivery) -> None:
        """A delivery that breaks the work would break it again: it is not taken up a second time."""
        try:
            await self._inbox.done(delivery.key)
        except StorageError as error:
            logger.error("delivery not settled", error=error.message, error_id=error.error_id)

    async def _sweep(self) -> None:
        """Take up what a process that ended has left, now and every few seconds, and keep what is in hand here."""
        last = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            try:
                await self._inbox.keep(tuple(self._busy), now - last)
                last = now
                for delivery in await self._inbox.unfinished(older_than=LEFT_BEHIND, kinds=tuple(AT_ONCE), along=True):
                    if delivery.key not in self._busy:
                        logger.info("delivery taken up again", kind=delivery.kind)
                        self.take_up(delivery)
                self._supervisor.record_round(INBOX)
            except StorageError as error:
                logger.error("deliveries cannot be read", error=error.message, error_id=error.error_id)
            await self._clock.sleep(SWEEP_SECONDS)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is being worked on, at most `seconds`; say whether that was so."""
        with anyio.move_on_after(seconds if math.isfinite(seconds) else None):
            await self._idle.wait()
        return not self._busy


def click_key(click: BlockActions) -> str:
    """Name a click: the same on every redelivery, another for a second press."""
    used = click.actions[0]
    place = click.view.id if click.view else f"{click.container.channel_id}/{click.container.message_ts}"
    return _short(f"click:{click.user.id}:{place}:{used.action_id}:{used.action_ts}:{used.chosen_value}")


def submission_key(submission: ViewSubmission) -> str:
    """Name a submission: a form has another hash once it was drawn anew."""
    return _short(f"view:{submission.user.id}:{submission.view.id}:{submission.view.hash}")


def event_key(event: EventCallback) -> str:
    """Name an event by its workspace and id, which every retry repeats."""
    return _short(f"event:{event.team_id}:{event.event_id}")


def shortcut_key(shortcut: ShortcutPayload) -> str:
    """Name the use of a shortcut: by whom, which, and when Slack counted it."""
    team = shortcut.team.id if shortcut.team else ""
    used = (team, shortcut.user.id, shortcut.callback_id, shortcut.action_ts, shortcut.trigger_id)
    return _short(f"shortcut:{':'.join(used)}")


def command_key(trigger: str) -> str:
    """Name a command by its trigger, which is made once for each."""
    return _short(f"command:{trigger}")


def _short(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else f"{key[:60]}:{hashlib.sha256(key.encode()).hexdigest()}"
