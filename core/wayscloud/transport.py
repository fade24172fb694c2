"""One exchange with the provider over HTTP: bounded in time and size, and exact about whether anything left."""

import logging
import math
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote

import anyio
import httpx

from core.errors import ConfigurationError
from core.wayscloud.body import Body, read_body
from core.wayscloud.credentials import Credentials
from core.wayscloud.errors import NotAuthenticated, NotSent, Unreachable, UntrustedRedirect
from core.wayscloud.redact import tidy
from core.wayscloud.routes import Route

BeforeSend = Callable[[], None]
HttpTransport = httpx.AsyncBaseTransport

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
FOLLOWED: Final = frozenset({307, 308})  # the two that promise to keep method and body
NOT_FOLLOWED: Final = frozenset({301, 302})
SEE_OTHER: Final = 303
NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TransportSettings:
    """Bounds on everything, in seconds unless named otherwise.

    Ten thousand servers, each with every field that any source names, are 6 MB of JSON: they fit `max_body_bytes`.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    write_seconds: float = 10.0
    queue_seconds: float = 30.0
    attempt_seconds: float = 30.0
    change_seconds: float = 60.0
    total_seconds: float = 75.0
    attempts: int = 3
    wait_initial: float = 0.5
    wait_max: float = 5.0
    wait_jitter: float = 0.5
    retry_after_cap: float = 20.0
    max_body_bytes: int = 8 * 1024 * 1024
    max_in_flight: int = 8
    max_redirects: int = 3


DEFAULTS: Final = TransportSettings()
NO_KEY: Final = "Set WAYSCLOUD_API_KEY or WAYSCLOUD_TOKEN."


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the code, the header a caller may need, the body, and the path that answered."""

    status: int
    body: Body
    path: str
    retry_after: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether the code is any 2xx; the documentation names none in particular."""
        return 200 <= self.status < 300  # noqa: PLR2004


@dataclass(slots=True)
class _Departure:
    """The instant a request leaves: asks `before_send` once for each hop, and remembers what came of it."""

    before_send: BeforeSend | None
    left: bool = False
    refusal: BaseException | None = None
    deadline: float = math.inf

    def cross(self) -> None:
        if self.before_send is not None:
            try:
                self.before_send()
            except BaseException as error:
                self.refusal = error
                raise
        self.left = True

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Hear of each step inside the connection pool; a proxy's CONNECT is not our request yet."""
        if event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT":
            self.cross()


class Transport:
    """Sends requests with the key to one origin, and to no other."""

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        base_url: str,
        settings: TransportSettings,
        http_transport: HttpTransport | None,
    ) -> None:
        self._base = _origin(base_url, trusted=http_transport is not None)
        self._settings = settings
        self._secret = credentials.secret if credentials else ""
        self._slots = anyio.CapacityLimiter(settings.max_in_flight)
        self._traced = http_transport is None or isinstance(http_transport, httpx.AsyncHTTPTransport)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "vpsops"}
        headers |= credentials.headers() if credentials else {}
        self._tls = _tls(self._base)
        self._reads = self._pool(headers, settings.read_seconds, settings.max_in_flight, http_transport)
        # A kept-alive connection may be closed by the other side in the instant a write goes out on it, and then
        # nobody knows whether it arrived. Writes are few: each gets a connection of its own.
        self._writes = self._pool(headers, settings.change_seconds, 0, http_transport)

    def _pool(
        self, headers: dict[str, str], silence: float, kept: int, http_transport: HttpTransport | None
    ) -> httpx.AsyncClient:
        bounds = self._settings
        return httpx.AsyncClient(
            headers=headers,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=bounds.max_in_flight, max_keepalive_connections=kept),
            timeout=httpx.Timeout(silence, connect=bounds.connect_seconds, write=bounds.write_seconds),
            transport=http_transport,
            verify=self._tls,
            trust_env=self._base.host not in LOOPBACK,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._reads.aclose()
        await self._writes.aclose()

    async def send(self, route: Route, path: str, content: bytes | None, before_send: BeforeSend | None) -> Answer:
        """Send one request and return the answer to it.

        Raise NotAuthenticated where there is no key, NotSent when nothing left, Unreachable when it left and no answer
        came, UntrustedRedirect when the answer points elsewhere, and whatever `before_send` raises.
        """
        if not self._secret:
            raise NotAuthenticated("There is no WAYSCloud key.", hint=NO_KEY, operation=route.name)
        departure = _Departure(before_send)
        try:
            async with self._slot():
                return await self._hops(route, path, content, departure)
        except UntrustedRedirect:
            raise
        except Exception as error:
            if departure.refusal is not None:
                raise departure.refusal from None
            # Whatever breaks after a write has left, even a bug, leaves its outcome unknown.
            if isinstance(error, httpx.HTTPError | OSError) or (departure.left and route.method != "GET"):
                raise self._lost(route, error, left=departure.left) from error
            raise

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        with anyio.fail_after(self._settings.queue_seconds):
            await self._slots.acquire()
        try:
            yield
        finally:
            self._slots.release()

    async def _hops(self, route: Route, path: str, content: bytes | None, departure: _Departure) -> Answer:
        url = self._base.copy_with(path=self._base.path.rstrip("/") + quote(path))
        bounds = self._settings
        departure.deadline = anyio.current_time() + (
            bounds.attempt_seconds if route.method == "GET" else bounds.change_seconds
        )
        for _ in range(self._settings.max_redirects + 1):
            answer, location = await self._hop(route, url, content, departure)
            if location is None:
                return answer
            url = self._trusted(route, answer, url, location)
        raise _redirected(route, answer, "it redirects in a circle")

    async def _hop(
        self, route: Route, url: httpx.URL, content: bytes | None, departure: _Departure
    ) -> tuple[Answer, str | None]:
        departure.left = False  # an earlier hop was answered, with a redirect
        with anyio.fail_after(departure.deadline - anyio.current_time()):
            response = await self._depart(route, url, content, departure)
        try:
            body = await self._body(response, departure.deadline)
        finally:
            await response.aclose()
        _log.debug("%s %s answered %d, %d bytes", route.method, url.path, response.status_code, len(body.content))
        answer = Answer(response.status_code, body, self._own_path(url), response.headers.get("retry-after", ""))
        # 303 after a write means that something was done: that is an answer, and not a clear one.
        redirects = FOLLOWED | NOT_FOLLOWED | ({SEE_OTHER} if route.method == "GET" else frozenset())
        return answer, response.headers.get("location", "") if answer.status in redirects else None

    async def _depart(
        self, route: Route, url: httpx.URL, content: bytes | None, departure: _Departure
    ) -> httpx.Response:
        pool = self._reads if route.method == "GET" else self._writes
        headers = {"Content-Type": "application/json"} if content is not None else None
        request = pool.build_request(route.method, url, content=content, headers=headers)
        if self._traced:
            request.extensions["trace"] = departure.trace
        else:
            departure.cross()
        return await pool.send(request, stream=True)

    async def _body(self, response: httpx.Response, deadline: float) -> Body:
        """Read the body until the deadline; late is a flaw of the body, for the code has arrived."""
        with anyio.CancelScope(deadline=deadline):
            chunks = cast(AsyncGenerator[bytes], response.aiter_raw())
            return await read_body(chunks, response.headers, self._settings.max_body_bytes)
        return Body(flaw="the body took too long", cut_short=True)

    def _own_path(self, url: httpx.URL) -> str:
        return url.path.removeprefix(self._base.path.rstrip("/"))

    def _lost(self, route: Route, error: Exception, *, left: bool) -> Unreachable:
        kind = type(error).__name__
        if left and not isinstance(error, NEVER_LEFT):
            return Unreachable(f"WAYSCloud did not {route.doing}: no answer came ({kind}).", operation=route.name)
        # The reason matters here: a wrong certificate, a name that does not resolve, nobody listening.
        reason = tidy(str(error), self._secret, limit=120) or kind
        return NotSent(f"WAYSCloud did not {route.doing}: it could not be reached ({reason}).", operation=route.name)

    def _trusted(self, route: Route, answer: Answer, url: httpx.URL, location: str) -> httpx.URL:
        try:
            target = url.join(location)
        except httpx.InvalidURL:
            raise _redirected(route, answer, "it redirects to something that is no address") from None
        if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port) or target.userinfo:
            raise _redirected(route, answer, f"it redirects to another place ({target.host[:100]})")
        if answer.status not in FOLLOWED or not location:
            raise _redirected(route, answer, "it redirects in a way that would change the request")
        return target


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


def _tls(base: httpx.URL) -> ssl.SSLContext:
    """Return the usual trust for https; for http one that trusts nobody, as loading the usual one takes a while."""
    return httpx.create_ssl_context() if base.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _redirected(route: Route, answer: Answer, how: str) -> UntrustedRedirect:
    return UntrustedRedirect(
        f"WAYSCloud did not {route.doing}: {how}, and the key stays here.",
        status=answer.status,
        operation=route.name,
    )
