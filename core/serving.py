"""Serves an ASGI application on a socket until told to stop, then lets what is under way finish."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import uvicorn
from starlette.types import ASGIApp

from core.errors import ConfigurationError

GRACE_SECONDS: Final = 5
BACKLOG: Final = 2048
HIGHEST_PORT: Final = 65535


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def address_of(given: str, example: str) -> tuple[str, int]:
    """Read HOST:PORT, an IPv6 host in brackets; raises `ConfigurationError` showing the example."""
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise ConfigurationError(f"--http {given} is not HOST:PORT.", hint=f"Write it like {example}.")
    return host.strip("[]"), int(port)


def base_of(sock: socket.socket) -> str:
    """Return the address of a bound socket as the beginning of a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Bind an address; raises `ConfigurationError` where that cannot be done."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # asyncio turns Nagle's delay off only where the socket names its protocol; else small answers take 40 ms
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.", hint="Choose another --http HOST:PORT."
        ) from None
    sock.setblocking(False)
    return sock


async def serve(app: ASGIApp, sock: socket.socket, stop: anyio.Event) -> None:
    """Serve until `stop` is set; requests under way get five seconds."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    with sock:
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            await server.serve(sockets=[sock])
            group.cancel_scope.cancel()
