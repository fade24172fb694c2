"""How fast we may talk: one message a second to a channel, and edits within their tier."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from cachetools import LRUCache

from vpsops.core.common.clock import Clock

POST_SECONDS: Final = 1.0
"""Slack: `chat.postMessage` about once a second for each channel."""
EDIT_SECONDS: Final = 1.2
"""Slack: `chat.update` is of tier 3, fifty a minute."""
EDIT_BURST: Final = 10
CHANNELS_KEPT: Final = 1000


@dataclass(slots=True)
class _ChannelWindow:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    free_at: float = 0.0


class MessageRateLimiter:
    """Gives out turns; whoever takes one waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._channels: LRUCache[str, _ChannelWindow] = LRUCache(CHANNELS_KEPT)
        self._edits = -EDIT_BURST * EDIT_SECONDS

    @asynccontextmanager
    async def post_slot(self, channel: str) -> AsyncIterator[None]:
        """Hold a channel's turn; the next one begins a second after this one has ended."""
        found = self._channel(channel)
        async with found.lock:
            await self._until(found.free_at)
            try:
                yield
            finally:
                found.free_at = max(found.free_at, self._clock.monotonic() + POST_SECONDS)

    async def wait_for_edit(self) -> None:
        """Wait for the next turn to edit; a short burst passes at once."""
        earliest = self._clock.monotonic() - EDIT_BURST * EDIT_SECONDS
        self._edits = max(self._edits, earliest) + EDIT_SECONDS
        await self._until(self._edits)

    def pause_edits(self, seconds: float) -> None:
        """Give no turn to edit for some time, because Slack said so."""
        self._edits = max(self._edits, self._clock.monotonic() + seconds - EDIT_SECONDS)

    def pause_channel(self, channel: str, seconds: float) -> None:
        """Give no turn to a channel for some time, because Slack said so."""
        found = self._channel(channel)
        found.free_at = max(found.free_at, self._clock.monotonic() + seconds)

    def _channel(self, name: str) -> _ChannelWindow:
        return self._channels.setdefault(name, _ChannelWindow())

    async def _until(self, at: float) -> None:
        left = at - self._clock.monotonic()
        if left > 0:
            await self._clock.sleep(left)
