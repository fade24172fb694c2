"""MCP over Streamable HTTP: one server object for both protocol eras, mounted beside other routes.

The handshake era has sessions, so that a question can be pushed to the client; a session belongs to the caller that
opened it. The new era is stateless: with the same VPSOPS_STATE_KEY any process answers any request of it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.core.app import Core
from vpsops.core.common.supervision import block_tasks
from vpsops.core.server.health_routes import health_routes
from vpsops.core.server.rejections import Rejections
from vpsops.mcp_server.auth.access import effective_reach
from vpsops.mcp_server.auth.deactivated_accounts import ActiveAccountVerifier
from vpsops.mcp_server.auth.middleware import (
    BearerAuthMiddleware,
    LoopbackOnlyMiddleware,
    Verifier,
    caller_of,
    open_verifier,
)
from vpsops.mcp_server.auth.open_requests import OpenRequests
from vpsops.mcp_server.auth.principal import SCOPES
from vpsops.mcp_server.auth.scope_challenge import MAX_BODY, ScopeChallengeMiddleware
from vpsops.mcp_server.http import PATH
from vpsops.mcp_server.http.config import HttpConfig
from vpsops.mcp_server.http.message_check import MessageCheckMiddleware
from vpsops.mcp_server.http.origin_check import HostOriginMiddleware
from vpsops.mcp_server.http.session_limits import IDLE_SECONDS, CallerLimits
from vpsops.mcp_server.protocol.shutdown import Shutdown
from vpsops.mcp_server.server import NAME, ServerOptions, build_server, write_tools

MAX_SESSIONS: Final = 1_000
ADDRESS: Final = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Issuers are compared letter by letter, so no slash is added."""

METHODS: Final = ("GET", "POST", "DELETE")
SHOWN_TO_PAGES: Final = ("Mcp-Session-Id", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class McpHttp:
    """A running server: `routes` to serve, beside others or alone; `endpoint` receives the shutdown."""

    routes: list[BaseRoute]
    endpoint: "McpEndpoint"
    requests: OpenRequests

    def asgi(self, core: Core) -> Starlette:
        """Return the server as an application of its own, with a health endpoint."""
        return create_app([*self.routes, *health_routes(core.readiness)])


def create_app(routes: list[BaseRoute]) -> Starlette:
    """Return routes as an application without redirects: they would be built from the Host header."""
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def open_mcp(core: Core, site: HttpConfig, options: ServerOptions | None = None) -> AsyncIterator[McpHttp]:
    """Serve MCP on the routes this yields until the block ends."""
    shutdown = Shutdown()
    chosen = replace(options or ServerOptions(), state_keys=site.state_keys, shutdown=shutdown)
    if site.access.required:
        chosen = replace(chosen, who=caller_of)
    server = build_server(core, chosen)
    left = effective_reach(core, chosen.reach)
    changing = frozenset(tool for tool in write_tools() if left.allows(tool))  # no scope helps to the others
    async with (
        open_verifier(site.access, core.clock) as verifier,
        open_server(server, site, reject_deactivated_accounts(verifier, core), changing, shutdown) as served,
        _watched(served.requests, core),
    ):
        yield served


@asynccontextmanager
async def _watched(requests: OpenRequests, core: Core) -> AsyncIterator[None]:
    """Verify the tokens of open requests for as long as the block runs."""
    async with block_tasks() as group:
        core.supervisor.start("open_requests", partial(requests.watch, core.clock), group=group)
        yield


def reject_deactivated_accounts(verifier: Verifier, core: Core) -> Verifier:
    """Return a verifier that rejects tokens of humans with a deactivated Slack account."""
    return ActiveAccountVerifier(verifier, core.accounts, core.clock)


@asynccontextmanager
async def open_server(
    server: Server[Any],
    site: HttpConfig,
    verifier: Verifier,
    changing: frozenset[str] = frozenset(),
    shutdown: Shutdown | None = None,
) -> AsyncIterator[McpHttp]:
    """Serve a server object on the routes this yields; `changing` are the tools that take the scope to change."""
    manager = StreamableHTTPSessionManager(
        server,
        security_settings=TransportSecuritySettings(
            allowed_hosts=[host.lower() for host in site.hosts],
            allowed_origins=[origin.lower() for origin in site.origins],
        ),
        max_request_body_size=MAX_BODY,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=MAX_SESSIONS,
    )
    async with manager.run():
        rejections = Rejections("mcp")
        fit_result = CallerLimits(MessageCheckMiddleware(manager.handle_request), rejections)
        endpoint = McpEndpoint(fit_result, shutdown or Shutdown())
        requests = OpenRequests(verifier.verify_token)
        doors = partial(_doors, endpoint, site, Authentication(verifier, changing, rejections, requests))
        yield McpHttp(_routes(doors, server, site, rejections), endpoint, requests)


@dataclass(frozen=True, slots=True)
class Authentication:
    """The authentication of a site: the verifier, the tools that need more than reading, and the rejected requests."""

    verifier: Verifier
    changing: frozenset[str]
    rejections: Rejections
    requests: OpenRequests


def _doors(endpoint: "McpEndpoint", site: HttpConfig, doorway: Authentication, metadata: str) -> ASGIApp:
    """Return the endpoint behind its authentication middleware."""
    if not site.access.required:
        return LoopbackOnlyMiddleware(endpoint)
    behind = ScopeChallengeMiddleware(endpoint, doorway.changing, metadata)
    return BearerAuthMiddleware(behind, doorway.verifier, metadata, doorway.rejections, doorway.requests)


def _routes(
    doors: Callable[[str], ASGIApp], server: Server[Any], site: HttpConfig, rejections: Rejections
) -> list[BaseRoute]:
    address = ADDRESS.validate_python(site.url)
    trust = site.access.trust
    metadata = str(build_resource_metadata_url(address)) if trust else ""
    served = HostOriginMiddleware(_for_pages(doors(metadata), site), site, rejections)
    routes: list[BaseRoute] = [Route(path, served) for path in (PATH, f"{PATH}/")]  # people and hosts add the slash
    if trust:
        routes += create_protected_resource_routes(
            address,
            [ADDRESS.validate_python(trust.issuer)],
            scopes_supported=list(SCOPES),
            resource_name=server.title or NAME,
        )
    return routes


def _for_pages(app: ASGIApp, site: HttpConfig) -> ASGIApp:
    """Answer what browsers ask before a page of a configured origin may call."""
    if not site.pages:
        return app
    return CORSMiddleware(
        app,
        allow_origins=list(site.pages),
        allow_methods=list(METHODS),
        allow_headers=["*"],
        expose_headers=list(SHOWN_TO_PAGES),
    )


class McpEndpoint:
    """The SDK's endpoint with event streams that can be closed: shutdown does not wait for clients."""

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app = app
        self._shutdown = shutdown
        self._streams: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope = normalize_headers(scope)
        if scope["method"] == "GET":
            await self._stream(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def hang_up(self) -> None:
        """End every notification stream, in good order, and have calls under way answered."""
        self._shutdown.begin()
        for stream in tuple(self._streams):
            stream.cancel()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        last: Message = {}

        async def record(message: Message) -> None:
            nonlocal last
            last = message
            await send(message)

        with anyio.CancelScope() as cancelled:
            self._streams.add(cancelled)
            try:
                await self._app(scope, receive, record)
            finally:
                self._streams.discard(cancelled)
        if cancelled.cancelled_caught and (last.get("type") == "http.response.start" or last.get("more_body")):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def normalize_headers(scope: Scope) -> Scope:
    """Return a request as the SDK compares it: without blanks around headers (RFC 9110, 5.5), names in one case.

    Hosts, origins and media types mean the same in any case (RFC 9110, 4.2.3 and 8.3.1).
    """
    headers = ((name, value.strip(b" \t")) for name, value in scope["headers"])
    return {**scope, "headers": [(name, _in_one_case(name, value)) for name, value in headers]}


def _in_one_case(name: bytes, value: bytes) -> bytes:
    if name in {b"host", b"origin"}:
        return value.lower()
    kind, sign, rest = value.partition(b";")
    return kind.lower() + sign + rest if name == b"content-type" else value
