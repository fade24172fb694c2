"""Reads posted messages before the SDK does, as on standard streams: every request with an id gets an answer.

The SDK accepts a request with an odd id as a notification, answers other bodies under no id with a validator's report,
and takes any version that it does not know for the new era's.
"""

from typing import Any, Final

from mcp_types.jsonrpc import UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import SUPPORTED_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.mcp_server.auth.scope_challenge import MAX_BODY, read_body, replay_body
from vpsops.mcp_server.protocol.frames import Frame, read_frame, unreadable_answer
from vpsops.mcp_server.protocol.lines import check_frame
from vpsops.mcp_server.protocol.text import quote

VERSION: Final = "Mcp-Protocol-Version"
VERSION_OF_BODY: Final = "io.modelcontextprotocol/protocolVersion"
LONGEST_VERSION: Final = 40


class MessageCheckMiddleware:
    """Answers bodies that are no message with 400, and passes on the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        messages = await read_body(receive)
        body = b"".join(message.get("body", b"") for message in messages)
        if len(body) > MAX_BODY or messages[-1]["type"] != "http.request":  # too long, or its client has gone
            await self._app(scope, replay_body(messages, receive), send)
            return
        frame = check_frame(read_frame(body.decode("utf-8", "replace")))
        answer = _refusal(frame) or _unknown_version(scope, frame.message)
        if answer is not None:
            await answer(scope, receive, send)
            return
        whole: Message = {"type": "http.request", "body": frame.line.encode(), "more_body": False}
        await self._app(scope, replay_body([whole], receive), send)


def _refusal(frame: Frame) -> Response | None:
    """Return the errors for a body that cannot be read: of a batch, one for each of its requests."""
    if frame.line:
        return None
    answers = frame.answers or (unreadable_answer(),)
    body = answers[0] if len(answers) == 1 else f"[{', '.join(answers)}]"  # in ASCII: an id may be half a character
    return Response(body, status_code=400, media_type="application/json")


def _unknown_version(scope: Scope, message: Any) -> JSONResponse | None:
    """Return the error for a version that there is not; the new era's own requests are left to the SDK."""
    version = Headers(scope=scope).get(VERSION)
    if version is None or version in SUPPORTED_PROTOCOL_VERSIONS or _names_its_version(message):
        return None
    text = f"{VERSION}: {quote(version, LONGEST_VERSION)} is not served. Send the version that `initialize` answered"
    error = {
        "code": UNSUPPORTED_PROTOCOL_VERSION,
        "message": f"{text}, one of {', '.join(SUPPORTED_PROTOCOL_VERSIONS)}.",
        "data": {"supported": list(SUPPORTED_PROTOCOL_VERSIONS), "requested": version[:LONGEST_VERSION]},
    }
    return JSONResponse({"jsonrpc": "2.0", "id": _asked_id(message), "error": error}, status_code=400)


def _names_its_version(message: dict[str, Any]) -> bool:
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and VERSION_OF_BODY in meta


def _asked_id(message: dict[str, Any]) -> Any:
    return message.get("id") if "method" in message else None
