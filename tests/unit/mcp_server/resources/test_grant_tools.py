"""The toolset `grants`: an agent's own grants, and nothing that opens, prolongs or shows another's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import mcp.types as t
import pytest
from mcp import Client

from tests.unit.mcp_server.harness import ERAS, client_of, text
from tests.unit.mcp_server.tools.test_limits import limited
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, GrantWish, Verdict
from vpsops.core.changes.scope import OPERATOR, ChangeQuery
from vpsops.core.config.settings import Settings
from vpsops.core.grants.model import GrantState
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.tool_names import ALTERING, TOOLSETS
from vpsops.mcp_server.server import ServerOptions

POLICY = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "agents"
actor = "agent"
operation = "reboot"
decision = "approve"
approvers = { groups = ["S_OPS"] }
grant = { max = "2h", uses = 3 }

[limits.mcp]
toolsets = ["servers", "changes", "grants"]
"""
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=("S_OPS",), account="U2")
WEB = "web01.example.com"


@asynccontextmanager
async def clients(core: Core, era: str) -> AsyncIterator[tuple[Client, Client]]:
    """Connect a client of Ann's and one of another person."""
    async with client_of(core, era) as own, client_of(core, era, None, ServerOptions(human="eve@example.com")) as other:
        yield own, other


async def granted(core: Core, client: Client) -> str:
    """Let a client ask for a reboot, approve it with a grant, and return the grant's id."""
    async with anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "vps_reboot", {"server": WEB})
        change = None
        while change is None:
            held = (await core.changes.page(ChangeQuery(open_only=True), scope=OPERATOR)).changes
            change = next(iter(held), None)
            await anyio.sleep(0.05)
        wish = GrantWish(3600.0)
        await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, grant=wish, scope=OPERATOR)
    (grant,) = await core.grants.list_open(scope=OPERATOR)
    return grant.id


async def called(client: Client, tool: str, **arguments: str) -> t.CallToolResult:
    """Call a tool."""
    return await client.call_tool(tool, arguments)


def test_the_toolset_reads_asks_and_ends_and_does_nothing_else() -> None:
    """It is served where it is named; no tool of any toolset opens or prolongs a grant: one asks people for it."""
    assert TOOLSETS["grants"] == ("vps_grants", "vps_grant_ask", "vps_grant_end")
    assert "vps_grants" not in ALTERING
    assert {tool for tools in TOOLSETS.values() for tool in tools if "grant" in tool} == set(TOOLSETS["grants"])


@pytest.mark.requirement("grant-tools")
@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_sees_uses_and_ends_its_own_grant_alone(settings: Settings, tmp_path: Path, era: str) -> None:
    """`vps_check` names the grant; another person's agent sees, uses and ends nothing of it."""
    async with limited(settings, tmp_path, POLICY) as core, clients(core, era) as (own, other):
        assert "No grant is open" in text(await called(own, "vps_grants"))
        ident = await granted(core, own)
        assert f"{ident}: reboot on {WEB}" in text(await called(own, "vps_grants"))
        assert f"by grant {ident}, 1 of 3" in text(await called(own, "vps_check", operation="reboot", server=WEB))
        assert "No grant is open" in text(await called(other, "vps_grants"))
        assert ident not in text(await called(other, "vps_check", operation="reboot", server=WEB))
        refused = await called(other, "vps_grant_end", grant=ident)
        assert refused.is_error
        assert f"There is no grant {ident}" in text(refused)
        assert not (await called(own, "vps_reboot", server=WEB)).is_error
        assert "1 of 3 used" in text(await called(own, "vps_grants"))
        assert f"{ident} is ended" in text(await called(own, "vps_grant_end", grant=ident))
        assert "No grant is open" in text(await called(own, "vps_grants"))
        assert (await core.grants.get(ident, scope=OPERATOR)).state is GrantState.ENDED
        assert "1 person in Slack" in text(await called(own, "vps_check", operation="reboot", server=WEB))


@pytest.mark.requirement("grant-tools")
@pytest.mark.parametrize("era", ERAS)
async def test_an_agent_asks_for_a_grant_that_people_vote_on(settings: Settings, tmp_path: Path, era: str) -> None:
    """Its own, for its own token: it opens with another person's vote, and not before."""
    async with limited(settings, tmp_path, POLICY) as core, clients(core, era) as (own, other):
        answers: list[t.CallToolResult] = []

        async def ask() -> None:
            answers.append(
                await own.call_tool(
                    "vps_grant_ask",
                    {"operation": "reboot", "servers": [WEB], "minutes": 60, "uses": 2, "reason": "on call"},
                )
            )

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            change = await held_change(core)
            assert (change.operation, change.reason) == ("grant_reboot", "on call")
            assert await core.grants.list_open(scope=OPERATOR) == []
            await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, scope=OPERATOR)
        assert "is open until" in text(answers[0])
        assert f"reboot on {WEB}" in text(await called(own, "vps_grants"))
        assert "No grant is open" in text(await called(other, "vps_grants"))
        assert not (await called(own, "vps_reboot", server=WEB)).is_error


async def test_an_agent_cannot_ask_for_more_than_the_rule(settings: Settings, tmp_path: Path) -> None:
    """Nor for what no rule grants, nor for a pattern; each refusal says what can be asked."""
    async with limited(settings, tmp_path, POLICY) as core, clients(core, ERAS[0]) as (own, _):
        for arguments, reason in (
            ({"operation": "reboot", "servers": [WEB], "minutes": 121}, "Write a time from 5 min to 2 h"),
            ({"operation": "reboot", "servers": [WEB], "minutes": 60, "uses": 4}, "Write uses from 1 to 3"),
            ({"operation": "reboot", "servers": ["*"], "minutes": 60}, "No rule lets its approvers grant"),
            ({"operation": "delete", "servers": [WEB], "minutes": 60}, "operation"),
            ({"operation": "stop", "servers": [WEB], "minutes": 60}, "The policy refuses it"),
        ):
            refused = await own.call_tool("vps_grant_ask", arguments)
            assert refused.is_error
            assert reason in text(refused)
        assert (await core.changes.page(ChangeQuery(open_only=True), scope=OPERATOR)).changes == ()


async def held_change(core: Core) -> Change:
    """Return the change that is held, once it is."""
    change = None
    while change is None:
        change = next(iter((await core.changes.page(ChangeQuery(open_only=True), scope=OPERATOR)).changes), None)
        await anyio.sleep(0.05)
    return change
