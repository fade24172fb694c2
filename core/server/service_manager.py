"""Notifies systemd, or another manager that gave NOTIFY_SOCKET, that this process serves, lives, and ends.

The protocol is datagrams of a few words (sd_notify(3)); the libraries for it (sdnotify, systemd-python) send the same
without an event loop's bounds, and the latter needs a compiler.
"""

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from vpsops.core.common.clock import Clock

MICROSECONDS: Final = 1_000_000
PARTS: Final = 2  # signs of life come twice within the time that the manager waits

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Where a service manager listens, and within how many seconds it wants a sign of life; 0 for never."""

    address: str
    seconds: float

    @classmethod
    def of(cls, environ: Mapping[str, str], pid: int) -> "ServiceManager | None":
        """Return the manager of this very process, or None."""
        address = environ.get("NOTIFY_SOCKET", "")
        if address[:1] not in {"/", "@"}:
            return None
        own = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        wanted = environ.get("WATCHDOG_USEC", "")
        seconds = int(wanted) / MICROSECONDS if own and wanted.isascii() and wanted.isdigit() else 0.0
        return cls(address.replace("@", "\0", 1) if address[0] == "@" else address, seconds)

    def send(self, words: str) -> None:
        """Send words without waiting; one that cannot be sent is logged, and the process serves on."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(words.encode(), self.address)
        except OSError as error:
            logger.warning("service_manager_unreachable", words=words, error=error.strerror)


@asynccontextmanager
async def reported(clock: Clock, environ: Mapping[str, str]) -> AsyncIterator[None]:
    """Say that the process is ready, give signs of life while its loop runs, and say when it ends."""
    manager = ServiceManager.of(environ, os.getpid())
    if manager is None:
        yield
        return
    manager.send("READY=1")
    try:
        async with anyio.create_task_group() as group:
            if manager.seconds:
                group.start_soon(_give_signs, manager, clock)
            yield
            group.cancel_scope.cancel()
    finally:
        manager.send("STOPPING=1")


async def _give_signs(manager: ServiceManager, clock: Clock) -> None:
    """Send a sign of life again and again: a loop that hangs sends none, and the manager starts the process again.

    A database file that was moved is no reason: a person has to put it back before a restart would help.
    """
    while True:
        manager.send("WATCHDOG=1")
        await clock.sleep(manager.seconds / PARTS)
