"""The end of a long-running process: SIGTERM and SIGINT as an event."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import structlog

LOG = structlog.get_logger(__name__)


@asynccontextmanager
async def stopping() -> AsyncIterator[anyio.Event]:
    """Yield an event that SIGTERM or SIGINT sets; a second signal ends the process at once."""
    stop = anyio.Event()

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                if stop.is_set():
                    raise SystemExit(128 + number)
                LOG.info("stopping", signal=signal.Signals(number).name)
                stop.set()

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        try:
            yield stop
        finally:
            group.cancel_scope.cancel()
