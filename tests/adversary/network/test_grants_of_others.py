"""Grants of other tokens over MCP: a second token of the same person and client sees, uses and ends none of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import pytest
from mcp import Client

from tests.adversary.network.token_service import token_service
from tests.fakes.accounts import EVERYBODY
from tests.unit.mcp_server.harness import text
from tests.unit.mcp_server.http_harness import http_client
from tests.unit.mcp_server.resources.test_grant_tools import BOB, POLICY, WEB, called, held_change
from vpsops.core.app import Core
from vpsops.core.changes.model import GrantWish, Verdict
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.grants.model import GrantState
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.plans.requests import PlanRequest
from vpsops.core.plans.selection import Selection
from vpsops.core.schedule.model import LaterRequest
from vpsops.mcp_server.auth.static_tokens import digest_of

KINDS: Final = {
    "first": ("helper", "ann@example.com", ""),
    "second of the same": ("helper", "ann@example.com", 'servers = ["web*"]'),
    "of another client": ("other", "ann@example.com", ""),
    "of another person": ("helper2", "eve@example.com", ""),
}
TOKENS: Final = {name: f"{name.replace(' ', '-')}-" + "x" * 40 for name in KINDS}
WRITTEN: Final = "".join(
    f'[[token]]\nsha256 = "{digest_of(TOKENS[name])}"\nsubject = "{subject}"\nhuman = "{human}"\n'
    f'scopes = ["vps:read", "vps:write"]\ntoolsets = ["servers", "changes", "grants", "plans"]\n{more}\n'
    for name, (subject, human, more) in KINDS.items()
)
TOOLSETS: Final = POLICY.replace('"grants"]', '"grants", "plans"]')
ERA: Final = "2026-07-28"


@asynccontextmanager
async def granted(folder: Path) -> AsyncIterator[tuple[Core, str, Client, str]]:
    """Yield where MCP is served to the first token, which has a grant for reboots, and the grant's id."""
    async with (
        token_service(folder, WRITTEN, EVERYBODY, TOOLSETS) as (core, url, _),
        http_client(url, ERA, TOKENS["first"]) as first,
    ):
        async with anyio.create_task_group() as group:
            group.start_soon(first.call_tool, "vps_reboot", {"server": WEB})
            change = await held_change(core)
            wish = GrantWish(3600.0)
            await core.gate.vote(change.id, BOB, Verdict.APPROVE, change.digest, grant=wish, scope=OPERATOR)
        (grant,) = await core.grants.list_open(scope=OPERATOR)
        yield core, url, first, grant.id


@pytest.mark.requirement("grant-tools")
async def test_another_token_sees_and_ends_nothing(tmp_path: Path) -> None:
    """Not even one of the same person and client: a grant is for the token that it was asked with."""
    async with granted(tmp_path) as (core, url, first, ident):
        for name in list(KINDS)[1:]:
            async with http_client(url, ERA, TOKENS[name]) as other:
                assert ident not in text(await called(other, "vps_grants")), name
                refused = await called(other, "vps_grant_end", grant=ident)
                assert refused.is_error, name
                assert f"There is no grant {ident}" in text(refused), name
                checked = text(await called(other, "vps_check", operation="reboot", server=WEB))
                assert f"by grant {ident}" not in checked, name
        assert (await core.grants.get(ident, scope=OPERATOR)).state is GrantState.OPEN
        assert ident in text(await called(first, "vps_grants"))
        assert f"{ident} is ended" in text(await called(first, "vps_grant_end", grant=ident))


async def test_a_grant_lets_no_plan_and_no_later_change_through(tmp_path: Path) -> None:
    """The agent's own plan of what it was granted, of one server or several, and the same at a time: all are held."""
    async with granted(tmp_path) as (core, _, _first, ident):
        grant = await core.grants.get(ident, scope=OPERATOR)
        agent, origin = grant.agent, Origin("mcp", credential=grant.origin.credential)
        later = LaterRequest("in 2h")
        for number, request in enumerate(
            (
                PlanRequest(Request("reboot", {}, agent, origin, key="p1"), Selection((WEB,))),
                PlanRequest(Request("reboot", {}, agent, origin, key="p2"), Selection((WEB, "db01"))),
                PlanRequest(Request("reboot", {}, agent, origin, key="p3", later=later), Selection((WEB,))),
            )
        ):
            outcome = await core.gate.submit_plan(request, scope=OPERATOR)
            assert outcome.change is not None, outcome
            assert outcome.change.state.value == "held", number
        asked = Request("reboot", {"server": WEB}, agent, origin, key="later", later=later)
        outcome = await core.gate.submit(asked, scope=OPERATOR)
        assert outcome.change is not None
        assert outcome.change.state.value == "held"
        assert (await core.grants.get(ident, scope=OPERATOR)).used == 0


async def test_every_request_has_the_fingerprint_of_its_token(tmp_path: Path) -> None:
    """A plan's like a single change's: another token is another agent for it, too."""
    async with granted(tmp_path) as (core, _, first, ident):
        credential = (await core.grants.get(ident, scope=OPERATOR)).origin.credential
        assert credential
        async with anyio.create_task_group() as group:
            group.start_soon(first.call_tool, "vps_plan", {"operation": "reboot", "servers": [WEB]})
            plan = await held_change(core)
            assert plan.origin.credential == credential
            await core.gate.vote(plan.id, BOB, Verdict.DENY, plan.digest, scope=OPERATOR)


@pytest.mark.parametrize("front", ["slack", "cli", "other"])
async def test_the_same_agent_from_another_place_is_held(tmp_path: Path, front: str) -> None:
    """Whatever it calls itself: the place and the token are part of the grant."""
    async with granted(tmp_path) as (core, _, _first, ident):
        grant = await core.grants.get(ident, scope=OPERATOR)
        agent = Actor(ActorKind.AGENT, grant.agent.id, grant.agent.name, grant.agent.human, account=grant.agent.account)
        outcome = await core.gate.submit(Request("reboot", {"server": WEB}, agent, Origin(front)), scope=OPERATOR)
        assert outcome.change is None or outcome.change.state.value == "held"
        assert (await core.grants.get(ident, scope=OPERATOR)).used == 0
