"""Asks for more scope when it is needed: a change called with a reader's access token is answered 403.

An OAuth client then asks its human for the missing scope and calls again (MCP's authorization, "Scope Challenge
Handling"). The server behind refuses such a call as well; this answer is the one that clients act on.
"""

import json
from collections.abc import Collection
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vpsops.mcp_server.auth.middleware import insufficient_scope_response, token_in
from vpsops.mcp_server.auth.principal import WRITE
from vpsops.mcp_server.protocol.tasks import CHANGING

MAX_BODY: Final = 1_000_000


class ScopeChallengeMiddleware:
    """Inspects the calls of readers with an access token; `changing` are the tools that need more scope."""

    def __init__(self, app: ASGIApp, changing: Collection[str], metadata: str) -> None:
        self._app = app
        self._changing = frozenset(changing) | CHANGING
        self._metadata = metadata

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or ask for the scope it needs."""
        token = token_in(scope)
        if scope["method"] != "POST" or token is None or not token.oauth or token.caller.may_change:
            await self._app(scope, receive, send)
            return
        messages = await read_body(receive)
        if called_name(b"".join(message.get("body", b"") for message in messages)) in self._changing:
            await insufficient_scope_response(self._metadata, WRITE)(scope, receive, send)
            return
        await self._app(scope, replay_body(messages, receive), send)


async def read_body(receive: Receive) -> list[Message]:
    """Read a body, or as much of one as will be refused for its size anyway."""
    messages, size = [await receive()], 0
    while messages[-1].get("more_body") and size <= MAX_BODY:
        size += len(messages[-1].get("body", b""))
        messages.append(await receive())
    return messages


def replay_body(messages: list[Message], receive: Receive) -> Receive:
    """Return what gives the messages that were read once more, then the rest."""
    left = list(reversed(messages))

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def called_name(body: bytes) -> str:
    """Return the name of the tool that a message calls, the method if it acts on a task, or "" for others."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(message, dict):
        return ""
    method = message.get("method")
    if method != "tools/call":
        return method if isinstance(method, str) and method in CHANGING else ""
    params = message.get("params")
    return str(params.get("name", "")) if isinstance(params, dict) else ""
