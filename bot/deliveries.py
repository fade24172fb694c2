"""What Slack delivers: stored once, acknowledged, then worked off in the background; none is lost, none done twice."""

import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import anyio
import structlog
from anyio.abc import TaskGroup

from bot.wire import Click, Submission
from core.clock import Clock
from core.errors import StorageError, VpsopsError
from core.inbox import Delivery, Inbox

COMMAND: Final = "command"
CLICK: Final = "click"
SUBMISSION: Final = "submission"

AT_ONCE: Final = 64
LEFT_BEHIND: Final = 20.0
"""A delivery older than this that nobody finished was left by a process that ended."""
SWEEP_SECONDS: Final = 10.0
LONGEST_KEY: Final = 200

log = structlog.get_logger(__name__)
Work = Callable[[Delivery], Awaitable[None]]


class Intake:
    """Takes deliveries in. `accept` is all that happens before the acknowledgement."""

    def __init__(self, inbox: Inbox, clock: Clock, work: Work, group: TaskGroup) -> None:
        self._inbox = inbox
        self._clock = clock
        self._work = work
        self._group = group
        self._limit = anyio.Semaphore(AT_ONCE)
        self._busy: set[str] = set()
        self._idle = anyio.Event()
        self._idle.set()

    @property
    def busy(self) -> int:
        """How many deliveries are being worked on."""
        return len(self._busy)

    async def accept(self, key: str, kind: str, payload: Mapping[str, Any]) -> bool:
        """Store a delivery and start on it; say False when it was here before. Raises `StorageError`."""
        if not await self._inbox.accept(key, kind, payload):
            log.info("delivery again", kind=kind)
            return False
        self._start(Delivery(key, kind, payload, self._clock.now()))
        return True

    def _start(self, delivery: Delivery) -> None:
        if delivery.key in self._busy:
            return
        self._busy.add(delivery.key)
        if self._idle.is_set():
            self._idle = anyio.Event()
        self._group.start_soon(self._run, delivery)

    async def _run(self, delivery: Delivery) -> None:
        try:
            async with self._limit:
                await self._work(delivery)
            await self._inbox.done(delivery.key)
        except StorageError as error:  # left unfinished: the sweep takes it up again
            log.error("delivery not finished", kind=delivery.kind, error=error.message, error_id=error.error_id)
        except Exception as error:
            fault = VpsopsError("a delivery could not be worked off")
            log.exception("delivery broke", kind=delivery.kind, error_id=fault.error_id, error=type(error).__name__)
            await self._give_up(delivery)
        finally:
            self._busy.discard(delivery.key)
            if not self._busy:
                self._idle.set()

    async def _give_up(self, delivery: Delivery) -> None:
        """A delivery that breaks the work would break it again: it is not taken up a second time."""
        try:
            await self._inbox.done(delivery.key)
        except StorageError as error:
            log.error("delivery not settled", error=error.message, error_id=error.error_id)

    async def sweep(self) -> None:
        """Take up what a process that ended has left, now and every few seconds."""
        while True:
            try:
                for delivery in await self._inbox.unfinished(older_than=LEFT_BEHIND):
                    if delivery.key not in self._busy:
                        log.info("delivery taken up again", kind=delivery.kind)
                        self._start(delivery)
            except StorageError as error:
                log.error("deliveries cannot be read", error=error.message, error_id=error.error_id)
            await self._clock.sleep(SWEEP_SECONDS)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is being worked on, at most `seconds`; say whether that was so."""
        with anyio.move_on_after(seconds if math.isfinite(seconds) else None):
            await self._idle.wait()
        return not self._busy


def click_key(click: Click) -> str:
    """Name a click: the same on every redelivery, another for a second press."""
    used = click.actions[0]
    place = click.view.id if click.view else f"{click.container.channel_id}/{click.container.message_ts}"
    return _short(f"click:{click.user.id}:{place}:{used.action_id}:{used.action_ts}:{used.given}")


def submission_key(submission: Submission) -> str:
    """Name a submission: a form has another hash once it was drawn anew."""
    return _short(f"view:{submission.user.id}:{submission.view.id}:{submission.view.hash}")


def command_key(trigger: str) -> str:
    """Name a command by its trigger, which is made once for each."""
    return _short(f"command:{trigger}")


def _short(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else f"{key[:60]}:{hashlib.sha256(key.encode()).hexdigest()}"
