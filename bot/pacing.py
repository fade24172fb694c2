"""How fast we may talk: one message a second to a channel, and edits within their tier."""

from collections import OrderedDict
from typing import Final

from core.clock import Clock

POST_SECONDS: Final = 1.0
"""Slack: `chat.postMessage` about once a second for each channel."""
EDIT_SECONDS: Final = 1.2
"""Slack: `chat.update` is of tier 3, fifty a minute."""
EDIT_BURST: Final = 10
CHANNELS_KEPT: Final = 1000


class Pace:
    """Gives out turns; whoever takes one waits for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: OrderedDict[str, float] = OrderedDict()
        self._edits = -EDIT_BURST * EDIT_SECONDS

    async def post(self, channel: str) -> None:
        """Wait for this channel's next turn."""
        now = self._clock.monotonic()
        at = max(now, self._next.pop(channel, now))
        self._next[channel] = at + POST_SECONDS
        while len(self._next) > CHANNELS_KEPT:
            self._next.popitem(last=False)
        await self._until(at, now)

    async def edit(self) -> None:
        """Wait for the next turn to edit; a short burst passes at once."""
        now = self._clock.monotonic()
        self._edits = max(self._edits, now - EDIT_BURST * EDIT_SECONDS) + EDIT_SECONDS
        await self._until(self._edits, now)

    def hold(self, channel: str, seconds: float) -> None:
        """Give no turn to a channel for some time, because Slack said so."""
        at = self._clock.monotonic() + seconds
        self._next[channel] = max(at, self._next.get(channel, at))

    async def _until(self, at: float, now: float) -> None:
        if at > now:
            await self._clock.sleep(at - now)
