"""Paused agents, as an MCP client meets it: the reason and author, in time, and no tool to change it."""

from dataclasses import dataclass

import mcp.types as t
from mcp.client import ClientRequestContext

from tests.unit.mcp_server.harness import Human, client_of, text
from vpsops.core.app import Core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB")


@dataclass
class SlowHuman(Human):
    """Answers yes, after another person has paused agents."""

    core: Core | None = None

    async def __call__(self, context: ClientRequestContext, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert self.core is not None
        await self.core.gate.pause_agents(BOB, paused=True, reason="odd reboots", scope=OPERATOR)
        return await super().__call__(context, params)


async def test_a_paused_agent_is_told_who_and_why_and_still_reads(
    core: Core, provider: SimulatorHandle, era: str
) -> None:
    """A change is an error with what to do, no question is asked, the provider gets no write; a list is a list."""
    await core.gate.pause_agents(BOB, paused=True, reason="odd reboots", scope=OPERATOR)
    human = Human()
    async with client_of(core, era, human) as client:
        refused = await client.call_tool("vps_reboot", {"server": "web01"})
        listed = await client.call_tool("vps_list", {})
        tools = [tool.name for tool in (await client.list_tools()).tools]
    assert refused.is_error
    assert "bob paused them" in text(refused)
    assert "odd reboots" in text(refused)
    assert not listed.is_error
    assert human.questions == []
    assert not [name for name in tools if "pause" in name or "resume" in name]
    assert dict(provider.simulator.world.counts) == {}


async def test_a_yes_that_comes_after_the_pause_runs_nothing(core: Core, provider: SimulatorHandle, era: str) -> None:
    """Agents were paused while the human was asked: the yes is refused with the reason, and the change stays held."""
    async with client_of(core, era, SlowHuman(core=core)) as client:
        refused = await client.call_tool("vps_reboot", {"server": "web01"})
    assert refused.is_error
    assert "bob paused them" in text(refused)
    (change,) = await core.changes.list(scope=OPERATOR)
    assert change.state is State.HELD
    assert dict(provider.simulator.world.counts) == {}
