"""The two ways from Slack to an app; this is the signed HTTP one, and what both share."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol
from urllib.parse import urlencode

import aiohttp
import anyio

from vpsops.core.common.clock import Clock
from vpsops.playground.slack.api.change_notifier import ChangeNotifier
from vpsops.playground.slack.workspace.log import Attempt
from vpsops.playground.slack.workspace.protocol import Json, signature

Kind = Literal["slash_commands", "interactive", "events_api"]
FORM = "application/x-www-form-urlencoded"
USER_AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One delivery; `retry` counts from 1 for repetitions that Slack marks as such."""

    kind: Kind
    payload: Json
    id: str
    accepts_response_payload: bool = True
    retry: int = 0
    retry_reason: str = "http_timeout"

    def again(self, retry: int, reason: str = "http_timeout") -> "Envelope":
        """Return the same delivery as repetition number `retry`, for this reason."""
        return replace(self, retry=retry, retry_reason=reason)


class SlackTransport(Protocol):
    """A transport to the app."""

    async def send(self, envelope: Envelope) -> Attempt:
        """Deliver once and wait for the acknowledgement, up to the deadline."""


@dataclass(slots=True)
class Deadline:
    """Runs work against the injected clock."""

    clock: Clock
    seconds: float

    async def run(self, work: Callable[[], Awaitable[Attempt]], late: Attempt) -> Attempt:
        """Return the result of `work` with its duration, or `late` when the deadline comes first."""
        begun = self.clock.monotonic()
        outcome = late
        async with anyio.create_task_group() as tasks:

            async def expire() -> None:
                await self.clock.sleep(self.seconds)
                tasks.cancel_scope.cancel()

            tasks.start_soon(expire)
            outcome = await work()
            tasks.cancel_scope.cancel()
        taken = self.clock.monotonic() - begun
        return replace(outcome, acked_in=taken) if outcome.ok else outcome


@dataclass(slots=True)
class HttpLine:
    """Signed POSTs to the app's request URL; `wall` dates the signatures, which the app compares with its own clock."""

    session: aiohttp.ClientSession
    secret: str
    deadline: Deadline
    wall: Clock
    changes: ChangeNotifier
    url: str | None = None
    sent: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)

    async def send(self, envelope: Envelope) -> Attempt:
        """Deliver once and wait for the acknowledgement, up to the deadline."""
        body, content_type = encode(envelope)
        headers = {"Content-Type": content_type, **self.signed(body)}
        if envelope.kind == "events_api" and envelope.retry:
            headers |= {"X-Slack-Retry-Num": str(envelope.retry), "X-Slack-Retry-Reason": envelope.retry_reason}
        return await self.post(body, headers, envelope.retry)

    async def post(self, body: bytes, headers: Mapping[str, str], number: int = 0) -> Attempt:
        """Send raw bytes with exactly these headers."""
        self.sent.append((body, dict(headers)))
        self.changes.ring()
        late = Attempt("http", number, error="operation_timeout")
        return await self.deadline.run(lambda: self._post(body, headers, number), late)

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the headers that sign this body now."""
        timestamp = str(int(self.wall.now().timestamp()))
        return {
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.secret, timestamp, body),
        }

    async def _post(self, body: bytes, headers: Mapping[str, str], number: int) -> Attempt:
        if self.url is None:
            return Attempt("http", number, error="dispatch_failed")
        try:
            sent = {"User-Agent": USER_AGENT, **headers}
            async with self.session.post(self.url, data=body, headers=sent, allow_redirects=False) as answer:
                data = await answer.read()
        except (aiohttp.ClientError, OSError):
            return Attempt("http", number, error="dispatch_failed")
        error = None if answer.status == 200 else f"http_{answer.status}"  # noqa: PLR2004 - the only acknowledgement
        acked = Attempt("http", number, answer.status, data, ack=_ack(answer.content_type, data), error=error)
        return replace(acked, no_retry=answer.headers.get("X-Slack-No-Retry") == "1")


def encode(envelope: Envelope) -> tuple[bytes, str]:
    """Return the body and content type of a delivery over HTTP."""
    if envelope.kind == "slash_commands":
        return urlencode(envelope.payload).encode(), FORM
    if envelope.kind == "interactive":
        return urlencode({"payload": json.dumps(envelope.payload)}).encode(), FORM
    return json.dumps(envelope.payload).encode(), "application/json"


def _ack(content_type: str, data: bytes) -> Json | None:
    text = data.decode(errors="replace")
    if content_type == "application/json" and text.strip():
        try:
            value = json.loads(text)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None
    return {"text": text} if text.strip() else None
