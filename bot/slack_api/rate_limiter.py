"""Rate limits of outgoing messages: one post per second and channel, and edits within their tier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from cachetools import LRUCache

from vpsops.core.common.clock import Clock
from vpsops.core.common.rate_limiter import Rate, RateLimiter

POST_SECONDS: Final = 1.0
"""Slack: `chat.postMessage` about once per second and channel."""
EDIT_SECONDS: Final = 1.2
"""Slack: `chat.update` is in tier 3, 50 per minute."""
POSTS: Final = Rate(POST_SECONDS)
EDITS: Final = Rate(EDIT_SECONDS, burst=10)
CHANNELS_KEPT: Final = 1000
EDIT: Final = "chat.update"


class MessageRateLimiter:
    """Delays posts and edits to stay within Slack's rate limits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limiter: RateLimiter[str] = RateLimiter()
        self._locks: LRUCache[str, anyio.Lock] = LRUCache(CHANNELS_KEPT)

    @asynccontextmanager
    async def post_slot(self, channel: str) -> AsyncIterator[None]:
        """Wait for the channel's slot and hold it; the next slot begins one second after it is released."""
        async with self._locks.setdefault(channel, anyio.Lock()):
            await self._pause(self._limiter.wait(channel, POSTS, self._clock.monotonic()))
            try:
                yield
            finally:
                self.pause_channel(channel, POST_SECONDS)

    async def wait_for_edit(self) -> None:
        """Wait until an edit is allowed; a short burst passes without delay."""
        await self._pause(self._limiter.reserve(EDIT, EDITS, self._clock.monotonic()))

    def pause_edits(self, seconds: float) -> None:
        """Delay all edits by `seconds`, as Slack requested."""
        self._limiter.hold(EDIT, EDITS, self._clock.monotonic(), seconds)

    def pause_channel(self, channel: str, seconds: float) -> None:
        """Delay posts to a channel by `seconds`, as Slack requested."""
        self._limiter.hold(channel, POSTS, self._clock.monotonic(), seconds)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)
