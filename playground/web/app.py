"""The page's server: static files, events, and orders to the two simulators; this machine and this origin only."""

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.playground.slack.control import obey
from vpsops.playground.web import chat, host_configs, manifest
from vpsops.playground.web.provider import LEVERS
from vpsops.playground.web.runtime import Ground
from vpsops.playground.web.seed_data import PEOPLE

STATIC = Path(__file__).with_name("static")
NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
FORBIDDEN_ORDERS = frozenset({"connect", "token", "archive"})  # they would take the playground itself apart
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAFE = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}
Handler = Callable[[Request], Awaitable[Response]]


def application(ground: Ground) -> ASGIApp:
    """Return the whole server of the page, the MCP server's address included."""
    app = Starlette(
        routes=[
            Route("/", _file("index.html")),
            Route("/favicon.ico", _file("icon.svg")),
            Route("/api/world", _world(ground)),
            Route("/api/events", _events(ground)),
            Route("/api/slack/{order}", _slack(ground), methods=["POST"]),
            Route("/api/provider/{lever}", _lever(ground), methods=["POST"]),
            Route("/api/agent/{order}", _backstage(ground), methods=["POST"]),
            Route("/mcp", _Backstage(ground)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
    )
    return Fence(app)


class Fence:
    """Lets in what this machine's user asks for: no other host's name, no other page's orders."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 403; answers get the headers of a page that trusts only itself."""
        if scope["type"] != "http":
            return
        if not allowed(Headers(scope=scope), str(scope["method"]), str(scope["path"])):
            await JSONResponse({"ok": False, "error": "this machine and this page only"}, 403)(scope, receive, send)
            return

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SAFE.items(), (b"cache-control", b"no-store")]
            await send(message)

        await self._app(scope, receive, safely)


def allowed(headers: Mapping[str, str], method: str, path: str) -> bool:
    """Return whether a request names this machine and, if a page sent it, comes from here."""
    host = headers.get("host", "")
    if host.rpartition(":")[0] not in NAMES and host not in NAMES:
        return False
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return False
    json_only = method == "POST" and path.startswith("/api/")
    return not json_only or headers.get("content-type", "").startswith("application/json")


def _file(name: str) -> Handler:
    async def serve(request: Request) -> Response:
        del request
        return FileResponse(STATIC / name)

    return serve


def _world(ground: Ground) -> Handler:
    async def world(request: Request) -> Response:
        del request
        text = manifest.text()
        mcp = f"{ground.url}/mcp"
        return JSONResponse(
            {
                "team": ground.workspace.config.team_name,
                "people": chat.people(ground.workspace),
                "groups": [
                    {"id": each.id, "handle": each.handle} for each in ground.workspace.desk.state.groups.values()
                ],
                "commands": manifest.commands(text),
                "shortcuts": manifest.shortcuts(text),
                "home": manifest.has_home(text),
                "server_words": server_words(),
                "mcp": mcp,
                "hosts": host_configs.configurations(mcp, ground.environment),
            }
        )

    return world


def server_words() -> list[str]:
    """Return the commands that take a server's name, for completion."""
    from vpsops.core.operations import OPERATIONS  # noqa: PLC0415 - the registry takes longer than the page

    return [operation.word for operation in OPERATIONS.values() if operation.takes_server]


def _events(ground: Ground) -> Handler:
    async def events(request: Request) -> Response:
        user = request.query_params.get("user", "")
        if user not in PEOPLE:
            return JSONResponse({"ok": False, "error": "user: no user of that id"}, 422)
        return StreamingResponse(ground.feed.stream(user), media_type="text/event-stream")

    return events


def _slack(ground: Ground) -> Handler:
    async def order(request: Request) -> Response:
        name = request.path_params["order"]
        if name in FORBIDDEN_ORDERS:
            return JSONResponse({"ok": False, "error": f"{name}: not from the page"}, 403)
        status, answer = await obey(ground.workspace, name, await request.body())
        return JSONResponse(json.loads(json.dumps(answer, default=str)), status)

    return order


def _lever(ground: Ground) -> Handler:
    async def pull(request: Request) -> Response:
        name = request.path_params["lever"]
        if name not in LEVERS:
            return JSONResponse({"ok": False, "error": f"levers: {', '.join(LEVERS)}"}, 404)
        model, act = LEVERS[name]
        try:
            act(ground.provider, model.model_validate_json(await request.body()))
        except ValidationError as wrong:
            return JSONResponse({"ok": False, "error": str(wrong)}, 422)
        except KeyError as missing:
            return JSONResponse({"ok": False, "error": f"unknown: {missing}"}, 404)
        ground.feed.bell.ring()
        return JSONResponse({"ok": True})

    return pull


def _backstage(ground: Ground) -> ASGIApp:
    return _Backstage(ground)


class _Backstage:
    """Passes on to the agent's side, which joins after the page."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ground.backstage is None:
            await JSONResponse({"ok": False, "error": "still starting"}, 503)(scope, receive, send)
            return
        inner = {name: value for name, value in scope.items() if name not in {"endpoint", "path_params", "router"}}
        await self._ground.backstage(inner, receive, send)
