"""Reads standard input line by line for the SDK.

Lines that the SDK would drop are answered here, and the input does not end before its requests are answered:
a pipe that sends no more still reads.
"""

from collections.abc import AsyncIterator
from io import TextIOWrapper

import anyio
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

from vpsops.core.common.timings import ENDED_SECONDS, GRACE_SECONDS
from vpsops.mcp_server.protocol import frames
from vpsops.mcp_server.protocol.frames import Frame
from vpsops.mcp_server.protocol.pending_requests import PendingRequests
from vpsops.mcp_server.protocol.shutdown import Shutdown


class StdinReader:
    """The lines of standard input that the SDK can read."""

    def __init__(self, file: TextIOWrapper, unanswered: PendingRequests, shutdown: Shutdown) -> None:
        self._file = file
        self._unanswered = unanswered
        self._shutdown = shutdown

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield each line that is a message; answer the others."""
        while line := await self._next():
            frame = check_frame(frames.read_frame(line))
            for answer in frame.answers:
                await self._unanswered.write(f"{answer}\n")
            if frame.line:
                self._unanswered.read(frame.message)
                yield frame.line
        await self._drain()

    async def _next(self) -> str:
        """Return the next line, or an empty string at the end of input or once the client has gone."""
        with self._unanswered.there():
            return await anyio.to_thread.run_sync(self._file.readline, abandon_on_cancel=True)
        return ""

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
