"""Waiting for what really happens: one helper, one bound. What holds at once costs nothing."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

PATIENCE_SECONDS: Final = 60.0
"""How long a test waits for a socket, a process or a condition before it says that it does not come."""

LOOK_SECONDS: Final = 0.02


async def eventually(condition: Callable[[], object], patience: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition (a function or a coroutine function) is true; in virtual time where the test is.

    Raises `AssertionError` with what the last look found when patience ends.
    """
    last: object = None
    with anyio.move_on_after(patience):
        while True:
            last = condition()
            if isinstance(last, Awaitable):
                last = await last
            if last:
                return
            await anyio.sleep(LOOK_SECONDS)
    raise AssertionError(f"this did not come within {patience:.0f} s; the last look found {last!r}")
