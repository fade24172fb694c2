"""A resolver that is slow now and then, as with a dead name server before a living server."""

import random
from typing import Any, Final

import anyio
from anyio import getaddrinfo

NAME: Final = "localhost"
SLOW_SECONDS: Final = 2.5
"""Longer than a write may take from its stored intention."""
SHARE: Final = 0.1


def resolve_slowly() -> None:
    """Let this process wait for the name of this machine one time in ten."""

    async def resolve(host: str, port: int, **more: Any) -> Any:
        if host != NAME:
            return await getaddrinfo(host, port, **more)
        if random.random() < SHARE:  # noqa: S311 - a fault
            await anyio.sleep(SLOW_SECONDS)
        return await getaddrinfo("127.0.0.1", port, **more)

    anyio._core._sockets.getaddrinfo = resolve  # type: ignore[attr-defined]
