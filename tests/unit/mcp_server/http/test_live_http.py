"""Live updates over HTTP: a stream of the new era, the standing stream of the old one, and their ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import httpx2
import mcp.types as t
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.harness.internals import backend_of, database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.unit.mcp_server.harness import ANN, WEB
from tests.unit.mcp_server.http_harness import BOB_TOKEN, NEW, call, serving, with_tokens
from tests.unit.mcp_server.resources.listening_client import Ear, become, hearing, until
from vpsops.core.app import Core
from vpsops.mcp_server.http.app import McpHttp
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

LOCAL = ServerOptions(human=ANN)
URIS = ["vps://servers", f"vps://servers/{WEB}"]


@asynccontextmanager
async def listening(url: str, era: str, token: str = "") -> AsyncIterator[Ear]:
    """Listen over HTTP until the block ends."""
    ear = Ear()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as http,
        Client(
            streamable_http_client(url, http_client=http),
            mode=era,
            message_handler=ear,
            read_timeout_seconds=PATIENCE_SECONDS,
        ) as client,
        hearing(client, ear, era, *URIS),
    ):
        yield ear


async def connected(served: McpHttp, streams: int, era: str) -> None:
    """Wait until so many streams are open: the old era's begin beside what its client does, and news is not kept."""
    if era == "legacy":
        await until(lambda: len(served.endpoint._streams) == streams)


async def silent(core: Core) -> None:
    """Wait until no followers are left."""
    await until(lambda: not backend_of(core).engine.fleet._listeners and database_of(core).signals._waiters == 0)


async def test_a_client_hears_over_http_and_leaves_nothing(core: Core, provider: SimulatorHandle, era: str) -> None:
    """Two clients get the updates, each on its own stream; when both have disconnected nothing runs for them."""
    async with serving(core, None, LOCAL) as (site, served):
        async with listening(site.url, era) as first, listening(site.url, era) as second:
            await connected(served, 2, era)
            become(provider, WEB, Really.STOPPED)
            await first.until(*URIS)
            await second.until(*URIS)
        await silent(core)


async def test_a_reader_may_listen(core: Core, provider: SimulatorHandle, tmp_path: Path, era: str) -> None:
    """A token for reading is enough to listen with."""
    async with serving(core, with_tokens(core.settings, tmp_path)) as (site, served):
        async with listening(site.url, era, BOB_TOKEN) as ear:
            await connected(served, 1, era)
            become(provider, WEB, Really.STOPPED)
            await ear.until(*URIS)
        await silent(core)


async def test_the_end_of_the_server_is_told(core: Core, provider: SimulatorHandle) -> None:
    """A stop ends a stream with its result, so that the client knows it was meant, and what ran for it."""
    body = call("subscriptions/listen", notifications={"resourceSubscriptions": URIS})
    headers = {**NEW, "Mcp-Method": "subscriptions/listen"}
    async with (
        serving(core, None, LOCAL) as (site, served),
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        async with client.stream("POST", site.url, json=body, headers=headers) as stream:
            lines = stream.aiter_lines()
            with anyio.fail_after(PATIENCE_SECONDS):
                first = await anext(line async for line in lines if line.startswith("data:"))
                assert "notifications/subscriptions/acknowledged" in first
                served.endpoint.hang_up()
                (last,) = [line async for line in lines if line.startswith("data:")]
        ended = json.loads(last.removeprefix("data:"))
        assert ended["id"] == body["id"]
        assert ended["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == body["id"]
        await silent(core)
    assert provider.simulator.journal.total == 1


async def test_a_session_that_is_ended_leaves_nothing(core: Core) -> None:
    """DELETE ends what a session of the handshake's era listened for."""
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": t.Implementation(name="raw", version="1").model_dump(exclude_none=True),
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    async with (
        serving(core, None, LOCAL) as (site, _),
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        begun = await client.post(site.url, json=hello, headers=accept)
        session = {**accept, "Mcp-Session-Id": begun.headers["mcp-session-id"], "Mcp-Protocol-Version": "2025-11-25"}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await client.post(site.url, json=ready, headers=session)).status_code == 202
        asked = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": {"uri": URIS[0]}}
        assert '"result"' in (await client.post(site.url, json=asked, headers=session)).text
        assert backend_of(core).engine.fleet._listeners
        await client.delete(site.url, headers=session)
        await silent(core)
