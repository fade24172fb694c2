"""What the API does not offer, in Slack: help says so, and the message shortcut leaves it out."""

from pathlib import Path

import pytest

from tests.e2e.bot_surfaces.test_bot_commands import answer_to
from tests.e2e.bot_surfaces.test_bot_shortcuts import form, on_message
from tests.fakes.slack_bot import Scene, stage
from vpsops.playground.wayscloud.faults.config import SimulatorConfig


@pytest.mark.requirement("not-offered-is-hidden")
async def test_help_and_menus_leave_out_what_is_not_offered(tmp_path: Path) -> None:
    """The dialect of the API's page has no snapshots: offered until the first call learns it."""
    scene = Scene(provider=SimulatorConfig(dialect="seed", speed=600))
    async with stage(tmp_path, scene) as world, world.bot():
        await on_message(world, "web01 hangs")
        await form(world, lambda words: "Snapshots" in words)
        await answer_to(world, "alice", "snapshots web01", "does not offer to list the snapshots")
        helped = await answer_to(world, "alice", "help snapshots", "Commands about snapshots")
        assert str(helped.blocks).count("not offered by this API, since ") == 4
        await on_message(world, "web01 hangs again")
        await form(world, lambda words: "web01.example.com" in words and "Snapshots" not in words)
