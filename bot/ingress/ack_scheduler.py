"""Schedules background work behind acknowledgements: it begins while none is under way, or after waiting long.

Both run on one event loop, and Slack limits the time of the acknowledgement only.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from vpsops.core.common.clock import Clock

QUIET_SECONDS: Final = 0.003
"""After so long without an acknowledgement none is expected to follow at once."""
PATIENCE_SECONDS: Final = 0.5
SLOW_SECONDS: Final = 0.025
"""Between two steps of work that waited long while acknowledgements continue: a `status` takes 2.5 ms, so a tenth of
the processor."""


class AckScheduler:
    """Grants slots, the urgent first, then the oldest; `run` is the loop that does so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way = 0
        self._ended_at = -QUIET_SECONDS
        self._urgent: deque[tuple[float, anyio.Event]] = deque()
        self._queue: deque[tuple[float, anyio.Event]] = deque()
        self._requested = anyio.Event()

    @contextmanager
    def acknowledging(self) -> Iterator[None]:
        """Mark an acknowledgement as under way."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._ended_at = self._clock.monotonic()

    async def slot(self, *, urgent: bool = False) -> None:
        """Wait until nothing has to be acknowledged, or for half a second and those who wait longer."""
        slot = anyio.Event()
        (self._urgent if urgent else self._queue).append((self._clock.monotonic(), slot))
        self._requested.set()
        await slot.wait()

    async def run(self) -> None:
        """Grant slots until cancelled."""
        while True:
            while not (self._urgent or self._queue):
                self._requested = anyio.Event()
                await self._requested.wait()
            since = min(line[0][0] for line in (self._urgent, self._queue) if line)
            if not await self._quiet(since + PATIENCE_SECONDS):
                await self._clock.sleep(SLOW_SECONDS)
            (self._urgent or self._queue).popleft()[1].set()
            await anyio.lowlevel.checkpoint()  # one step, then whatever has come meanwhile

    async def _quiet(self, until: float) -> bool:
        """Wait until no acknowledgement is under way, at most until a time; return whether that was reached."""
        while (left := until - self._clock.monotonic()) > 0:
            still = self._ended_at + QUIET_SECONDS - self._clock.monotonic()
            if not self._under_way and still <= 0:
                return True
            await self._clock.sleep(min(QUIET_SECONDS if self._under_way else still, left))
        return not self._under_way
