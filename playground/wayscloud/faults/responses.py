"""Answers, and what a fault turns them into."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime

from starlette.datastructures import URL
from starlette.responses import Response, StreamingResponse

from vpsops.playground.wayscloud.faults import Fault

CHUNK = 1 << 16
DETAILS = {
    401: "Invalid token",
    403: "API key does not have permission for this service",
    404: "VPS not found",
    409: "VPS is busy",
    429: "Rate limit exceeded",
    500: "Internal error",
    503: "Service unavailable",
}
GATEWAY_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"
GATEWAY = {502: "502 Bad Gateway", 504: "504 Gateway Time-out"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a JSON body and headers."""

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # in place of the body, where a fault encodes it differently

    def encoded(self) -> bytes:
        """Return the body in its wire form."""
        if self.content is not None:
            return self.content
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()

    def response(self) -> Response:
        """Return the answer for the web framework."""
        return Response(self.encoded(), self.status, self.headers, media_type="application/json")


def refused(status: int, detail: object) -> Answer:
    """Return an error in the framework's shape."""
    return Answer(status, {"detail": detail})


def faulty(fault: Fault, answer: Answer | None, target: str, now: datetime) -> Response:
    """Return the client's response in place of `answer`, which is None when the effect did not happen."""
    match fault.kind:
        case "malformed":
            return _malformed(fault, answer)
        case "oversized":
            return StreamingResponse(_flood(fault.size), 200, media_type="application/json")
        case "redirect":
            status = fault.status if fault.status in (301, 302, 303, 307, 308) else 307
            return Response(b"", status, {"location": redirected(fault, URL(target))})
        case _:
            return _failed(fault, now)


def redirected(fault: Fault, url: URL) -> str:
    """Return the target of a redirect; `url` is the requested address."""
    path = url.path.removesuffix("/") if url.path.endswith("/") else f"{url.path}/"
    match fault.to:
        case "elsewhere":
            query = f"?{url.query}" if url.query else ""
            return fault.location.rstrip("/") + url.path + query
        case "slash":
            return str(url.replace(path=path))
        case "http":
            return str(url.replace(path=path, scheme="http", port=None))
        case "host":
            return str(url.replace(path=path, hostname="vps-api.internal.invalid", port=8000))
        case "self":
            return str(url)
        case "loop":
            return str(url.include_query_params(hop=int(url.query.rpartition("=")[2] or 0) + 1))


def _failed(fault: Fault, now: datetime) -> Response:
    headers = _retry_after(fault, now)
    if fault.body is not None:
        return Response(fault.body, fault.status, headers, media_type=fault.content_type)
    if fault.detail is not None:
        return Answer(fault.status, {"detail": fault.detail}, headers).response()
    if fault.status in GATEWAY:
        return Response(GATEWAY_PAGE.format(GATEWAY[fault.status]), fault.status, headers, media_type="text/html")
    answer = refused(fault.status, DETAILS.get(fault.status, "Error"))
    return Response(answer.encoded(), fault.status, headers, media_type="application/json")


def _retry_after(fault: Fault, now: datetime) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    if fault.retry_after_date:
        return {"retry-after": format_datetime(now + timedelta(seconds=fault.retry_after), usegmt=True)}
    return {"retry-after": f"{fault.retry_after:g}"}


def _malformed(fault: Fault, answer: Answer | None) -> Response:
    whole = answer.encoded() if answer else b"{}"
    body = fault.body.encode() if fault.body is not None else whole[: max(1, len(whole) // 2)]
    return Response(body, 200, media_type="application/json")


async def _flood(size: int) -> AsyncIterator[bytes]:
    yield b'{"padding":"'
    for start in range(0, size, CHUNK):
        yield b"x" * min(CHUNK, size - start)
    yield b'"}'
