"""Waiting for what really happens: one helper, one bound. What holds at once costs nothing."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0
"""How long a test waits for a socket, a process or a condition before it says that it does not come."""

LOOK_SECONDS: Final = 0.02


async def eventually(condition: Callable[[], T | Awaitable[T]], patience: float = PATIENCE_SECONDS) -> T:
    """Return the condition's first true value; raises `AssertionError` with its last one when patience ends.

    The condition is a function or a coroutine function. Waits in virtual time where the test does.
    """
    last: T | None = None
    with anyio.move_on_after(patience):
        while True:
            value = condition()
            last = await value if isinstance(value, Awaitable) else value
            if last:
                return last
            await anyio.sleep(LOOK_SECONDS)
    raise AssertionError(f"this did not come within {patience:.0f} s; the last look found {last!r}")
