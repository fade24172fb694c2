"""A resolver that takes the time a test gives it; the name it resolves is this machine's."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from anyio import getaddrinfo

NAME = "localhost"


def resolve_after(monkeypatch: pytest.MonkeyPatch, wait: Callable[[], Awaitable[None]]) -> None:
    """Let the name be resolved to 127.0.0.1, once `wait` is over."""

    async def resolve(host: str, port: int, **more: Any) -> Any:
        if host != NAME:
            return await getaddrinfo(host, port, **more)
        await wait()
        return await getaddrinfo("127.0.0.1", port, **more)

    monkeypatch.setattr("anyio._core._sockets.getaddrinfo", resolve)
