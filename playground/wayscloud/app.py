"""The simulated service as an ASGI application: one pipeline for every request, from key to effect to fault."""

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.playground.wayscloud import control
from vpsops.playground.wayscloud.dialects import Dialect
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.faults.responses import Answer, refused
from vpsops.playground.wayscloud.hardware import keys
from vpsops.playground.wayscloud.request_log import Entry
from vpsops.playground.wayscloud.service import DROP, ENTRY, answer
from vpsops.playground.wayscloud.simulator import Simulator

BODY_LIMIT = 1 << 20
Drop = Callable[[Scope, Receive, bool], Awaitable[None]]


async def drop_in_process(scope: Scope, receive: Receive, reset: bool) -> None:
    """Raise what a client sees of a dropped connection; for applications called without a socket."""
    del scope, receive
    if reset:
        raise httpx.ReadError("connection reset by the simulator")
    raise httpx.RemoteProtocolError("Server disconnected without sending a response.")


class SimulatorApp:
    """The ASGI application; `simulator` holds its state."""

    def __init__(self, simulator: Simulator, drop: Drop) -> None:
        self.simulator = simulator
        self._drop = drop
        self._api = api(simulator)
        self._control = control.application(simulator)

    def speak(self, dialect: str) -> None:
        """Switch to another dialect, with a fresh world. Raises `ConfigurationError`."""
        self.simulator.speak(dialect)
        self._api = api(self.simulator)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request: the provider's, or one of the simulator's own."""
        if scope["type"] != "http":
            await self._api(scope, receive, send)
        elif scope["path"].startswith("/_sim/"):
            await (self._control if may_control(scope) else FORBIDDEN)(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take in one request, note it, answer it, or drop the connection where a fault demands it."""
        body = await read_body(receive)
        if body is None:
            await refused(413, "Request body too large").response()(scope, receive, send)
            return
        entry = scope[ENTRY] = self.simulator.journal.open(self._entry(scope, body))

        async def noting(message: Message) -> None:
            if DROP in scope:
                return
            if message["type"] == "http.response.start":
                entry.status, entry.outcome = message["status"], "answered"
                message = dated(message, self.simulator.clock.now())
            await send(message)

        await self._api(scope, replayed(body, receive), noting)
        if DROP in scope:
            entry.outcome = "dropped"
            await self._drop(scope, receive, scope[DROP].reset)

    def _entry(self, scope: Scope, body: bytes) -> Entry:
        return Entry(
            seq=0,
            at=self.simulator.clock.now(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            keys=keys.presented(Headers(scope=scope)),
            body=body,
        )


def create_app(
    config: SimulatorConfig | None = None, clock: Clock | None = None, *, drop: Drop = drop_in_process
) -> SimulatorApp:
    """Return the application, for `httpx.ASGITransport` or a server; the defaults are the live dialect in real time."""
    return SimulatorApp(Simulator(config or SimulatorConfig(), clock or SystemClock()), drop)


class PlainRoute(Route):
    """A route as FastAPI has it: GET does not bring HEAD along."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, methods: list[str], name: str | None = None) -> None:
        super().__init__(path, endpoint, methods=methods, name=name)
        self.methods = set(methods)


def other_form(path: str) -> str:
    """Return a path with the slash at its end that it has not, or without the one it has."""
    return path.removesuffix("/") if path.endswith("/") else f"{path}/"


def described(dialect: Dialect) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of the description: a FastAPI service's own, shortened to its routes."""
    paths: dict[str, dict[str, object]] = {}
    for name, (method, path) in dialect.paths.items():
        paths.setdefault(path, {})[method.lower()] = {
            "operationId": name,
            "responses": {"200": {"description": "Successful Response"}},
        }
    info = {"title": "WAYSCloud Public API", "version": "1.0.0"}

    async def handle(request: Request) -> Response:
        del request
        return Answer(200, {"openapi": "3.1.0", "info": info, "paths": paths}).response()

    return handle


def api(simulator: Simulator) -> Starlette:
    """Return the provider's part: the routes of the dialect; unknown paths answer as FastAPI would."""
    dialect = simulator.dialect
    # a path without an id comes first: else `/v1/vps/{vps_id}` would match it
    rows = sorted(dialect.paths.items(), key=lambda item: "{" in item[1][1])
    routes = [
        PlainRoute(form, endpoint(simulator, name), methods=[method], name=name)
        for name, (method, path) in rows
        for form in ((path, other_form(path)) if dialect.both_slashes else (path,))
    ]
    if dialect.described:
        routes.append(PlainRoute("/openapi.json", described(dialect), methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers={HTTPException: http_error})
    app.router.redirect_slashes = simulator.dialect.redirect_slashes
    return app


async def http_error(request: Request, error: Exception) -> Response:
    """Return the framework's own errors as JSON."""
    del request
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "Internal error"
    headers = (error.headers if isinstance(error, HTTPException) else None) or {}
    return replace(refused(status, detail), headers=headers).response()


def endpoint(simulator: Simulator, operation: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of one operation."""

    async def handle(request: Request) -> Response:
        return await answer(simulator, operation, request)

    return handle


def may_control(scope: Scope) -> bool:
    """Return whether the caller is on this machine and no web page of another origin."""
    host, _ = scope.get("client") or ("", 0)
    return is_loopback(host) and "origin" not in Headers(scope=scope)


def is_loopback(host: str) -> bool:
    """Return whether an address is on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


FORBIDDEN: ASGIApp = refused(403, "Only from this machine").response()


def dated(message: Message, now: datetime) -> Message:
    """Return the start of an answer with the simulator's date, unless a fault has given it another date."""
    headers = list(message["headers"])
    if not any(name == b"date" for name, _ in headers):
        headers.append((b"date", format_datetime(now, usegmt=True).encode()))
    return {**message, "headers": headers}


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body, or None when it is larger than the limit or the client went away."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_LIMIT:
            return None
        if not message.get("more_body", False):
            return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a channel that replays the body once and then continues as before."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def channel() -> Message:
        return waiting.pop() if waiting else await receive()

    return channel
