"""What can go wrong after a write has left, each as a server that answers so; and a departure that calls a function."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
import pytest
from anyio.abc import SocketStream

from tests.fakes.provider import BOUND, KEY, QUICK, Handler, Received, answers, raw, silent, wire
from vpsops.core.wayscloud.answers.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    NotOfferedError,
    OutcomeUnknownError,
    ProviderRefusedError,
    RateLimitedError,
)
from vpsops.core.wayscloud.client import Wayscloud

HURRIED: Final = replace(QUICK, change_seconds=0.2)

BeforeSend = Callable[[], None]


@dataclass(frozen=True, slots=True)
class WriteFence:
    """A departure that stores nothing and does something at its last instant."""

    before_send: BeforeSend

    async def connected(self) -> None:
        """Go on."""


def fenced(before_send: BeforeSend | None) -> WriteFence | None:
    return WriteFence(before_send) if before_send is not None else None


async def redirect_to_itself(stream: SocketStream, request: Received) -> None:
    """Answer as a service that took it and sends the client in a circle."""
    await stream.send(raw("307 Temporary Redirect", b"", f"Location: {request.path}"))


FAULTS: Final[dict[str, Handler]] = {
    "hangs up": answers(b""),
    "not HTTP": answers(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "half a body": answers(raw("200 OK", b'{"id": "b5', "Connection: close", length=99)),
    "half a head": answers(b"HTTP/1.1 200 OK\r\nContent-Le", b""),
    "silence": silent,
    "slow body": answers(raw("201 Created", b"{", length=99)),
    "endless body": answers(raw("200 OK", b"x" * 200_000, length=10**9)),
    "500": answers(raw("500 Internal Server Error", b'{"detail": "Internal error"}')),
    "502": answers(raw("502 Bad Gateway", b"<html>nginx</html>")),
    "503": answers(raw("503 Service Unavailable", b"", "Retry-After: 1")),
    "504": answers(raw("504 Gateway Timeout")),
    "408": answers(raw("408 Request Timeout")),
    "425": answers(raw("425 Too Early")),
    "499": answers(raw("499 Client Closed Request")),
    "307 to itself": redirect_to_itself,
    "303": answers(raw("303 See Other", b"", "Location: /v1/vps")),
    "304": answers(raw("304 Not Modified")),
    "a page": answers(raw("200 OK", b"<html>Log in</html>")),
    "a list": answers(raw("200 OK", b"[]")),
    "packed oddly": answers(raw("200 OK", b"junk", "Content-Encoding: br")),
}


async def check_sent_once(fault: str, write: Callable[[Wayscloud, None], Coroutine[Any, Any, object]]) -> None:
    """Assert that a write which meets this fault after it has left is sent once, with an unknown outcome."""
    settings = replace(HURRIED, max_body_bytes=100_000)
    async with wire(FAULTS[fault]) as server, server.client(settings) as client:
        with anyio.fail_after(BOUND), pytest.raises(OutcomeUnknownError, match="not known whether") as caught:
            await write(client, None)
    assert len(server.received) == 1
    assert "sent again" in caught.value.hint
    assert KEY not in str(caught.value)


every_refusal = pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFoundError),
        (405, NotOfferedError),
        (409, ConflictError),
        (422, InvalidRequestError),
        (429, RateLimitedError),
        (501, NotOfferedError),
    ],
)


async def check_refused_once(
    status: int, kind: type[ProviderRefusedError], write: Callable[[Wayscloud, None], Coroutine[Any, Any, object]]
) -> None:
    """Assert that a write which is refused with this status is sent once, and fails with its kind and the reason."""
    no = raw(f"{status} No", b'{"detail": "because"}')
    async with wire(answers(no)) as server, server.client() as client:
        with pytest.raises(kind, match="because") as caught:
            await write(client, None)
    assert type(caught.value) is kind
    assert len(server.received) == 1
