"""When the Socket Mode connection may be opened again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vpsops.core.common import timings

AGAIN_SECONDS: Final = timings.LINE_AGAIN_SECONDS
STEADY_SECONDS: Final = timings.LINE_STEADY_SECONDS
WITHHELD_SECONDS: Final = timings.LINE_WITHHELD_SECONDS
JITTER: Final = 0.25
"""Share of a pause that is added at random at most, so that many processes do not come back at the same moment."""


@dataclass(slots=True)
class ConnectionPace:
    """The pauses between attempts: a second after the first, then longer, until a connection was open for a minute.

    The SDK has none after a `disconnect`: with `too_many_websockets` it opens a hundred connections a second.
    """

    spread: Callable[[float, float], float] = random.uniform
    attempts: int = 0
    """Attempts since a connection was open for `STEADY_SECONDS`."""

    def next_pause(self, retry_after: float = 0.0) -> float:
        """Count an attempt, and return the seconds to wait before it; at least Slack's Retry-After, within bounds."""
        self.attempts += 1
        if self.attempts == 1:
            return 0.0
        pause = AGAIN_SECONDS[min(self.attempts - 2, len(AGAIN_SECONDS) - 1)]
        pause = max(pause, min(retry_after, WITHHELD_SECONDS))
        return pause * self.spread(1.0, 1.0 + JITTER)

    def ended(self, open_seconds: float) -> None:
        """Note that a connection ended; after one that was open for long enough the next attempt is the first."""
        if open_seconds >= STEADY_SECONDS:
            self.attempts = 0
