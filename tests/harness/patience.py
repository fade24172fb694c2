"""Waiting for what really happens: one helper, one bound. What holds at once costs nothing."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, overload

import anyio

T = TypeVar("T")

PATIENCE_SECONDS: Final = 60.0
"""How long a test waits for a socket, a process or a condition before it reports that it does not come."""

LOOK_SECONDS: Final = 0.02


@overload
async def eventually(condition: Callable[[], Coroutine[Any, Any, T]], patience: float = ...) -> T: ...
@overload
async def eventually(condition: Callable[[], T], patience: float = ...) -> T: ...
async def eventually(condition: Callable[[], Any], patience: float = PATIENCE_SECONDS) -> Any:
    """Return the first true value of a condition: a function or a coroutine function. Waits in the test's own time.

    Raises `AssertionError` with the last result when patience ends.
    """
    last: Any = None
    with anyio.move_on_after(patience):
        while True:
            last = condition()
            if isinstance(last, Coroutine):
                last = await last
            if last:
                return last
            await anyio.sleep(LOOK_SECONDS)
    raise AssertionError(f"this did not come within {patience:.0f} s; the last look found {last!r}")
