"""Reads messages for the SDK, from standard input or from a connection.

Lines that the SDK would drop are answered here, and the input does not end before its requests are answered:
a pipe that sends no more still reads.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from io import TextIOWrapper

import anyio
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

from vpsops.core.common.timings import ENDED_SECONDS, GRACE_SECONDS
from vpsops.mcp_server.protocol import frames
from vpsops.mcp_server.protocol.frames import Frame
from vpsops.mcp_server.protocol.pending_requests import PendingRequests
from vpsops.mcp_server.protocol.shutdown import Shutdown

FrameSource = Callable[[], Awaitable[Frame | None]]
"""Returns the next line as a frame, or None at the end of the input."""


def read_lines(file: TextIOWrapper) -> FrameSource:
    """Return the source of a file's lines, which a thread waits for."""

    async def read() -> Frame | None:
        line = await anyio.to_thread.run_sync(file.readline, abandon_on_cancel=True)
        return frames.read_frame(line) if line else None

    return read


class MessageReader:
    """The messages of a client that the SDK can read."""

    def __init__(self, source: FrameSource, unanswered: PendingRequests, shutdown: Shutdown) -> None:
        self._source = source
        self._unanswered = unanswered
        self._shutdown = shutdown

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield each line that is a message; answer the others."""
        while (frame := await self._next()) is not None:
            checked = check_frame(frame)
            for answer in checked.answers:
                await self._unanswered.write(f"{answer}\n")
            if checked.line:
                self._unanswered.read(checked.message)
                yield checked.line
        await self._drain()

    async def _next(self) -> Frame | None:
        """Return the next frame, or None at the end of input or once the client has gone."""
        with self._unanswered.there():
            return await self._source()
        return None

    async def _drain(self) -> None:
        """Wait for answers that are due: for a while as they come, then in the words of a process that stops."""
        with anyio.move_on_after(ENDED_SECONDS) as late:
            await self._unanswered.none_but_asking()
        if late.cancelled_caught and not self._unanswered.asks:
            self._shutdown.begin()
            with anyio.move_on_after(GRACE_SECONDS):
                await self._unanswered.none_but_asking()


def check_frame(frame: Frame) -> Frame:
    """Return a frame that the SDK can read, or one that carries the error for it."""
    if not frame.line:
        return frame
    try:
        jsonrpc_message_adapter.validate_json(frame.line, by_name=False)
    except ValidationError:
        return frames.refuse_frame(frame)
    return frame
