"""What stands before Bolt over HTTP: only what Slack has signed just now, and what is well formed, goes through.

Bolt reads the body before it checks the signature and takes a timestamp for a number (both answer 500 to
strangers), and logs the body of a forged request. So: size, timestamp, signature over the raw bytes, shape; then Bolt.
"""

from collections.abc import Mapping
from typing import Final

import structlog
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.bot.protocol.payloads import MAX_BYTES, MalformedPayloadError, is_ssl_check, parse_body
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.text import whole_number
from vpsops.core.server.rejections import Rejections

FRESH_SECONDS: Final = timings.SIGNED_SECONDS
"""Slack: refuse what is older than five minutes."""
TIMESTAMP_DIGITS: Final = 12
PARSED_PAYLOAD: Final = "vpsops.checked"
"""Under this name the request's scope holds the payload, read and checked."""
VERIFIED_HEADERS: Final = "vpsops.headers"
"""Under this name it holds the headers, by lower-case name."""
PRESENT: Final = "vpsops receives Slack's signed requests at this address, by POST."

logger = structlog.get_logger(__name__)


class _Seconds(SlackClock):
    """The SDK's clock, on our injected clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        """Return the time of day in seconds."""
        return self._clock.now().timestamp()


class RequestRejectedError(Exception):
    """An answer that ends the request before Bolt sees it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class SlackRequestVerifier:
    """ASGI middleware before Bolt's endpoint."""

    def __init__(self, app: ASGIApp, signing_secret: str, clock: Clock | None = None) -> None:
        self._app = app
        self._clock = clock or SystemClock()
        self._verifier = SignatureVerifier(signing_secret, _Seconds(self._clock))
        self._rejections = Rejections("slack")

    def use(self, signing_secret: str) -> None:
        """Accept what another secret signed, and nothing else, from the next request on."""
        self._verifier.signing_secret = signing_secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._admit(scope, receive)
        except RequestRejectedError as refusal:
            if refusal.status >= 400:  # noqa: PLR2004 - the other ones are answers
                self._rejections.count(refusal.why.replace(" ", "_"))
            await _answer(send, refusal.status, refusal.why)
            return
        await self._app(scope, _again(body, receive), send)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] in {"GET", "HEAD"}:  # Slack's check of the certificate, or a person's browser
            raise RequestRejectedError(200, PRESENT)
        if scope["method"] != "POST":
            raise RequestRejectedError(405, "use POST")
        headers = headers_of(scope)
        body = await _read(headers, receive)
        if "x-slack-signature" in headers or not is_ssl_check(body):
            self._check_signature(headers, body)
        if is_ssl_check(body):
            raise RequestRejectedError(200, "")
        try:
            scope[VERIFIED_HEADERS] = headers
            scope[PARSED_PAYLOAD] = parse_body(body, headers.get("content-type", ""))
        except MalformedPayloadError as malformed:
            logger.warning("signed_request_refused", why=str(malformed), bytes=len(body))
            raise RequestRejectedError(400, str(malformed)) from None
        return body

    def _check_signature(self, headers: Mapping[str, str], body: bytes) -> None:
        timestamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        if not self._is_fresh(timestamp) or not signature.isascii():
            raise RequestRejectedError(401, "not signed")
        try:
            valid = self._verifier.is_valid(body, timestamp, signature)
        except ValueError:  # the SDK signs text, so a body that is none has no signature
            valid = False
        if not valid:
            raise RequestRejectedError(401, "not signed")

    def _is_fresh(self, timestamp: str) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= TIMESTAMP_DIGITS):
            return False
        return abs(self._clock.now().timestamp() - int(timestamp)) <= FRESH_SECONDS


def headers_of(scope: Scope) -> Mapping[str, str]:
    """Return the headers by lower-case name; one that is repeated counts as absent if we rely on it."""
    results: dict[str, str] = {}
    repeated: set[str] = set()
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        repeated |= {name} & results.keys()
        results[name] = value.decode("latin-1")
    return {name: value for name, value in results.items() if name not in repeated or not name.startswith("x-slack-")}


async def _read(headers: Mapping[str, str], receive: Receive) -> bytes:
    length = headers.get("content-length", "0")
    if whole_number(length, 0, MAX_BYTES) is None:
        raise RequestRejectedError(413, "too large")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise RequestRejectedError(400, "cut short")
        size += len(message.get("body", b""))
        if size > MAX_BYTES:
            raise RequestRejectedError(413, "too large")
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read once more, then whatever comes after it."""
    rest = [body]

    async def replay() -> Message:
        if rest:
            return {"type": "http.request", "body": rest.pop(), "more_body": False}
        return await receive()

    return replay


async def _answer(send: Send, status: int, why: str) -> None:
    body = why.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if status == 405:  # noqa: PLR2004 - a refusal that names what is taken
        headers.append((b"allow", b"GET, HEAD, POST"))
    if status == 413:  # noqa: PLR2004 - the rest of the body is not read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
