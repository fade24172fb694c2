"""Reading other people's changes over MCP: one rule, for tools, resources and the trail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client

from tests.adversary.network.token_service import token_service
from tests.fakes.accounts import EVERYBODY
from tests.unit.mcp_server.harness import text
from tests.unit.mcp_server.http_harness import http_client
from vpsops.core.app import Core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.mcp_server.auth.static_tokens import digest_of

REASON = "the sale begins at noon"
KINDS = {"reader": 'scopes = ["vps:read"]', "narrowed": 'scopes = ["vps:read"]\nservers = ["db*"]'}
TOKENS = {name: f"{name}-" + "x" * 40 for name in KINDS}
WRITTEN = "".join(
    f'[[token]]\nsha256 = "{digest_of(token)}"\nsubject = "{name}"\nhuman = "{name}@example.com"\n{KINDS[name]}\n'
    for name, token in TOKENS.items()
)


@asynccontextmanager
async def asked(folder: Path) -> AsyncIterator[tuple[Core, str, str]]:
    """Let a person's agent ask for a change of web01; yield where MCP is served, and the change's id."""
    async with token_service(folder, WRITTEN, EVERYBODY) as (core, url, _):
        agent = Actor(ActorKind.AGENT, "mcp:ann", "helper", "ann@example.com")
        held = await core.gate.submit(
            Request("stop", {"server": "web01"}, agent, Origin("mcp"), reason=REASON), scope=OPERATOR
        )
        assert isinstance(held, Held)
        yield core, url, held.change.id


async def seen(client: Client, change: str) -> dict[str, str]:
    """Return what each way shows of other people's changes."""
    trail = await client.read_resource("vps://audit/recent")
    return {
        "list": text(await client.call_tool("vps_changes", {})),
        "change": text(await client.call_tool("vps_change_get", {"change": change})),
        "trail": str(trail.contents),
    }


@pytest.mark.requirement("who-reads-what")
async def test_who_may_read_sees_everybodys_changes_and_the_trail_of_its_own_alone(tmp_path: Path) -> None:
    """Within its own servers: a narrowed token sees no change of another server, not even that it exists."""
    async with asked(tmp_path) as (_, url, change):
        answers = {}
        for name, token in TOKENS.items():
            async with http_client(url, "2026-07-28", token) as client:
                answers[name] = await seen(client, change)
    assert change in answers["reader"]["list"]
    assert "calls itself “helper”" in answers["reader"]["list"]
    assert "waits for approval" in answers["reader"]["change"]
    assert change not in answers["reader"]["trail"]
    assert change not in answers["narrowed"]["list"] + answers["narrowed"]["trail"]
    assert REASON not in str(answers)
    assert "There is no change" in answers["narrowed"]["change"]
