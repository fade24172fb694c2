"""The last instants of a run: the intention is stored on an open connection, and the write leaves in time or not."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vpsops.core.changes.model import Change
from vpsops.core.common.clock import Clock
from vpsops.core.storage.leases import Process


class LateError(Exception):
    """This process was too slow, or others may count it as dead: the write was not sent. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class SendDeadline:
    """Passed at the last instant before a write's first byte leaves, or not at all."""

    process: Process
    clock: Clock
    until: float  # by the steady clock

    def check(self) -> None:
        """Let the write pass; raises `LateError`."""
        late = self.clock.monotonic() - self.until
        if late > 0:
            raise LateError(f"this process was late by {late:.1f} s")
        if not self.process.database.in_place:
            raise LateError("the database file of this process was moved")
        if not self.process.certain:
            raise LateError(f"this process {_silence(self.process, self.clock)}, so that others may count it as dead")


def _silence(process: Process, clock: Clock) -> str:
    seconds = clock.monotonic() - process.last_beat
    if math.isinf(seconds):
        return "could not store yet that it is alive"
    return f"could not store for {seconds:.1f} s that it is alive"


@dataclass(slots=True)
class WriteHook:
    """The departure of one write: its intention is stored once, and each connection it takes is fenced."""

    change: Change  # as it is stored now
    store: Callable[[], Awaitable[tuple[Change, SendDeadline]]]
    fence: SendDeadline | None = None
    left: bool = False

    async def connected(self) -> None:
        """Store the intention, unless it is stored; propagates the errors of storing it."""
        if self.fence is None:
            self.change, self.fence = await self.store()

    def before_send(self) -> None:
        """Pass the fence; raises `LateError`."""
        self.left = False  # on another connection: nothing was written on the first one
        if self.fence is None:
            raise AssertionError("a write is connected before it is sent")
        self.fence.check()
        self.left = True


def pause_after(lateness: int, first: float, longest: float) -> float:
    """Return the seconds to wait before another attempt, after so many that were late."""
    return float(min(first * 2 ** min(lateness - 1, 16), longest))
