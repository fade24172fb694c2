"""A client that listens for resources, whichever era it speaks, and records its notifications."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import mcp.types as t
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.server.subscriptions import ResourceUpdated

from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.unit.mcp_server.harness import ANN
from vpsops.core.app import Core
from vpsops.mcp_server.resources.updates import UpdatePublisher, open_updates
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOUND = PATIENCE_SECONDS


@dataclass
class Ear:
    """What one client heard."""

    heard: list[str] = field(default_factory=list)
    called: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, message: IncomingMessage) -> None:
        if isinstance(message, t.ResourceUpdatedNotification):
            self.hear(message.params.uri)

    def hear(self, uri: str) -> None:
        """Remember a resource that is another now."""
        self.heard.append(uri)
        self.called.set()

    async def until(self, *uris: str) -> None:
        """Wait until all of these were heard of."""
        with anyio.fail_after(BOUND):
            while not set(uris) <= set(self.heard):
                await self.called.wait()
                self.called = anyio.Event()


@dataclass
class Listener:
    """A connected client, its ear, and the live updates behind it."""

    client: Client
    ear: Ear
    live: UpdatePublisher
    honoured: list[str] = field(default_factory=list)


@asynccontextmanager
async def client_and_live(
    core: Core, era: str, ear: Ear | None = None, options: ServerOptions | None = None
) -> AsyncIterator[tuple[Client, UpdatePublisher]]:
    """Connect a client in this process to a server with live updates that the test can inspect."""
    server, opened = build_server(core, options or ServerOptions(human=ANN)), []

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[UpdatePublisher]:
        async with open_updates(core) as live:
            opened.append(live)
            yield live

    server.lifespan = lifespan
    async with Client(server, mode=era, message_handler=ear, read_timeout_seconds=BOUND, cache=None) as client:
        yield client, opened[0]


async def subscribe(client: Client, uri: str) -> None:
    """Subscribe to a resource, as the handshake's era has it; the client's own method warns that it is old."""
    params = t.SubscribeRequestParams(uri=uri)
    await client.session.send_request(t.SubscribeRequest(params=params), t.EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    """Unsubscribe."""
    params = t.UnsubscribeRequestParams(uri=uri)
    await client.session.send_request(t.UnsubscribeRequest(params=params), t.EmptyResult)


async def listen(client: Client, era: str, *uris: str) -> list[str]:
    """Listen for some resources and return the acknowledged ones; a stream is closed again."""
    if era == "legacy":
        for uri in uris:
            await subscribe(client, uri)
        return list(uris)
    async with client.listen(resource_subscriptions=uris) as stream:
        return list(stream.honored.resource_subscriptions or ())


@asynccontextmanager
async def listening(
    core: Core, era: str, uris: Sequence[str], options: ServerOptions | None = None
) -> AsyncIterator[Listener]:
    """Listen for some resources until the block ends."""
    ear = Ear()
    async with client_and_live(core, era, ear, options) as (client, live), hearing(client, ear, era, *uris) as honoured:
        yield Listener(client, ear, live, honoured)


@asynccontextmanager
async def hearing(client: Client, ear: Ear, era: str, *uris: str) -> AsyncIterator[list[str]]:
    """Have a connected client listen for some resources until the block ends; its ear gets the messages."""
    if era == "legacy":
        for uri in uris:
            await subscribe(client, uri)
        yield list(uris)
        return
    async with client.listen(resource_subscriptions=uris) as stream, anyio.create_task_group() as group:

        async def hear() -> None:
            async for event in stream:
                assert isinstance(event, ResourceUpdated)
                ear.hear(event.uri)

        group.start_soon(hear)
        yield list(stream.honored.resource_subscriptions or ())
        group.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition without a notification holds; bounded."""
    await eventually(condition)


def become(provider: SimulatorHandle, hostname: str, state: ServerState) -> None:
    """Change a server's state, outside the product."""
    world = provider.simulator.world
    server = next(item for item in world.servers() if item.hostname == hostname)
    world.override(server, state, None, None)
