"""Habits of hosts that no other file is about: forms that cannot be shown, sessions that are gone."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError

from tests.unit.mcp_server.harness import ANN, client_of, text
from tests.unit.mcp_server.http.test_host_requests import hello
from tests.unit.mcp_server.http_harness import ACCEPT, call, post, serving, with_tokens
from vpsops.core.app import Core
from vpsops.core.config.settings import Settings
from vpsops.mcp_server.protocol.elicitation import UNABLE, FormAnswer, is_yes, refusal_reason
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.mark.parametrize("session", ["unknown", "0" * 32, ""])
async def test_a_session_that_is_gone_is_not_found(core: Core, session: str) -> None:
    """As the protocol has it, so that a client starts a new session; a handshake under a dead id starts none."""
    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = await client.post(site.url, json=body, headers=ACCEPT | {"Mcp-Session-Id": session})
        handshake = await client.post(site.url, json=hello(), headers=ACCEPT | {"Mcp-Session-Id": session})
        stateless = await post(site.url, call("tools/list"), **{"Mcp-Session-Id": session})
    assert (answer.status_code, handshake.status_code) == (404, 404)
    assert "mcp-session-id" not in handshake.headers
    assert stateless.status_code == 200


@pytest.mark.parametrize("path", ["oauth-protected-resource", "oauth-protected-resource/mcp"])
@pytest.mark.parametrize("tokens", [False, True], ids=["open", "tokens"])
async def test_where_no_issuer_is_no_metadata_leads_to_one(
    core: Core, settings: Settings, tmp_path: Path, path: str, tokens: bool
) -> None:
    """Clients look for it before they connect: it is not found, and a refusal names none."""
    chosen = with_tokens(settings, tmp_path) if tokens else settings
    async with serving(core, chosen) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        base = site.url.removesuffix("/mcp")
        metadata = await client.get(f"{base}/.well-known/{path}")
        servers = [
            (await client.get(f"{base}{place}")).status_code
            for place in ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/register")
        ]
        called = await post(site.url, call("tools/list"))
    assert (metadata.status_code, servers) == (404, [404, 404, 404])
    assert called.status_code == (401 if tokens else 200)
    assert "resource_metadata" not in called.headers.get("WWW-Authenticate", "")


async def test_a_client_that_declares_forms_and_has_none_is_said_to_be_the_reason(
    core: Core, provider: SimulatorHandle
) -> None:
    """It answers that the method is unknown: nothing is done, and no refusal is reported."""

    async def unknown(_: Any, __: Any) -> Any:
        raise MCPError(-32601, "Method not found")

    async with client_of(core, "legacy", unknown, ServerOptions(human=ANN)) as client:  # type: ignore[arg-type]
        result = await client.call_tool("vps_stop", {"server": "web01"})
    assert result.is_error
    assert "The client declares forms and cannot ask its human" in text(result)
    assert not is_yes(FormAnswer(UNABLE, {"confirm": True}))
    assert "cannot ask" in refusal_reason(FormAnswer(UNABLE, {}))
    assert dict(provider.simulator.world.counts) == {}
