"""The signals of a long-running process: SIGTERM and SIGINT end it, SIGHUP has its settings read again."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

logger = structlog.get_logger(__name__)


class _EarlyHangUp:
    """A SIGHUP from before the receiver is there: by default it would end a process that begins."""

    def __init__(self) -> None:
        self._heard = False

    def hear(self, *_: object) -> None:
        """Keep it."""
        self._heard = True

    def has_heard(self) -> bool:
        """Return whether there was one; the next call starts afresh."""
        heard, self._heard = self._heard, False
        return heard


EARLY: Final = _EarlyHangUp()


def keep_hang_up() -> None:
    """Have SIGHUP end nothing from here on; called before settings are read, so that none of them is missed."""
    signal.signal(signal.SIGHUP, EARLY.hear)


def interrupt_at_sigterm() -> None:
    """Have SIGTERM end one piece of work as Ctrl-C does, so that it can remove what is not whole."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def ignore_reload() -> None:
    """Read nothing again: what ends with one piece of work keeps the settings that it began with."""


@dataclass(slots=True)
class _ShutdownSignal:
    """What happens when this process is to end, and whether that has begun."""

    begin: Callable[[], None]
    force: Callable[[int], None]
    reload: Callable[[], None]
    begun: bool = False

    def start(self, **why: str) -> None:
        """Begin, unless it has begun."""
        if not self.begun:
            logger.info("stopping", **why)
            self.begun = True
            self.begin()

    def hear(self, number: int) -> None:
        """Act on a signal."""
        if number == signal.SIGHUP:
            logger.info("reload_requested", signal="SIGHUP")
            self.reload()
        elif self.begun:
            self.force(number)
        else:
            self.start(signal=signal.Signals(number).name)

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Act on every signal."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            if EARLY.has_heard():
                self.hear(signal.SIGHUP)
            async for number in signals:
                self.hear(number)

    async def follow(self, outdated: anyio.Event) -> None:
        """Begin once the database is another version's."""
        await outdated.wait()
        self.start(reason="the database is another version's")


@asynccontextmanager
async def on_stop(
    begin: Callable[[], None],
    force: Callable[[int], None],
    outdated: anyio.Event | None = None,
    reload: Callable[[], None] = ignore_reload,
) -> AsyncIterator[None]:
    """Call `begin` at the first SIGTERM or SIGINT, or once `outdated` is set, and `force` at every later signal.

    SIGHUP calls `reload`.
    """
    stop = _ShutdownSignal(begin, force, reload)
    async with anyio.create_task_group() as group:
        if outdated is not None:
            group.start_soon(stop.follow, outdated)
        await group.start(stop.listen)  # before anything is served: an unhandled signal ends the process
        try:
            yield
        finally:
            group.cancel_scope.cancel()


@asynccontextmanager
async def stopping(
    outdated: anyio.Event | None = None, reload: Callable[[], None] = ignore_reload
) -> AsyncIterator[anyio.Event]:
    """Yield an event that SIGTERM or SIGINT sets, or `outdated`; a second signal ends the process at once.

    SIGHUP calls `reload`.
    """
    stop = anyio.Event()

    def force(number: int) -> None:
        raise SystemExit(128 + number)

    async with on_stop(stop.set, force, outdated, reload):
        yield stop
