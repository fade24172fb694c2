"""Habits of hosts that no other file is about: forms that cannot be shown, sessions that are gone."""

from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError

from tests.unit.mcp_server.harness import ANN, client_of, text
from tests.unit.mcp_server.http_harness import ACCEPT, call, post, serving
from vpsops.core.app import Core
from vpsops.mcp_server.protocol.elicitation import UNABLE, FormAnswer, is_yes, refusal_reason
from vpsops.mcp_server.server import ServerOptions
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.mark.parametrize("session", ["unknown", "0" * 32])
async def test_a_session_that_is_gone_is_not_found(core: Core, session: str) -> None:
    """As the protocol has it, so that a client starts a new session."""
    async with serving(core) as (site, _), httpx.AsyncClient(trust_env=False) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = await client.post(site.url, json=body, headers=ACCEPT | {"Mcp-Session-Id": session})
        stateless = await post(site.url, call("tools/list"), **{"Mcp-Session-Id": session})
    assert answer.status_code == 404
    assert stateless.status_code == 200


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
