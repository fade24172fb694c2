"""`python -m tests.bench.processes.flood KIND PORT [TOKEN]`: an attack on the front door, until ended.

`plain` is what it is compared with: an application of one route on uvicorn as it comes, at a free port.
"""

import itertools
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import anyio
import httpx
import uvicorn
from anyio.abc import SocketStream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vpsops.core.common.clock import SystemClock

HEADER_BYTES: Final = 50_000_000
PIECE: Final = b"a" * 65_536
HALVES: Final = 300
GREEDY_AT_ONCE: Final = 4
PAUSE_SECONDS: Final = 0.05
HALF: Final = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nhalf"
INITIALIZE: Final[dict[str, Any]] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "greedy", "version": "1"},
    },
}


async def quiet(_port: int, _token: str) -> None:
    """Send no attack."""
    await anyio.sleep_forever()


async def header(port: int, _token: str) -> None:
    """Send one header of 50 MB, and begin again where that is cut off."""
    while True:
        try:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
                for _ in range(HEADER_BYTES // len(PIECE)):
                    await stream.send(PIECE)
        except (anyio.BrokenResourceError, OSError):
            await SystemClock().sleep(PAUSE_SECONDS)


async def half(port: int, _token: str) -> None:
    """Keep 300 requests half sent; one that is closed is opened again."""
    async with anyio.create_task_group() as group:
        for _ in range(HALVES):
            group.start_soon(_half, port)


async def _half(port: int) -> None:
    while True:
        try:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(HALF)
                await _until_closed(stream)
        except (anyio.BrokenResourceError, OSError):
            await SystemClock().sleep(PAUSE_SECONDS)


async def _until_closed(stream: SocketStream) -> None:
    try:
        while True:
            await stream.receive()
    except anyio.EndOfStream:
        return


async def greedy(port: int, token: str) -> None:
    """Open one session after the other with one token, four at once."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        for _ in range(GREEDY_AT_ONCE):
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, headers=headers))
            group.start_soon(_open_sessions, client, f"http://127.0.0.1:{port}/mcp")


async def _open_sessions(client: httpx.AsyncClient, url: str) -> None:
    for _ in itertools.count():
        await client.post(url, json=INITIALIZE)


KINDS: Final[dict[str, Callable[[int, str], Awaitable[None]]]] = {
    "quiet": quiet,
    "header": header,
    "half": half,
    "greedy": greedy,
}


async def _attack(kind: str, port: int, token: str) -> None:
    sys.stdout.write("flooding\n")
    sys.stdout.flush()
    await KINDS[kind](port, token)


def plain() -> None:
    """Serve one route on uvicorn as it comes."""

    async def ready(_: Request) -> Response:
        return JSONResponse({"ok": True})

    with socket.create_server(("127.0.0.1", 0)) as sock:
        sys.stdout.write(f"plain: {sock.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(Starlette(routes=[Route("/readyz", ready)]), log_level="critical", lifespan="off")
        uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain()
    else:
        anyio.run(_attack, sys.argv[1], int(sys.argv[2]), "".join(sys.argv[3:4]))
