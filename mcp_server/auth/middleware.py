"""Authentication of MCP over HTTP: a bearer token on each request, or loopback only if none is configured.

The token stays in this module: requests carry the authenticated caller, never the credential.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken, TokenVerifier
from pydantic import InstanceOf
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from vpsops.core.common.clock import Clock
from vpsops.core.server.rejections import Rejections
from vpsops.mcp_server.auth.issuer import IssuerConfig, KeysUnavailableError, TokenNotAcceptedError, VerifiedToken
from vpsops.mcp_server.auth.open_requests import OpenRequests
from vpsops.mcp_server.auth.principal import READ, SCOPES, WRITE, Caller
from vpsops.mcp_server.auth.static_tokens import StaticTokens
from vpsops.mcp_server.protocol.sdk_compat import Context

LONGEST_TOKEN: Final = 16_384
FORWARDED: Final = re.compile(
    r"forwarded|via|x-(forwarded|original|envoy|amzn|appengine|arr|azure|vercel)(-.*)?|(cf|fastly|fly)-.*"
    r"|x-(real|client|cluster-client|true-client)-ip|true-client-ip|x-proxyuser-ip"
)
"""Headers that proxies add. A proxy that adds none is not detected, so a process behind one needs tokens to start."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """The configured means of authentication."""

    tokens: StaticTokens | None = None
    trust: IssuerConfig | None = None

    @property
    def required(self) -> bool:
        """Return whether a request must carry a token."""
        return self.tokens is not None or self.trust is not None


class CallerToken(AccessToken):
    """The SDK's access token with its caller; the text of the token is not kept.

    The SDK reserves a session for its opener: the same client, issuer and subject. The scopes are part of the client
    here, so that a token with other grants needs a session, and a list, of its own.
    """

    caller: InstanceOf[Caller]

    @classmethod
    def of(cls, grant: VerifiedToken, issuer: str) -> Self:
        """Return the token for a grant of an issuer, or of the file of tokens when `issuer` is empty."""
        caller = grant.caller
        scopes = sorted(caller.scopes)
        reach = (f"{name}={value}" for narrowing in caller.reach.narrowings for name, value in narrowing.described())
        client = " ".join((grant.client or "-", caller.human, *scopes, *reach))
        return cls(
            token="", client_id=client, scopes=scopes, subject=caller.subject, claims={"iss": issuer}, caller=caller
        )

    @property
    def oauth(self) -> bool:
        """Return whether an authorization server issued the token: more scope can be requested from it."""
        return bool((self.claims or {}).get("iss"))


def token_in(scope: Scope) -> CallerToken | None:
    """Return the token of an authenticated request; None without authentication."""
    user = scope.get("user")
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    return token if isinstance(token, CallerToken) else None


def caller_of(context: Context) -> Caller:
    """Return the authenticated caller of a request. Raises `RuntimeError` without one: no configuration allows that."""
    token = token_in(context.request.scope) if context.request is not None else None
    if token is None:
        raise RuntimeError("request reached the server without authentication middleware")
    return token.caller


class TokenReader(Protocol):
    """What maps an authorization server's tokens to callers."""

    async def grant_of(self, token: str) -> VerifiedToken:
        """Verify a token. Raises `TokenNotAcceptedError`, `KeysUnavailableError`."""
        ...


class Verifier(TokenVerifier):
    """Maps a token to its caller: among the static ones, then as the authorization server's."""

    def __init__(self, access: AuthConfig, issuer: TokenReader | None) -> None:
        self._access = access
        self._issuer = issuer

    async def verify_token(self, token: str) -> CallerToken:
        """Return the token with its caller. Raises `TokenNotAcceptedError`, `KeysUnavailableError`."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise TokenNotAcceptedError("it cannot be read")
        known = self._access.tokens.find(token) if self._access.tokens else None
        if known is not None:
            return CallerToken.of(VerifiedToken(known, ""), "")
        if self._issuer is None or self._access.trust is None:
            raise TokenNotAcceptedError("it is not known, or it has expired")
        return CallerToken.of(await self._issuer.grant_of(token), self._access.trust.issuer)


@asynccontextmanager
async def open_verifier(access: AuthConfig, clock: Clock) -> AsyncIterator[Verifier]:
    """Open a verifier; the issuer is asked at the first token and not before."""
    if access.trust is None:
        yield Verifier(access, None)
        return
    import aiohttp  # noqa: PLC0415 - see `issuer`

    from vpsops.mcp_server.auth.jwks import IssuerKeys  # noqa: PLC0415
    from vpsops.mcp_server.auth.jwt_verifier import JwtVerifier  # noqa: PLC0415

    async with aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Verifier(access, JwtVerifier(access.trust, IssuerKeys(access.trust.issuer, session, clock)))


class BearerAuthMiddleware:
    """Admits requests with a bearer token that grants the read scope, and answers the others 401, 403 or 503."""

    def __init__(
        self, app: ASGIApp, verifier: Verifier, metadata: str, rejections: Rejections, requests: OpenRequests
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._metadata = metadata
        self._rejections = rejections
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it: 401, 403, or 503 while the issuer's keys cannot be read."""
        token = _bearer_in(scope)
        answer = await self._admit(token, scope)
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._requests.run(self._app, token, scope, receive, send)

    async def _admit(self, token: str, scope: Scope) -> Response | None:
        if not token:
            return unauthorized_response(self._metadata)
        try:
            verified = await self._verifier.verify_token(token)
        except TokenNotAcceptedError as refused:
            self._rejections.count("token_not_accepted")
            logger.debug("token_refused", why=refused.why)
            return unauthorized_response(self._metadata, "invalid_token", f"The token is not accepted: {refused.why}.")
        except KeysUnavailableError:
            error_body = {"error": "temporarily_unavailable", "error_description": "The issuer's keys cannot be read."}
            return JSONResponse(error_body, status_code=503, headers={"Retry-After": "10"})
        if READ not in verified.caller.scopes:
            return insufficient_scope_response(self._metadata, READ)
        scope["user"] = AuthenticatedUser(verified)
        return None


def _bearer_in(scope: Scope) -> str:
    """Return the token of a request; one that brings none, several or another kind has none."""
    values = Headers(scope=scope).getlist("authorization")
    kind, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.strip() if kind.lower() == "bearer" else ""


class LoopbackOnlyMiddleware:
    """Rejects requests forwarded by a proxy: without tokens, only this machine is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in that no proxy has passed on."""
        if any(FORWARDED.fullmatch(name) for name in Headers(scope=scope)):
            error_body = {
                "error": "access_denied",
                "error_description": "This came through a proxy, and no authentication is configured. "
                "Set VPSOPS_HTTP_TOKENS_FILE or VPSOPS_OAUTH_ISSUER.",
            }
            await JSONResponse(error_body, status_code=403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def unauthorized_response(metadata: str, error: str = "", description: str = "") -> Response:
    """Return a 401 that explains how to get a token (RFC 6750, RFC 9728); no error is named when no token was sent."""
    words = {"error": error, "error_description": description, "scope": " ".join(SCOPES), "resource_metadata": metadata}
    error_body = {"error": error or "invalid_request", "error_description": description or "A bearer token is needed."}
    return JSONResponse(error_body, status_code=401, headers={"WWW-Authenticate": _bearer(words)})


def insufficient_scope_response(metadata: str, scope: str) -> Response:
    """Return a 403 that names the missing scope, so that a client can ask its human for it."""
    scopes = " ".join(SCOPES) if scope == WRITE else scope
    description = f"The token lacks the scope {scope}."
    words = {
        "error": "insufficient_scope",
        "error_description": description,
        "scope": scopes,
        "resource_metadata": metadata,
    }
    error_body: dict[str, Any] = {"error": "insufficient_scope", "error_description": description}
    return JSONResponse(error_body, status_code=403, headers={"WWW-Authenticate": _bearer(words)})


def _bearer(words: dict[str, str]) -> str:
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in words.items() if value)
