"""Wakes waiting tasks when the workspace changes."""

import anyio


class ChangeNotifier:
    """Notification of every change; waiters need not poll."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake all waiters."""
        self._rung.set()
        self._rung = anyio.Event()

    async def wait(self) -> None:
        """Wait for the next change."""
        await self._rung.wait()
