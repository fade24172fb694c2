"""One HTTP exchange with the provider: bounded in time and size, and exact about whether anything left."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, cast
from urllib.parse import quote

import anyio
import httpx
import structlog

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.redaction import tidy
from vpsops.core.common.timings import TransportSettings
from vpsops.core.telemetry.telemetry import NO_TELEMETRY, Telemetry
from vpsops.core.wayscloud.answers.errors import (
    NotAuthenticatedError,
    NotSentError,
    UnreachableError,
    UntrustedRedirectError,
)
from vpsops.core.wayscloud.requests.call_telemetry import observed_call
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.endpoints import Route
from vpsops.core.wayscloud.requests.redirects import RedirectKind, redirect_kind
from vpsops.core.wayscloud.requests.response_body import Body, read_body
from vpsops.core.wayscloud.requests.send_hook import ConnectionClosedError, RequestDeparture, SendHook

HttpTransport = httpx.AsyncBaseTransport

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
FOLLOWED: Final = frozenset({307, 308})  # the two that promise to keep method and body
SEE_OTHER: Final = 303  # after a write it means that something was done: an answer, and not a clear one
REDIRECTS: Final = frozenset({301, 302, SEE_OTHER}) | FOLLOWED
NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

logger = structlog.get_logger(__name__)


NO_KEY: Final = "Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN."


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """An answer: the code, the headers a caller may need, the body, the path that answered, its redirect."""

    status: int
    body: Body
    path: str
    retry_after: str = ""
    lead: RedirectKind | None = None
    target: str = ""  # the host of a redirect
    link: str = ""  # where a list continues, and other places
    date: str = ""  # by its own clock, which a date in Retry-After is meant by

    @property
    def ok(self) -> bool:
        """Return whether the code is any 2xx; the documentation names none in particular."""
        return 200 <= self.status < 300  # noqa: PLR2004


class RequestLane(StrEnum):
    """The purpose of a call. Each lane has slots of its own, so that none waits for another's slow answers."""

    QUESTIONS = "questions"  # reads for people and assistants
    WORK = "work"  # for changes: the reads before a decision or a send, and the poller's
    WRITES = "writes"


AUTHENTICATION: Final = ("X-API-Key", "Authorization")


@dataclass(frozen=True, slots=True)
class _Slots:
    limiter: anyio.CapacityLimiter
    pool: httpx.AsyncClient


class Transport:
    """Sends requests with the key to one origin, and to no other."""

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        base_url: str,
        settings: TransportSettings,
        http_transport: HttpTransport | None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._telemetry = telemetry
        self._base = _origin(base_url, trusted=http_transport is not None)
        self._settings = settings
        self._secret = credentials.secret if credentials else ""
        self._traced = http_transport is None or isinstance(http_transport, httpx.AsyncHTTPTransport)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "vpsops"}
        headers |= credentials.headers() if credentials else {}
        self._tls = _tls(self._base)
        kept, silence = settings.max_in_flight, settings.read_seconds
        # A kept-alive connection may be closed by the other side in the instant a write goes out on it; then it is
        # unknown whether it arrived. Writes are few: each gets a connection of its own.
        self._lanes = {
            RequestLane.QUESTIONS: self._slots(headers, silence, settings.max_in_flight, kept, http_transport),
            RequestLane.WORK: self._slots(headers, silence, settings.max_work, kept, http_transport),
            RequestLane.WRITES: self._slots(headers, settings.change_seconds, settings.max_writes, 0, http_transport),
        }

    def _slots(
        self, headers: dict[str, str], silence: float, most: int, kept: int, http_transport: HttpTransport | None
    ) -> _Slots:
        bounds = self._settings
        pool = httpx.AsyncClient(
            headers=headers,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # none is kept
            follow_redirects=False,
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=kept),
            timeout=httpx.Timeout(silence, connect=bounds.connect_seconds, write=bounds.write_seconds),
            transport=http_transport,
            verify=self._tls,
            trust_env=self._base.host not in LOOPBACK,
        )
        return _Slots(anyio.CapacityLimiter(most), pool)

    def use(self, credentials: Credentials | None) -> None:
        """Send this secret from the next request on; one that is being sent keeps the one it has."""
        self._secret = credentials.secret if credentials else ""
        for lane in self._lanes.values():
            for name in AUTHENTICATION:
                lane.pool.headers.pop(name, None)
            lane.pool.headers.update(credentials.headers() if credentials else {})

    async def close(self) -> None:
        """Close every connection."""
        for lane in self._lanes.values():
            await lane.pool.aclose()

    async def send(
        self,
        route: Route,
        path: str,
        content: bytes | None = None,
        departure: SendHook | None = None,
        lane: RequestLane = RequestLane.QUESTIONS,
    ) -> ProviderResponse:
        """Send one request and return the answer to it; a write goes by its own lane, and follows no redirect.

        Raise NotAuthenticatedError where there is no key, NotSentError when nothing left, UnreachableError when it
        left and no answer came, UntrustedRedirectError when the answer to a read points elsewhere, and whatever
        `departure` raises.
        """
        if not self._secret:
            raise NotAuthenticatedError("There is no WAYSCloud key.", hint=NO_KEY, operation=route.name)
        with observed_call(self._telemetry, route, self._base.host, _port_of(self._base)) as call:
            answer = await self._send(route, path, content, departure, lane)
            call.status = answer.status
            return answer

    async def _send(
        self, route: Route, path: str, content: bytes | None, departure: SendHook | None, lane: RequestLane
    ) -> ProviderResponse:
        reads, encrypted = route.method == "GET", self._base.scheme == "https"
        crossing = RequestDeparture(encrypted=encrypted)
        if not reads:
            crossing = RequestDeparture(departure, answer_seconds=self._settings.change_seconds, encrypted=encrypted)
        try:
            async with self._slot(self._lanes[lane if reads else RequestLane.WRITES]) as pool:
                return await self._hops(route, path, content, crossing, pool)
        except UntrustedRedirectError:
            raise
        except Exception as error:
            if crossing.refusal is not None:
                raise crossing.refusal from None
            # Whatever breaks after a write has left, even a bug, leaves its outcome unknown.
            if isinstance(error, httpx.HTTPError | OSError) or (crossing.left and not reads):
                raise self._lost(route, error, left=crossing.left) from error
            raise

    @property
    def address(self) -> str:
        """Return the configured address, which holds no secret."""
        return str(self._base).rstrip("/")

    @asynccontextmanager
    async def _slot(self, slots: _Slots) -> AsyncIterator[httpx.AsyncClient]:
        with anyio.fail_after(self._settings.queue_seconds):
            await slots.limiter.acquire()
        try:
            yield slots.pool
        finally:
            slots.limiter.release()

    async def _hops(
        self, route: Route, path: str, content: bytes | None, crossing: RequestDeparture, pool: httpx.AsyncClient
    ) -> ProviderResponse:
        url = self._base.copy_with(path=self._base.path.rstrip("/") + quote(path))
        url = url.copy_merge_params(dict(route.query)) if route.query else url
        end = anyio.current_time() + self._settings.attempt_seconds
        for _ in range(self._settings.max_redirects + 1):
            request = pool.build_request(route.method, url, content=content, headers=_typed(content))
            seconds = end - anyio.current_time() if route.method == "GET" else self._settings.prepare_seconds
            answer, location = await self._hop(request, crossing, pool, seconds)
            if answer.lead is None or route.method != "GET":
                return answer
            url = _trusted(route, answer, url, location)
        raise redirected(route, answer, "it redirects in a circle")

    async def _hop(
        self, request: httpx.Request, crossing: RequestDeparture, pool: httpx.AsyncClient, seconds: float
    ) -> tuple[ProviderResponse, str]:
        with anyio.fail_after(seconds) as scope:
            crossing.begin_hop(scope)
            response = await self._depart(request, crossing, pool)
        try:
            body = await self._body(response, crossing.deadline)
        finally:
            await response.aclose()
        method, path = request.method, request.url.path
        logger.debug(
            "provider_response", method=method, path=path, status=response.status_code, size_bytes=len(body.content)
        )
        redirects = response.status_code in REDIRECTS and not (response.status_code == SEE_OTHER and method != "GET")
        location = response.headers.get("location", "") if redirects else ""
        lead = redirect_kind(location, str(request.url), self._base.path) if redirects else None
        answer = ProviderResponse(
            response.status_code,
            body,
            self._own_path(request.url),
            response.headers.get("retry-after", ""),
            lead,
            _host(request.url, location) if lead in {RedirectKind.OTHER_FORM, RedirectKind.ELSEWHERE} else "",
            response.headers.get("link", ""),
            response.headers.get("date", ""),
        )
        return answer, location

    async def _depart(
        self, request: httpx.Request, crossing: RequestDeparture, pool: httpx.AsyncClient
    ) -> httpx.Response:
        """Send a request; where its connection ended before a byte was written, on another connection."""
        if not self._traced:
            await crossing.cross()
            return await pool.send(request, stream=True)
        request.extensions["trace"] = crossing.trace
        for _ in range(self._settings.max_reconnects + 1):
            try:
                return await pool.send(request, stream=True)
            except ConnectionClosedError:
                logger.info("connection_closed_before_send")
        raise httpx.ConnectError("each connection was closed before the request could be sent on it")

    async def _body(self, response: httpx.Response, deadline: float) -> Body:
        """Read the body until the deadline; late is a flaw of the body, for the code has arrived."""
        with anyio.CancelScope(deadline=deadline):
            chunks = cast(AsyncGenerator[bytes], response.aiter_raw())
            return await read_body(chunks, response.headers, self._settings.max_body_bytes)
        return Body(flaw="the body took too long", cut_short=True)

    def _own_path(self, url: httpx.URL) -> str:
        return url.path.removeprefix(self._base.path.rstrip("/"))

    def _lost(self, route: Route, error: Exception, *, left: bool) -> UnreachableError:
        kind = type(error).__name__
        if left and not isinstance(error, NEVER_LEFT):
            return UnreachableError(f"WAYSCloud did not {route.doing}: no answer came ({kind}).", operation=route.name)
        # The reason matters here: a wrong certificate, a name that does not resolve, a port without a listener.
        reason = tidy(str(error), self._secret, limit=120) or kind
        return NotSentError(
            f"WAYSCloud did not {route.doing}: {self.address} could not be reached ({reason}).",
            hint="Check the network and WAYSCLOUD_API_URL, then ask again.",
            operation=route.name,
        )


def _origin(base_url: str, *, trusted: bool) -> httpx.URL:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"https", "http"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError("WAYSCLOUD_API_URL is not usable.", hint="Use https://host, without a question mark.")
    if url.scheme == "http" and url.host not in LOOPBACK and not trusted:
        raise ConfigurationError(
            "WAYSCLOUD_API_URL would send the key unencrypted.", hint="Use https; http is for this machine only."
        )
    return url


def _port_of(base: httpx.URL) -> int:
    return base.port or {"http": 80}.get(base.scheme, 443)


def _tls(base: httpx.URL) -> ssl.SSLContext:
    """Return the usual trust for https; for http one that trusts nothing, as loading the usual one takes a while."""
    return httpx.create_ssl_context() if base.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _typed(content: bytes | None) -> dict[str, str] | None:
    return {"Content-Type": "application/json"} if content is not None else None


def _trusted(route: Route, answer: ProviderResponse, url: httpx.URL, location: str) -> httpx.URL:
    """Return the address that a read is redirected to on its own origin; raise UntrustedRedirectError for any other."""
    if answer.lead is RedirectKind.INVALID:
        raise redirected(route, answer, "it redirects to something that is no address")
    target = url.join(location)
    own = (target.scheme, target.host, target.port) == (url.scheme, url.host, url.port) and not target.userinfo
    if answer.lead is RedirectKind.ELSEWHERE or not own:
        raise redirected(route, answer, f"it redirects to another place ({answer.target})")
    if answer.status not in FOLLOWED:
        raise redirected(route, answer, "it redirects in a way that would change the request")
    return target


def _host(url: httpx.URL, location: str) -> str:
    return url.join(location).host[:100]


def redirected(route: Route, answer: ProviderResponse, how: str) -> UntrustedRedirectError:
    """Return the error for a redirect that is not followed; the other slash form may be tried on this origin."""
    error = UntrustedRedirectError(
        f"WAYSCloud did not {route.doing}: {how}, and the key stays here.",
        status=answer.status,
        operation=route.name,
    )
    error.again = answer.lead is RedirectKind.OTHER_FORM
    return error
