"""Telling every open page that something may be different now."""

import anyio


class Bell:
    """Rung upon every change; a mark taken before a look misses no ring that came after it."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        event, self._event = self._event, anyio.Event()
        event.set()

    def mark(self) -> anyio.Event:
        """Return what to wait for, to be taken before one looks."""
        return self._event

    async def wait(self, mark: anyio.Event, seconds: float) -> bool:
        """Return whether the bell was rung since the mark, after `seconds` at the latest."""
        with anyio.move_on_after(seconds):
            await mark.wait()
        return mark.is_set()
