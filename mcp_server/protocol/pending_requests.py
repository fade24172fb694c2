"""Pending requests of the client on the standard streams, and whether it is still connected."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult

from vpsops.mcp_server.protocol.sdk_compat import Context
from vpsops.mcp_server.protocol.shutdown import LISTEN

CANCELLED = "notifications/cancelled"


class PendingRequests:
    """The ids of requests that were read and not answered yet; middleware of a server with one client.

    Requests being handled delay the end at a signal; requests read, except listening streams, the end of the input.
    """

    def __init__(self) -> None:
        self.gone = False
        self._taken: set[int | str] = set()
        self._read: set[int | str] = set()
        self._asked: set[int | str] = set()
        self._changed = anyio.Event()
        self._stdout: Any = None
        self._lock = anyio.Lock()
        self._waits: set[anyio.CancelScope] = set()

    def watching(self, stdout: Any) -> Any:
        """Return a wrapper of standard output, so that an answer counts once it is written."""
        self._stdout = stdout
        return self

    async def __call__(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Count a request until its answer is written, or until its client has given it up."""
        if ctx.request_id is None:
            return await call_next(ctx)
        self._taken.add(ctx.request_id)
        try:
            return await call_next(ctx)
        except anyio.get_cancelled_exc_class():
            self._drop(ctx.request_id)
            raise

    def read(self, message: Mapping[str, Any]) -> None:
        """Count a message that was read: a request waits, an answer and a cancellation end a wait."""
        ident, method = message.get("id"), message.get("method")
        if method is None:
            self._asked.discard(ident or "")
        elif method == CANCELLED:
            params = message.get("params")
            self._drop(params.get("requestId") if isinstance(params, dict) else None)
        elif ident is not None and method != LISTEN:
            self._read.add(ident)

    async def none(self) -> None:
        """Wait until every request being handled is answered."""
        await self._until(lambda: not self._taken)

    async def none_but_asking(self) -> None:
        """Wait until every request is answered, except those that wait for an answer of the client."""
        await self._until(lambda: len(self._read) <= len(self._asked))

    @property
    def count(self) -> int:
        """How many requests were read and not answered yet, apart from listening streams."""
        return len(self._read)

    @property
    def asks(self) -> bool:
        """Return whether a question to the client is open."""
        return bool(self._asked)

    @contextmanager
    def there(self) -> Iterator[anyio.CancelScope]:
        """Enclose work that is useless without the client; it is cancelled when the client disconnects."""
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            if self.gone:
                scope.cancel()
            try:
                yield scope
            finally:
                self._waits.discard(scope)

    async def write(self, text: str) -> None:
        """Write a message and mark the request it answers; drop it if the client has gone."""
        message = json.loads(text)
        async with self._lock:
            try:
                if not self.gone:
                    await self._stdout.write(text)
                    await self._stdout.flush()
            except OSError:
                self._leave()
        if "method" not in message:
            self._drop(message.get("id"))
        elif message.get("id") is not None:
            self._asked.add(message["id"])
            self._changed.set()  # the input may have ended before: nothing else would end its wait
        elif message["method"] == CANCELLED:
            self._asked.discard(message.get("params", {}).get("requestId"))

    async def flush(self) -> None:
        """Do nothing: each message is flushed with its writing."""

    async def _until(self, reached: Any) -> None:
        while not (reached() or self.gone):
            self._changed = anyio.Event()
            await self._changed.wait()

    def _leave(self) -> None:
        self.gone = True
        self._changed.set()
        for wait in tuple(self._waits):
            wait.cancel()

    def _drop(self, ident: Any) -> None:
        if isinstance(ident, int | str):
            self._taken.discard(ident)
            self._read.discard(ident)
            self._changed.set()
