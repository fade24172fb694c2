"""A server that is cancelled leaves nothing in the event loop."""

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.server.http_server import base_of, listen, serve


class SlowApplication:
    """Answers /, and holds /slow until it is cancelled."""

    def __init__(self) -> None:
        self.arrived = anyio.Event()
        self.cancelled = anyio.Event()
        self.asgi = Starlette(routes=[Route("/", self.answer), Route("/slow", self.hold)])

    async def answer(self, _: Request) -> Response:
        """Answer at once."""
        return PlainTextResponse("here")

    async def hold(self, _: Request) -> Response:
        """Answer never."""
        self.arrived.set()
        try:
            await anyio.Event().wait()
            return PlainTextResponse("late")
        finally:
            self.cancelled.set()


async def test_a_server_after_a_cancelled_one_is_served_on_the_same_descriptor() -> None:
    """Sockets take the lowest free number, which the event loop may still have for the server before."""
    numbers = []
    for _ in range(2):
        sock = listen("127.0.0.1", 0)
        numbers.append(sock.fileno())
        url = base_of(sock)
        async with anyio.create_task_group() as group:
            group.start_soon(serve, SlowApplication().asgi, sock, anyio.Event())
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
                assert (await client.get(url)).text == "here"
            group.cancel_scope.cancel()
    assert numbers[0] == numbers[1]


async def test_a_cancelled_server_ends_its_requests_and_their_connections() -> None:
    """Neither a client nor a handler goes on waiting for it."""
    application = SlowApplication()
    sock = listen("127.0.0.1", 0)
    url = base_of(sock)

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"{url}/slow")

    async with anyio.create_task_group() as clients:
        clients.start_soon(ask)
        async with anyio.create_task_group() as group:
            group.start_soon(serve, application.asgi, sock, anyio.Event())
            with anyio.fail_after(PATIENCE_SECONDS):
                await application.arrived.wait()
            group.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE_SECONDS):
        await application.cancelled.wait()
