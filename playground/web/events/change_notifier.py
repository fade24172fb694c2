"""Wakes every open page when something may have changed."""

import anyio


class Bell:
    """Signals every change; a mark taken before a read misses no later signal."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake all waiters."""
        event, self._event = self._event, anyio.Event()
        event.set()

    def mark(self) -> anyio.Event:
        """Return the event to wait for; take it before a read."""
        return self._event

    async def wait(self, mark: anyio.Event, seconds: float) -> bool:
        """Return whether a change was signalled since the mark, after `seconds` at the latest."""
        with anyio.move_on_after(seconds):
            await mark.wait()
        return mark.is_set()
