"""The page of grants: its example is played on the simulators of the provider and of Slack, with an agent over MCP."""

import json
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import mcp.types as t
import pytest
from mcp import Client

from tests.e2e.bot_changes.test_bot_approvals import SCENE
from tests.fakes.slack_bot import BotHarness, stage
from tests.harness.internals import database_of
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.repository import ROOT
from tests.harness.virtual_time import JumpingClock, VirtualClock
from tests.unit.cli.operations.terminal import FakeTerminal
from vpsops.cli.grants.command import list_grants
from vpsops.core.app import Core
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.mcp_server.server import ServerOptions, build_server
from vpsops.playground.wayscloud.account.account import Order

PAGE: Final = (ROOT / "docs" / "grants.md").read_text(encoding="utf-8")
EXAMPLE: Final = PAGE.partition("## Example: agent on call for an hour\n")[2].partition("\n## ")[0]
POLICY, *BLOCKS = re.findall(r"^```(?:toml|console|text)\n(.*?)^```$", EXAMPLE, re.MULTILINE | re.DOTALL)
WORKSPACE: Final = SCENE.workspace.with_scopes("channels:read", "groups:read", "users:read.email")
VARYING: Final = (
    (re.compile(r"\b(chg|gr)_[0-9a-f]{12}"), r"\1_…"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}(:[0-9]{2}Z| UTC)"), "…"),
    (re.compile(r" after [0-9]+ s\b"), ""),
    (re.compile(r" {2,}"), "  "),
)


@dataclass
class OnCall:
    """An agent of Alice's, Carol's terminal, and Slack."""

    world: BotHarness
    core: Core
    agent: Client
    clock: JumpingClock
    capture: pytest.CaptureFixture[str]

    async def play(self, block: str) -> None:
        """Run the commands and calls of a block: each shows the lines that the page has below it, in that order."""
        for command, expected in re.findall(r"^(\$ vpsops .+|vps_.+)\n((?:(?!\$ |vps_).+\n)*)", block, re.MULTILINE):
            lines = iter(plain(await self.shown(command)))
            for line in plain(expected):
                assert any(line in shown for shown in lines), (command, line)

    async def shown(self, command: str) -> str:
        """Return what a command at the terminal shows, or what a tool answers."""
        if not command.startswith("$ vpsops "):
            tool, _, arguments = command.partition(" ")
            return await self.call(tool, **json.loads(arguments))
        words = shlex.split(command)[2:]
        if words == ["grants"]:
            self.capture.readouterr()
            await list_grants(database_of(self.core))
            return self.capture.readouterr().out
        settings = self.world.settings.model_copy(update={"actor": "carol@acme.example"})
        timing = self.world.scene.timing
        terminal = FakeTerminal(settings, accounts=None, timing=timing, clock=self.clock)
        await terminal.run(*words)
        return "".join(terminal.err) + terminal.result

    async def call(self, tool: str, **arguments: str) -> str:
        """Return what a tool answers."""
        result = await self.agent.call_tool(tool, arguments)
        return "\n".join(item.text for item in result.content if isinstance(item, t.TextContent))

    async def approve(self, words: str) -> None:
        """Let Bob approve what a card is about."""
        await self.world.slack.click("bob", await self.world.card("approvals", words=words), "vps:approve")


def plain(text: str) -> list[str]:
    """Return lines without what differs from run to run."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text.splitlines()


@asynccontextmanager
async def on_call(directory: Path, capture: pytest.CaptureFixture[str]) -> AsyncIterator[OnCall]:
    """Set the stage of the example."""
    (directory / "vpsops.toml").write_text(POLICY, encoding="utf-8")
    more = {"VPSOPS_CONFIG": str(directory / "vpsops.toml")}
    scene = replace(SCENE, workspace=WORKSPACE, settings={**SCENE.settings, **more})
    clock, name = JumpingClock(), t.Implementation(name="claude-code", version="1")
    async with stage(directory, scene) as world:
        order = Order("web02.example.com", "web02.example.com", "vps-4gb-2cpu", "NO", "debian-12")
        world.provider.simulator.world.create(order)
        await VirtualClock().sleep(600)
        async with world.bot(clock) as (_, core):
            server = build_server(core, ServerOptions(human="alice@acme.example", patience=20.0))
            seconds = PATIENCE_SECONDS
            async with Client(server, mode="2026-07-28", client_info=name, read_timeout_seconds=seconds) as agent:
                yield OnCall(world, core, agent, clock, capture)


@pytest.mark.requirement("grant-requests")
async def test_an_agent_is_on_call_for_an_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As the page says: asked for at a terminal, opened by a click, used without votes, over after the hour."""
    asking, opened, calls, over, again = BLOCKS
    async with on_call(tmp_path, capsys) as play:
        async with anyio.create_task_group() as group:
            group.start_soon(play.shown, 'vps_reboot {"server": "web01"}')
            await play.approve("Reboot web01.example.com: waiting for approval")
        await play.play(asking)
        await play.approve("Grant to reboot 2 servers")
        await play.world.card("approvals", words="Allowed: Reboot web01.example.com, web02.example.com")
        await play.play(opened)
        await play.play(calls)
        assert play.world.effects("reboot") == 3
        play.clock.ahead += timedelta(hours=1)
        await play.play(over)
        await play.play(again)
        assert (play.world.effects("reboot"), play.world.effects("stop")) == (3, 0)
        assert [str(fault) async for fault in discrepancies(database_of(play.core))] == []
