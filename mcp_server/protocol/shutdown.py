"""The end of serving as calls see it: a call that waits is answered, and one that hangs is cancelled.

Without this a call would be cut off with its connection, and an agent without an answer asks again.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio
import mcp.types as t
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError

from vpsops.core.common.timings import ANSWER_SECONDS
from vpsops.mcp_server.protocol.sdk_compat import Context

LISTEN: Final = "subscriptions/listen"
CALL: Final = "tools/call"
APART: Final = frozenset({LISTEN, CALL})
"""A stream is ended by its own means, and a call of a tool is answered with a result, in words for a model."""

STOPPING: Final = "vpsops is stopping"
GOES_ON: Final = f"{STOPPING}, so this call ends here. The change goes on without it."
QUESTION_ENDS: Final = (
    f"{STOPPING}, and its question ends with it. Ask for the same once more, and your human is asked again."
)
TRY_AGAIN: Final = f"{STOPPING}; nothing was done. Ask again in a moment."
UNCLEAR: Final = (
    f"{STOPPING}, and this call had not come to its end. Look at vps_changes before you ask for it once more."
)


T = TypeVar("T")


class Shutdown:
    """Started once. Waits for people or the provider then end; other calls have a few seconds to finish."""

    def __init__(self) -> None:
        self.ending = anyio.Event()
        self._waits: set[anyio.CancelScope] = set()
        self._calls: set[anyio.CancelScope] = set()

    @property
    def begun(self) -> bool:
        """Return whether serving ends."""
        return self.ending.is_set()

    def begin(self) -> None:
        """End every wait now, and every call `ANSWER_SECONDS` later."""
        self.ending.set()
        for wait in tuple(self._waits):
            wait.cancel()
        for call in self._calls:
            call.deadline = anyio.current_time() + ANSWER_SECONDS

    @contextmanager
    def wait(self) -> Iterator[anyio.CancelScope]:
        """Enclose work that can be abandoned at any moment; the scope records whether it was."""
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            if self.begun:
                scope.cancel()
            try:
                yield scope
            finally:
                self._waits.discard(scope)

    async def answered(self, work: Callable[[], Awaitable[T]], late: Callable[[], T]) -> T:
        """Return the result of `work`, or `late()` when it takes longer than a stopping process can wait."""
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            if self.begun:
                scope.deadline = anyio.current_time() + ANSWER_SECONDS
            try:
                return await work()
            finally:
                self._calls.discard(scope)
        return late()

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Answer a request in time, as the protocol has it (middleware of the server)."""
        if ctx.request_id is None or ctx.method in APART:
            return await call_next(ctx)
        answer = await self.answered(lambda: _outcome(call_next, ctx), _too_late)
        if isinstance(answer, MCPError):
            raise answer
        return answer


async def _outcome(call_next: CallNext, ctx: Context) -> HandlerResult | MCPError:
    return await call_next(ctx)


def _too_late() -> MCPError:
    return MCPError(t.INTERNAL_ERROR, f"{STOPPING}. Ask again in a moment.")
