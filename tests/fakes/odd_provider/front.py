"""A provider with habits of its own: the simulator behind a front that changes its answers, on a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vpsops.playground.wayscloud.serve import HOST, QuietServer, SimulatorHandle, listen

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
UNCHANGED = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection", "date", "server"})


@dataclass(slots=True)
class OddAnswer:
    """An answer on its way out; habits change it in place."""

    method: str
    path: str
    query: str
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def lists_servers(self) -> bool:
        """Return whether it is the list of servers."""
        return self.method == "GET" and self.path.rstrip("/") == "/v1/vps" and self.status == 200

    @property
    def shows_server(self) -> bool:
        """Return whether it is one server in full."""
        parts = self.path.strip("/").split("/")
        named = len(parts) == 3 and parts[2] not in {"plans", "os-templates", "regions"}
        return self.method == "GET" and named and self.status == 200

    @property
    def shows_usage(self) -> bool:
        """Return whether it is one server's figures."""
        return self.method == "GET" and self.path.endswith("/status") and self.status == 200

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The entries of a list, wherever they are in it."""
        inner = next(value for value in self.body.values() if isinstance(value, list))
        return list(inner)

    def put_entries(self, entries: Sequence[dict[str, Any]]) -> None:
        """Put other entries in the place of a list's own."""
        key = next(key for key, value in self.body.items() if isinstance(value, list))
        self.body[key] = list(entries)


Habit = Callable[[OddAnswer], None]


@asynccontextmanager
async def odd_provider(behind: SimulatorHandle, *habits: Habit) -> AsyncIterator[str]:
    """Serve a simulator's answers as habits change them, one after the other; yields the address."""
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(behind.app), base_url=behind.url)

    async def answer(request: Request) -> Response:
        sent = await inside.request(
            request.method,
            str(request.url.path),
            params=str(request.url.query),
            content=await request.body(),
            headers=list(request.headers.items()),
        )
        odd = OddAnswer(request.method, request.url.path, request.url.query, sent.status_code, _json(sent))
        odd.headers = {name: value for name, value in sent.headers.items() if name not in UNCHANGED}
        for habit in habits:
            habit(odd)
        content = odd.body if isinstance(odd.body, bytes) else json.dumps(odd.body).encode()
        return Response(content, odd.status, odd.headers)

    async with inside, _served(Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])) as url:
        yield url


def _json(sent: httpx.Response) -> Any:
    try:
        return sent.json()
    except ValueError:
        return sent.content


@asynccontextmanager
async def _served(app: Starlette) -> AsyncIterator[str]:
    listener = listen(0)
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False)
    server = QuietServer(config)
    with listener:
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            with anyio.CancelScope(shield=True):
                await serving
