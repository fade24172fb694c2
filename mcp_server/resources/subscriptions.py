"""Resource subscriptions: `resources/subscribe` before 2026-07-28, `subscriptions/listen` since."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

import anyio
import mcp.types as t
import structlog
from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent, SubscriptionBus
from mcp.shared.exceptions import MCPError

from vpsops.core.common import timings
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, UnknownChangeError, VpsopsError
from vpsops.mcp_server.protocol import sdk_compat
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.resources.reader import ResourceReader
from vpsops.mcp_server.resources.updates import Release, UpdatePublisher, can_receive, run_all

MAX_EACH: Final = 100
"""Resources that one session, or one stream, may listen for."""
MAX_STREAMS: Final = 500
MAX_STREAMS_EACH: Final = 50
"""Of one caller, so that none keeps the others out."""
BACKLOG: Final = 256
STREAM_SECONDS: Final = timings.STREAM_SECONDS
"""A stream opened with a token ends in good order after this, so that the next one needs a valid token again."""
SUBSCRIBER: Final = "vpsops.subscriber"

logger = structlog.get_logger(__name__)


class Subscriber:
    """The subscriptions of one session of the handshake's era."""

    def __init__(self, live: UpdatePublisher, reader: ResourceReader, session: ServerSession) -> None:
        self._live = live
        self._reader = reader
        self._session = session
        self._watches: dict[str, Release] = {}
        self._pending: dict[str, None] = {}
        self._wake = anyio.Event()
        self._scope = anyio.CancelScope()
        self._closed = False
        self._leave = live.bus.subscribe(self._hear)
        live.core.supervisor.start_once("subscriber", self._send_pending, group=live.group)

    async def add(self, uri: str) -> None:
        """Listen for one more resource; a second time is nothing. Raises as `Live.watch` does."""
        if uri in self._watches:
            return
        if len(self._watches) >= MAX_EACH:
            raise sdk_compat.invalid_params_error(
                f"A session may listen for {MAX_EACH} resources. Unsubscribe from some."
            )
        self._watches[uri] = lambda: None  # counted from now on
        try:
            release = await self._live.watch(self._reader, uri)
        except BaseException:
            self._watches.pop(uri, None)
            raise
        if uri in self._watches and not self._closed:
            self._watches[uri] = release
        else:  # unsubscribed, or gone, meanwhile
            release()

    def drop(self, uri: str) -> None:
        """Listen for a resource no longer."""
        self._watches.pop(uri, lambda: None)()
        self._pending.pop(uri, None)

    def close(self) -> None:
        """Let go of everything."""
        self._closed = True
        self._leave()
        for uri in tuple(self._watches):
            self.drop(uri)
        self._scope.cancel()

    def _hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri in self._watches and can_receive(self._reader, event):
            self._pending[event.uri] = None
            self._wake.set()

    async def _send_pending(self) -> None:
        """Send pending updates one at a time; repeated updates of a resource are coalesced."""
        with self._scope:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                while self._pending:
                    uri = next(iter(self._pending))
                    del self._pending[uri]
                    await self._send(uri)

    async def _send(self, uri: str) -> None:
        try:
            await self._session.send_resource_updated(uri)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # it has gone, or has no stream open now: news is not kept
        except Exception:  # one session's trouble must not end the others'
            logger.exception("resource_update_unsent", uri=uri)


async def subscribe(
    live: UpdatePublisher, reader: ResourceReader, context: sdk_compat.Context, uri: str
) -> t.EmptyResult:
    """Answer `resources/subscribe`."""
    connection = sdk_compat.connection_of(context)
    if SUBSCRIBER not in connection.state:
        made = Subscriber(live, reader, context.session)
        connection.state[SUBSCRIBER] = made
        connection.exit_stack.callback(made.close)
    subscriber: Subscriber = connection.state[SUBSCRIBER]
    try:
        await subscriber.add(uri)
    except (InvalidInputError, UnknownChangeError) as error:
        raise sdk_compat.resource_not_found_error(context, uri, str(error)) from None
    except VpsopsError as error:
        raise sdk_compat.unreadable_error(uri, f"{error} ({error.error_id})") from None
    return t.EmptyResult()


def unsubscribe(context: sdk_compat.Context, uri: str) -> t.EmptyResult:
    """Answer `resources/unsubscribe`; no-op for a resource without a subscription."""
    subscriber: Subscriber | None = sdk_compat.connection_of(context).state.get(SUBSCRIBER)
    if subscriber is not None:
        subscriber.drop(uri)
    return t.EmptyResult()


class FilteredBus:
    """The bus, filtered for one stream: its requested resources, as long as its caller may read them."""

    def __init__(self, bus: SubscriptionBus, reader: ResourceReader, uris: Sequence[str]) -> None:
        self._bus = bus
        self._reader = reader
        self._uris = frozenset(uris)

    async def publish(self, event: ServerEvent) -> None:
        """Publish an event to all listeners."""
        await self._bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Subscribe a listener to the events that its caller may read."""

        def hear(event: ServerEvent) -> None:
            if not isinstance(event, ResourceUpdated) or (event.uri in self._uris and can_receive(self._reader, event)):
                listener(event)

        return self._bus.subscribe(hear)


async def listen(
    live: UpdatePublisher,
    reader: ResourceReader,
    context: sdk_compat.Context,
    params: t.SubscriptionsListenRequestParams,
    shutdown: Shutdown,
) -> t.SubscriptionsListenResult:
    """Answer `subscriptions/listen`: a stream until the client closes it. Unavailable resources are left out."""
    requested = tuple(dict.fromkeys(params.notifications.resource_subscriptions or ()))
    if len(requested) > MAX_EACH:
        raise sdk_compat.invalid_params_error(f"A stream may listen for {MAX_EACH} resources.")
    if live.streams.total() >= MAX_STREAMS or live.streams[reader.principal] >= MAX_STREAMS_EACH:
        raise MCPError(t.INTERNAL_ERROR, "Too many streams are open. Close some, or try again later.")
    async with _watching(live, reader, requested) as uris:
        stream = ListenHandler(FilteredBus(live.bus, reader, uris), max_subscriptions=1, max_buffered_events=BACKLOG)
        filtered = params.notifications.model_copy(update={"resource_subscriptions": uris or None})
        call_off = _end_in_time(live, reader, shutdown, stream)
        try:
            return await stream(context, params.model_copy(update={"notifications": filtered}))
        finally:
            call_off()


@asynccontextmanager
async def _watching(live: UpdatePublisher, reader: ResourceReader, uris: Sequence[str]) -> AsyncIterator[list[str]]:
    """Watch the available ones of some resources. Raises the protocol's error when that is unknown at the moment."""
    watches: dict[str, Release] = {}
    live.streams[reader.principal] += 1
    try:
        for uri in uris:
            with suppress(InvalidInputError, UnknownChangeError, NotAllowedError):
                watches[uri] = await live.watch(reader, uri)
        yield list(watches)
    except VpsopsError as error:
        raise MCPError(t.INTERNAL_ERROR, f"{error} ({error.error_id})") from None
    finally:
        live.streams -= Counter([reader.principal])
        for release in watches.values():
            release()


def _end_in_time(live: UpdatePublisher, reader: ResourceReader, shutdown: Shutdown, stream: ListenHandler) -> Release:
    """Have a stream end with the server, and one that a token opened in time; the returned function calls that off."""
    waits: list[Callable[[], Awaitable[object]]] = [shutdown.ending.wait]
    if reader.caller.subject:
        waits.append(partial(live.core.clock.sleep, STREAM_SECONDS))
    scopes = [anyio.CancelScope() for _ in waits]
    for scope, wait in zip(scopes, waits, strict=True):
        live.core.supervisor.start_once("stream_end", partial(_close_after, scope, wait, stream), group=live.group)
    return lambda: run_all([scope.cancel for scope in scopes])


async def _close_after(scope: anyio.CancelScope, wait: Callable[[], Awaitable[object]], stream: ListenHandler) -> None:
    with scope:
        await wait()
        stream.close()
