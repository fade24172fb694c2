"""How fast we may talk: one message a second to a channel, and edits within their tier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from cachetools import LRUCache

from vpsops.core.common.clock import Clock
from vpsops.core.common.rate_limiter import Rate, RateLimiter

POST_SECONDS: Final = 1.0
"""Slack: `chat.postMessage` about once a second for each channel."""
EDIT_SECONDS: Final = 1.2
"""Slack: `chat.update` is of tier 3, fifty a minute."""
POSTS: Final = Rate(POST_SECONDS)
EDITS: Final = Rate(EDIT_SECONDS, burst=10)
CHANNELS_KEPT: Final = 1000
EDIT: Final = "chat.update"


class MessageRateLimiter:
    """Gives out turns; whoever takes one waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter: RateLimiter[str] = RateLimiter()
        self._locks: LRUCache[str, anyio.Lock] = LRUCache(CHANNELS_KEPT)

    @asynccontextmanager
    async def post_slot(self, channel: str) -> AsyncIterator[None]:
        """Hold a channel's turn; the next one begins a second after this one has ended."""
        async with self._locks.setdefault(channel, anyio.Lock()):
            await self._pause(self._limiter.wait(channel, POSTS, self._clock.monotonic()))
            try:
                yield
            finally:
                self.pause_channel(channel, POST_SECONDS)

    async def wait_for_edit(self) -> None:
        """Wait for the next turn to edit; a short burst passes at once."""
        await self._pause(self._limiter.reserve(EDIT, EDITS, self._clock.monotonic()))

    def pause_edits(self, seconds: float) -> None:
        """Give no turn to edit for some time, because Slack said so."""
        self._limiter.hold(EDIT, EDITS, self._clock.monotonic(), seconds)

    def pause_channel(self, channel: str, seconds: float) -> None:
        """Give no turn to a channel for some time, because Slack said so."""
        self._limiter.hold(channel, POSTS, self._clock.monotonic(), seconds)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)
