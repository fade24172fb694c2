"""Publishes resource updates to the subscribers of this process; runs only while there are any.

Changes come from the audit trail, whichever process made them; servers from the polls of the fleet. An
update states only that a resource changed: subscribers read it again, with their own access.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog
from anyio.abc import TaskGroup
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated

from vpsops.core.app import Core
from vpsops.core.changes.preview import target_of
from vpsops.core.common.errors import (
    AmbiguousServerError,
    InvalidInputError,
    NotAllowedError,
    UnknownServerError,
    VpsopsError,
)
from vpsops.core.common.supervision import block_tasks
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server
from vpsops.mcp_server.protocol.uris import ResourceAddress, ResourceKind, parse_uri
from vpsops.mcp_server.resources.reader import ResourceReader

if TYPE_CHECKING:
    from vpsops.core.monitoring.change_feed import ChangeEvent
    from vpsops.core.monitoring.server_feed import Difference


READY_SECONDS = 5.0
SERVERS = "servers"

logger = structlog.get_logger(__name__)
Release = Callable[[], None]


@dataclass(frozen=True)
class ServerResourceUpdated(ResourceUpdated):
    """A resource has changed; `targets` are the servers that caused it, as far as they are known."""

    targets: tuple[Target, ...] = field(default=(), compare=False)


class NotSubscribableError(InvalidInputError):
    """No live updates are offered for this URI."""


class SharedSubscription:
    """A subscription shared by its holders: opened by the first, closed with the last."""

    def __init__(self, turn_on: Callable[[], Release]) -> None:
        self._turn_on = turn_on
        self._turn_off: Release | None = None
        self._holders: set[object] = set()

    @property
    def running(self) -> bool:
        """Return whether it has holders."""
        return bool(self._holders)

    def hold(self) -> Release:
        """Hold it open until the returned function is called; a second call of that is nothing."""
        token = object()
        self._holders.add(token)
        if self._turn_off is None:
            self._turn_off = self._turn_on()

        def release() -> None:
            self._holders.discard(token)
            if not self._holders and self._turn_off is not None:
                turn_off, self._turn_off = self._turn_off, None
                turn_off()

        return release


class UpdatePublisher:
    """Watches resources for subscribers and publishes their updates on a bus."""

    def __init__(self, core: Core, group: TaskGroup) -> None:
        self.core = core
        self.group = group
        self.bus = InMemorySubscriptionBus()
        self.streams: Counter[str] = Counter()  # by principal
        self._watched: dict[str, Counter[str]] = {}
        self._pending: dict[str, list[Target]] = {}
        self._wake = anyio.Event()
        self._ready = anyio.Event()
        self._news = SharedSubscription(self._follow_news)
        self._fleet = SharedSubscription(lambda: core.server_feed.follow(self._differ))

    @property
    def watched(self) -> frozenset[str]:
        """The URIs with subscribers."""
        return frozenset(uri for uris in self._watched.values() for uri in uris)

    @property
    def running(self) -> bool:
        """Return whether any feed runs."""
        return self._news.running or self._fleet.running

    async def watch(self, reader: ResourceReader, uri: str) -> Release:
        """Publish whenever a resource is another, until the returned function is called.

        Raises `NotSubscribableError`, `UnknownChangeError`, `UnknownServerError`, `NotAllowedError`, `WayscloudError`,
        `StorageError`.
        """
        address = parse_uri(uri)
        if (
            address is None
            or address.kind not in SUBSCRIBABLE
            or (address.kind is ResourceKind.SERVERS and address.ref)
        ):
            raise NotSubscribableError("There are no live updates for this address.")
        taps = [self._news.hold()] + ([] if address.kind is ResourceKind.CHANGE else [self._fleet.hold()])
        try:
            key = await self._key_of(reader, address)
        except BaseException:
            run_all(taps)
            raise
        self._watched.setdefault(key, Counter())[uri] += 1
        return _once(lambda: run_all([lambda: self._forget(key, uri), *taps]))

    async def _key_of(self, reader: ResourceReader, address: ResourceAddress) -> str:
        with anyio.move_on_after(READY_SECONDS):
            await self._ready.wait()
            return await self._resolve(reader, address)
        raise VpsopsError("This cannot be followed now.", hint="Read it now and then, or try again later.")

    async def _resolve(self, reader: ResourceReader, address: ResourceAddress) -> str:
        if address.kind is ResourceKind.CHANGE:
            return f"change:{(await reader.change(address.ref)).id}"
        reader.check()
        await self.core.server_feed.known()  # a first poll: differences after it are published
        if address.kind is ResourceKind.SERVERS:
            allowed, key = reader.may("list"), SERVERS
        else:
            server = await self._find(reader, address.ref)
            allowed, key = reader.may("get", target_of(server)), f"server:{server.id}"
        if not allowed:
            raise NotAllowedError("You may not read this.")
        return key

    async def _find(self, reader: ResourceReader, ref: str) -> Server:
        """Find a server among the followed ones; a missing one may have appeared since the last poll."""
        try:
            return await self._seen(reader, ref)
        except UnknownServerError:
            if await reader.too_fast("get"):
                raise
            await self.core.server_feed.refresh()
        return await self._seen(reader, ref)

    async def _seen(self, reader: ResourceReader, ref: str) -> Server:
        known = await self.core.server_feed.known()
        return find_server(ref, {ident: server for ident, server in known.items() if reader.sees(server)})

    def _forget(self, key: str, uri: str) -> None:
        uris = self._watched[key]
        uris[uri] -= 1
        if uris[uri] <= 0:
            del uris[uri]
        if not uris:
            del self._watched[key]

    def _follow_news(self) -> Release:
        scope, self._ready = anyio.CancelScope(), anyio.Event()
        work = partial(self._run_news, scope, self._ready)
        self.core.supervisor.start("news", work, group=self.group, ends=True)
        return scope.cancel

    async def _run_news(self, scope: anyio.CancelScope, ready: anyio.Event) -> None:
        with scope:
            await self.core.trail.follow(self._hear, ready)

    def _hear(self, events: Sequence[ChangeEvent]) -> None:
        for event in events:
            if event.change:
                self._put(f"change:{event.change}")
            if event.touched:
                about = (event.target,) if event.target is not None else ()
                self._put(SERVERS, *about)
                if event.target is not None and event.target.id:
                    self._put(f"server:{event.target.id}", *about)

    def _differ(self, differences: Sequence[Difference]) -> None:
        for difference in differences:
            now = target_of(difference.server)
            self._put(SERVERS, now, *([target_of(difference.before)] if difference.before is not None else []))
            self._put(f"server:{difference.server.id}", now)

    def _put(self, key: str, *targets: Target) -> None:
        if key in self._watched:
            self._pending.setdefault(key, []).extend(targets)
            self._wake.set()

    async def publish_on(self) -> None:
        """Publish pending updates, one for each resource however often it changed meanwhile, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            pending, self._pending = self._pending, {}
            for key, targets in pending.items():
                for uri in tuple(self._watched.get(key, ())):
                    await self.bus.publish(ServerResourceUpdated(uri, tuple(targets)))


SUBSCRIBABLE = frozenset({ResourceKind.SERVERS, ResourceKind.SERVER, ResourceKind.CHANGE})


def find_server(ref: str, known: Mapping[str, Server]) -> Server:
    """Return the server that an address names by id or, where only one has it, by hostname."""
    name = ref.lower()
    same_id = [server for server in known.values() if server.id.lower() == name]
    matches = same_id or [server for server in known.values() if server.hostname.lower() == name]
    if not matches:
        raise UnknownServerError(ref, ())
    if len(matches) > 1:
        raise AmbiguousServerError(ref, [(server.id, server.hostname) for server in matches])
    return matches[0]


def can_receive(reader: ResourceReader, event: ResourceUpdated) -> bool:
    """Return whether a reader may still read an event's resource, and can see a server that caused the event."""
    address = parse_uri(event.uri)
    if address is None:
        return False
    if address.kind is ResourceKind.CHANGE:
        return reader.granted
    targets = event.targets if isinstance(event, ServerResourceUpdated) else ()
    if address.kind is ResourceKind.SERVER:
        return any(reader.may("get", target) for target in targets)
    return reader.may("list") and reader.sees_any(targets)


def _once(work: Release) -> Release:
    left = [work]

    def run() -> None:
        if left:
            left.pop()()

    return run


def run_all(works: Sequence[Release]) -> None:
    """Call every function."""
    for work in works:
        work()


@asynccontextmanager
async def open_updates(core: Core) -> AsyncIterator[UpdatePublisher]:
    """Have live updates for as long as the block runs."""
    async with block_tasks() as group:
        live = UpdatePublisher(core, group)
        core.supervisor.start("updates", live.publish_on, group=group)
        yield live
