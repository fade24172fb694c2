"""A server over HTTP on a real socket, clients with tokens, and raw requests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import mcp.types as t
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.tls import NO_TLS
from tests.unit.mcp_server.harness import Human
from vpsops.core.app import Core
from vpsops.core.config.settings import Settings
from vpsops.core.server.http_server import listen
from vpsops.mcp_server.auth.static_tokens import digest_of
from vpsops.mcp_server.http.app import McpHttp, open_mcp
from vpsops.mcp_server.http.config import HttpConfig, http_config_from
from vpsops.mcp_server.http.server import serve_mcp
from vpsops.mcp_server.server import ServerOptions

ANN_TOKEN = "ann-" + "a" * 40
BOB_TOKEN = "bob-" + "b" * 40
OLD_TOKEN = "old-" + "c" * 40
ACCEPT = {"Accept": "application/json, text/event-stream"}
NEW = {**ACCEPT, "Mcp-Protocol-Version": "2026-07-28"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
}
TOKENS = f"""
[[token]]
sha256 = "{digest_of(ANN_TOKEN)}"
subject = "ann-laptop"
human = "ann@example.com"
slack_user = "U0ANN00"
groups = ["ops"]
scopes = ["vps:write"]

[[token]]
token = "{BOB_TOKEN}"
subject = "bob-reports"
slack_user = "U0BOB00"
scopes = ["vps:read"]

[[token]]
token = "{OLD_TOKEN}"
subject = "old"
slack_user = "U0OLD00"
scopes = ["vps:write"]
expires = 2026-01-01T00:00:00Z
"""


def with_tokens(settings: Settings, directory: Path, text: str = TOKENS) -> Settings:
    """Return settings that know the tokens of this text."""
    path = directory / "tokens.toml"
    path.write_text(text, encoding="utf-8")
    return settings.model_copy(update={"http_tokens_file": path})


@asynccontextmanager
async def serving(
    core: Core, settings: Settings | None = None, options: ServerOptions | None = None
) -> AsyncIterator[tuple[HttpConfig, McpHttp]]:
    """Serve a core over HTTP with these settings until the block ends."""
    sock = listen("127.0.0.1", 0)
    site = http_config_from(settings or core.settings, sock, core.clock)
    stop = anyio.Event()
    async with open_mcp(core, site, options) as served, anyio.create_task_group() as group:
        group.start_soon(serve_mcp, served, served.asgi(core), sock, stop)
        yield site, served
        stop.set()


@asynccontextmanager
async def http_client(
    url: str, era: str, token: str = "", human: Human | None = None, name: str = "test-client"
) -> AsyncIterator[Client]:
    """Connect the SDK's client, with a token where one is given."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False, verify=NO_TLS) as http:
        transport: Any = streamable_http_client(url, http_client=http)
        info = t.Implementation(name=name, version="1")
        async with Client(
            transport, mode=era, client_info=info, elicitation_callback=human, read_timeout_seconds=PATIENCE_SECONDS
        ) as client:
            yield client


def call(method: str, **params: Any) -> dict[str, Any]:
    """Return a request of the new era."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": ENVELOPE}}


async def post(url: str, message: dict[str, Any], token: str = "", **headers: str) -> httpx.Response:
    """Send one request of the new era."""
    named = message.get("params", {}).get("name")
    sent = {
        **NEW,
        "Mcp-Method": message["method"],
        **({"Mcp-Name": named} if named else {}),
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **headers,
    }
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=PATIENCE_SECONDS) as client:
        return await client.post(url, json=message, headers=sent)
