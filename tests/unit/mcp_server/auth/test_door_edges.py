"""The middleware before the MCP server: cookies of an issuer, and which callers are asked for more scope."""

import json
from typing import Any

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from tests.fakes.network.issuer import running_issuer
from tests.harness.virtual_time import VirtualClock
from vpsops.mcp_server.auth.issuer import IssuerConfig
from vpsops.mcp_server.auth.middleware import AuthConfig, open_verifier
from vpsops.mcp_server.auth.scope_challenge import ScopeChallengeMiddleware

AUDIENCE = "https://vpsops.example.com/mcp"


async def test_an_issuers_cookies_are_not_kept() -> None:
    """Its keys are public, so nothing has to be known of who asks."""
    async with running_issuer() as issuer:
        issuer.url = issuer.url.replace("127.0.0.1", "localhost")  # a client keeps no cookies of a bare address
        issuer.cookie = "tracked=1; Path=/"
        trust = IssuerConfig(issuer.url, AUDIENCE, "email")
        async with open_verifier(AuthConfig(trust=trust), VirtualClock()) as verifier:
            await verifier.verify_token(issuer.token(AUDIENCE))
    assert issuer.reads == 1
    assert issuer.cookies_received == []


class Passed:
    """The server behind: it answers 204."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        self.calls += 1
        await Response(status_code=204)(scope, receive, send)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_request_of_nobody_is_left_to_the_server_behind(method: str) -> None:
    """The authentication has decided about it; only a reader with an access token is asked for more."""
    behind, sent = Passed(), list[Message]()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "vps_stop"}}).encode()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": method, "headers": [], "path": "/mcp"}
    await ScopeChallengeMiddleware(behind, {"vps_stop"}, "https://vpsops.example.com/metadata")(scope, receive, send)
    assert (behind.calls, sent[0]["status"]) == (1, 204)
