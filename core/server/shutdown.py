"""The end of a long-running process: SIGTERM and SIGINT as an event. SIGHUP ends nothing."""

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import structlog
from anyio.abc import TaskStatus

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _ShutdownSignal:
    """What happens when this process is to end, and whether that has begun."""

    begin: Callable[[], None]
    force: Callable[[int], None]
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
            hang_up()
        elif self.begun:
            self.force(number)
        else:
            self.start(signal=signal.Signals(number).name)

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Act on every signal."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                self.hear(number)

    async def follow(self, outdated: anyio.Event) -> None:
        """Begin once the database is another version's."""
        await outdated.wait()
        self.start(reason="the database is another version's")


@asynccontextmanager
async def on_stop(
    begin: Callable[[], None], force: Callable[[int], None], outdated: anyio.Event | None = None
) -> AsyncIterator[None]:
    """Call `begin` at the first SIGTERM or SIGINT, or once `outdated` is set, and `force` at every later signal."""
    stop = _ShutdownSignal(begin, force)
    async with anyio.create_task_group() as group:
        if outdated is not None:
            group.start_soon(stop.follow, outdated)
        await group.start(stop.listen)  # before anything is served: an unhandled signal ends the process
        try:
            yield
        finally:
            group.cancel_scope.cancel()


@asynccontextmanager
async def stopping(outdated: anyio.Event | None = None) -> AsyncIterator[anyio.Event]:
    """Yield an event that SIGTERM or SIGINT sets, or `outdated`; a second signal ends the process at once."""
    stop = anyio.Event()

    def force(number: int) -> None:
        raise SystemExit(128 + number)

    async with on_stop(stop.set, force, outdated):
        yield stop


def ignore_hang_up() -> None:
    """Have SIGHUP end nothing from the start on: by default it would end a process that begins."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def hang_up() -> None:
    """Say in the log what SIGHUP does: a service manager sends it to have settings read again."""
    logger.info("sighup_ignored", hint="Settings are read at start-up; the tokens file is read whenever it changes.")
