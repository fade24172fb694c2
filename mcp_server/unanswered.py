"""Which requests over standard streams wait for their answer to be written: a process ends after the last one."""

import json
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult

from mcp_server.sdk import Context


class Unanswered:
    """The ids of requests that were taken up and not answered yet; middleware of a server with one client."""

    def __init__(self) -> None:
        self._ids: set[int | str] = set()
        self._fewer = anyio.Event()
        self._stdout: Any = None

    def watching(self, stdout: Any) -> Any:
        """Return what takes the place of standard output, so that an answer counts once it is written."""
        self._stdout = stdout
        return self

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Count a request until its answer is written, or until its client has given it up."""
        if ctx.request_id is None:
            return await call_next(ctx)
        self._ids.add(ctx.request_id)
        try:
            return await call_next(ctx)
        except anyio.get_cancelled_exc_class():
            self._drop(ctx.request_id)
            raise

    async def none(self) -> None:
        """Wait until every request is answered."""
        while self._ids:
            self._fewer = anyio.Event()
            await self._fewer.wait()

    async def write(self, text: str) -> None:
        """Write a message, and see whom it answers."""
        await self._stdout.write(text)
        if self._ids:
            message = json.loads(text)
            if "method" not in message:
                await self._stdout.flush()
                self._drop(message.get("id"))

    async def flush(self) -> None:
        """Flush what was written."""
        await self._stdout.flush()

    def _drop(self, ident: int | str | None) -> None:
        if ident is not None:
            self._ids.discard(ident)
            self._fewer.set()
