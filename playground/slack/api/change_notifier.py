"""Telling whoever waits that something in the workspace is different now."""

import anyio


class Changes:
    """A bell rung upon every change; no one has to look again on a guess."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._rung.set()
        self._rung = anyio.Event()

    async def wait(self) -> None:
        """Wait for the next change."""
        await self._rung.wait()
