"""The end of a long-running process: SIGTERM and SIGINT as an event. SIGHUP ends nothing."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import structlog
from anyio.abc import TaskStatus

LOG = structlog.get_logger(__name__)


@asynccontextmanager
async def stopping(outdated: anyio.Event | None = None) -> AsyncIterator[anyio.Event]:
    """Yield an event that SIGTERM or SIGINT sets, or `outdated`; a second signal ends the process at once."""
    stop = anyio.Event()

    async def follow(other: anyio.Event) -> None:
        await other.wait()
        LOG.info("stopping", reason="the database is another version's")
        stop.set()

    async def listen(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    hang_up()
                    continue
                if stop.is_set():
                    raise SystemExit(128 + number)
                LOG.info("stopping", signal=signal.Signals(number).name)
                stop.set()

    async with anyio.create_task_group() as group:
        if outdated is not None:
            group.start_soon(follow, outdated)
        await group.start(listen)  # before anything is served: a signal that nobody hears ends the process
        try:
            yield stop
        finally:
            group.cancel_scope.cancel()


def ignore_hang_up() -> None:
    """Have SIGHUP end nothing from the start on: by default it would end a process that begins."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def hang_up() -> None:
    """Say in the log what SIGHUP does: a service manager sends it to have settings read again."""
    LOG.info("SIGHUP changes nothing: settings are read at the start, the file of tokens whenever it changes")
