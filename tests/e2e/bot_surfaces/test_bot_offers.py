"""What a person is offered on a server: by its state and their rights, from lists, cards, Home and messages alike."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bot_surfaces.test_bot_remedies import WEB, scene
from tests.e2e.bot_surfaces.test_bot_shortcuts import READ_ONLY, form, form_words, on_message, texts
from tests.fakes.slack_bot import Scene, buttons, message_words, playing
from vpsops.playground.slack.workspace.entities import View
from vpsops.playground.wayscloud.hardware.model import ServerState

LIMITED = """
[[rule]]
id = "all"
actor = "person"
decision = "confirm"
destructive_without_approval = true

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[limits]
undocumented = false
protected = ["db01*"]
"""


def labels(view: View) -> list[str]:
    """Return the labels of a form's buttons."""
    return [item["text"]["text"] for block in view.blocks for item in block.get("elements", []) if "value" in item]


def menus(blocks: Any) -> list[list[str]]:
    """Return the entries of the menus of rows."""
    rows = [block["accessory"]["options"] for block in blocks if block.get("accessory", {}).get("type") == "overflow"]
    return [[option["text"]["text"] for option in row] for row in rows]


@pytest.mark.requirement("offered-by-state-and-rights")
async def test_a_row_of_the_list_leads_to_all_that_fits_and_to_its_form(tmp_path: Path) -> None:
    """A running server is not offered a rollback, a stopped one is; its snapshots are there to choose from."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_snapshot(WEB, "monday")
        await stage.slack.command("alice", "ops", "/vps", "list")
        listed = await stage.private("alice", WEB)
        assert ["Show", "Status", "Stop", "More…"] in menus(listed.blocks)
        row = next(block for block in listed.blocks if block.get("accessory") and WEB in str(block["text"]))
        entry = row["accessory"]["options"][-1]
        await stage.slack.select("alice", listed, "vps:menu", entry, block=row["block_id"])
        view = await form(stage, lambda words: "Another server:" in words)
        assert {"Delete", "Delete a snapshot…", "Backup download…"} <= set(labels(view))
        assert "Roll back…" not in labels(view)
        stage.put_state(WEB, ServerState.STOPPED)
        await stage.slack.command("alice", "ops", "/vps", "show web01")
        shown = await stage.private("alice", "Created")
        assert buttons(shown) == ["vps:run:0", "vps:run:1", "vps:more", "vps:share"]
        await stage.slack.click("alice", shown, "vps:more")
        view = await form(stage, lambda words: "Roll back…" in words)
        row = next(block for block in view.blocks if block.get("block_id") == "act:snapshots")
        at = next(item["action_id"] for item in row["elements"] if item["text"]["text"] == "Roll back…")
        await stage.slack.click("alice", view, at, block="act:snapshots")
        view = await form(stage, lambda words: "set back to the snapshot" in words)
        assert "monday" in str(view.blocks)


async def test_home_leads_to_a_server_and_what_fits_it(tmp_path: Path) -> None:
    """By name from the top, and from each server that has failed."""
    async with playing(tmp_path, scene(tmp_path)) as stage:
        stage.put_state("db01.example.com", ServerState.ERROR)
        await stage.slack.open_home("alice")
        await stage.slack.wait_for(lambda: (home := stage.slack.home("alice")) and "db01" in form_words(home))
        home = stage.slack.home("alice")
        assert home is not None
        row = next(block for block in home.blocks if "db01" in str(block.get("text")))
        await stage.slack.click("alice", home, "vps:more", block=row["block_id"])
        view = await form(stage, lambda words: "Another server:" in words)
        assert "db01.example.com" in form_words(view)
        assert "Reboot" not in labels(view)  # this policy has no rule for it
        home = stage.slack.home("alice")
        assert home is not None
        await stage.slack.click("alice", home, "vps:more", block="vps:home:top")
        view = await form(stage, lambda words: "Which server?" in words)
        assert texts(await stage.slack.options("alice", view, "vps:pick", "web01"))


async def test_nothing_is_offered_that_policy_or_limits_refuse(tmp_path: Path) -> None:
    """Undocumented operations that are switched off, a protected server, and what the rules deny."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(LIMITED)
    async with playing(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(policy)})) as stage:
        await on_message(stage, "web01 again")
        view = await form(stage, lambda words: WEB in words)
        assert "Take a snapshot…" in labels(view)
        assert not {"Delete", "Rename…", "Resize…", "Remove the backup policy"} & set(labels(view))
        await on_message(stage, "db01 again")
        view = await form(stage, lambda words: "db01.example.com" in words)
        assert not {"Stop", "Reboot", "Take a snapshot…"} & set(labels(view))
        assert "Show" in labels(view)


async def test_a_list_offers_readers_reads_alone(tmp_path: Path) -> None:
    """The gate would refuse the rest all the same."""
    policy = tmp_path / "vpsops.toml"
    policy.write_text(READ_ONLY)
    async with playing(tmp_path, Scene(settings={"VPSOPS_CONFIG": str(policy)})) as stage:
        await stage.slack.command("alice", "ops", "/vps", "list")
        listed = await stage.private("alice", WEB)
        assert ["Show", "Status", "More…"] in menus(listed.blocks)
        assert "Reboot" not in message_words(listed)
