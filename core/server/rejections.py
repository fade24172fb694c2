"""Counts rejected requests and logs them at intervals, so that a flood of requests does not flood the log."""

import asyncio
from collections import Counter
from typing import Final

import structlog

EVERY_SECONDS: Final = 10.0

logger = structlog.get_logger(__name__)


class Rejections:
    """Counts by reason. The first is logged at once, the others together every ten seconds."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def count(self, reason: str) -> None:
        """Count one; call it on the event loop."""
        self._counts[reason] += 1
        if self._timer is None:
            self._log()

    def _log(self) -> None:
        self._timer = None
        if self._counts:
            logger.warning("requests_rejected", door=self._door, **self._counts)
            self._counts.clear()
            self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._log)
