"""What the check of bodies passes on to the SDK: whole, mended, or untouched."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from vpsops.mcp_server.auth.scope_challenge import MAX_BODY
from vpsops.mcp_server.http.message_check import MessageCheckMiddleware

PING = b'{"jsonrpc":"2.0","id":8,"method":"ping"}'
NOTE = '{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"confirm":true,"note":"a%s"}}}'


class CheckedApplication:
    """The application behind: reads what it gets to the end of the body."""

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.last: Message = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, send
        self.body = b""
        self.last = {"more_body": True}
        while self.last.get("more_body"):
            self.last = await receive()
            self.body += self.last.get("body", b"")


async def passed(*messages: Message, method: str = "POST") -> tuple[CheckedApplication, list[Message]]:
    """Send these messages through the check; return what came out behind it, and what was answered."""
    left, answered = list(messages), list[Message]()

    async def receive() -> Message:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answered.append(message)

    behind = CheckedApplication()
    scope: dict[str, Any] = {"type": "http", "method": method, "headers": []}
    await MessageCheckMiddleware(behind)(scope, receive, send)
    return behind, answered


def pieces(*parts: bytes) -> list[Message]:
    """Return a body in these parts."""
    last = len(parts) - 1
    return [{"type": "http.request", "body": part, "more_body": place < last} for place, part in enumerate(parts)]


@pytest.mark.parametrize("parts", [(PING,), (PING[:9], PING[9:]), (b"", *[PING[i : i + 1] for i in range(len(PING))])])
async def test_a_message_is_passed_on_whole_however_it_is_cut(parts: tuple[bytes, ...]) -> None:
    """In one piece, since it was read to its end."""
    behind, answered = await passed(*pieces(*parts))
    assert (behind.body, answered) == (PING, [])


async def test_half_a_character_in_an_answer_does_not_lose_the_answer() -> None:
    """A client's answer cannot be refused: the half becomes the sign for it."""
    behind, answered = await passed(*pieces((NOTE % "\\ud83d").encode()))
    assert answered == []
    assert behind.body is not None
    assert behind.body.replace(b" ", b"") == (NOTE % "\ufffd").encode()


@pytest.mark.parametrize(("size", "refused"), [(MAX_BODY, True), (MAX_BODY + 1, False)])
async def test_what_is_too_long_is_left_to_the_bound_behind(size: int, *, refused: bool) -> None:
    """It answers 413; up to the bound a body is read here."""
    behind, answered = await passed(*pieces(b"x" * size))
    assert [message["status"] for message in answered[:1]] == ([400] if refused else [])
    assert (behind.body is None) is refused
    assert refused or len(behind.body or b"") == size


async def test_a_client_that_leaves_in_its_body_is_left_to_the_sdk() -> None:
    """Half a message is no message to answer: there is no one to read it."""
    half: Message = {"type": "http.request", "body": PING[:9], "more_body": True}
    behind, answered = await passed(half, {"type": "http.disconnect"})
    assert (behind.last["type"], answered) == ("http.disconnect", [])


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_other_methods_are_passed_on_unread(method: str) -> None:
    """A stream and the end of a session have no message."""
    behind, answered = await passed(*pieces(b"x"), method=method)
    assert (behind.body, answered) == (b"x", [])
