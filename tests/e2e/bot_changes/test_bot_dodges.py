"""Data that others have just read is not shown to a person if the policy keeps it from them."""

from dataclasses import replace
from pathlib import Path

from tests.fakes.slack_bot import Scene, stage
from vpsops.playground.slack.workspace.config import WorkspaceConfig


async def test_a_catalogue_that_was_read_for_others_is_not_shown_to_who_may_not_read_it(tmp_path: Path) -> None:
    """One read serves all for a minute, and permission is checked again for each caller."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(
        '[[rule]]\nid = "all"\nactor = "person"\ndecision = "allow"\n'
        '[[rule]]\nid = "no-prices"\nperson = "U0BOB"\noperation = "plans"\ndecision = "deny"\n',
        encoding="utf-8",
    )
    scene = replace(Scene(workspace=WorkspaceConfig()), settings={"VPSOPS_CONFIG": str(policy)})
    async with stage(tmp_path, scene) as world, world.bot():
        await world.slack.command("alice", "ops", "/vps", "create")
        await world.slack.wait_for(lambda: "Total: choose a plan" in str(world.slack.modal("alice")))
        await world.slack.command("bob", "ops", "/vps", "create")
        await world.slack.wait_for(lambda: "does not let you see" in str(world.slack.modal("bob")))
