"""What a decision rests on: who is in the channel or group now, and whether others can let themselves in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.adversary.harness import AGENT, APPROVALS, PRIVATE, PRIVATE_SCENE, AdversaryEnvironment, with_settings, world
from tests.fakes.slack_bot import Scene
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.diagnostics.approvers import check_approvers
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.console.checks import Level
from vpsops.core.identity.actors import Origin
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Group

GROUPED = """
[[rule]]
id = "agents"
actor = "agent"
decision = "approve"
approvers = { groups = ["S0APPROVERS"] }
"""


@pytest.mark.requirement("eligible-at-the-click")
@pytest.mark.parametrize("source", ["channel", "group"])
async def test_who_was_removed_a_moment_ago_cannot_decide(tmp_path: Path, source: str) -> None:
    """Bob's vote reads the list; Carol leaves it; her click on another card finds her gone."""
    async with world(tmp_path, _scene(tmp_path, source)) as here:
        slack = here.stage.slack
        asked = Request("reboot", {"server": "db01"}, AGENT, Origin("mcp"), key="k2")
        second = await here.core.gate.submit(asked, scope=OPERATOR)
        assert isinstance(second, Held)
        card = await here.stage.card("approvals", words="Reboot db01.example.com")
        await slack.click("bob", here.card, "vps:approve")
        await here.stage.card("approvals", words="Reboot web01.example.com: done")
        if source == "channel":
            slack.kick("approvals", "carol")
        else:
            slack.set_group("S0APPROVERS", "bob")
        await slack.click_stale("carol", card, "vps:approve")
        await here.settled()
        assert (await here.core.changes.get(second.change.id, scope=OPERATOR)).state is State.HELD
        assert "You are not among those" in here.private_words("carol")


def _scene(folder: Path, source: str) -> Scene:
    if source == "channel":
        return PRIVATE_SCENE
    (folder / "vpsops.toml").write_text(GROUPED, encoding="utf-8")
    return with_settings(PRIVATE_SCENE, VPSOPS_CONFIG=str(folder / "vpsops.toml"))


def _open(source: str) -> WorkspaceConfig:
    """Return a workspace with a channel or group of approvers that others can join by themselves."""
    changed: dict[str, dict[str, Any]] = {
        "public": {"kind": "public"},
        "shared": {"shared": True},
        "invited": {"invited": True},
    }
    channels = tuple(
        replace(channel, **changed[source]) if source in changed and channel.name == "approvals" else channel
        for channel in PRIVATE.channels
    )
    group = Group("S0APPROVERS", "approvers", "Approvers", ("U0BOB", "U0CAROL"), updated_by="U0DAVE")
    outside = replace(group, external=True)
    return replace(PRIVATE, channels=channels, groups=(outside if source == "external" else group,))


OPEN = {
    "public": ("channel", "public-channels", "anyone can join it"),
    "shared": ("channel", "shared-channels", "shared with another company"),
    "invited": ("channel", "shared-channels", "shared with another company"),
    "edited": ("group", "member-edited-groups", "its members can add others"),
    "external": ("group", "", "another company's"),
}


@pytest.mark.requirement("approvers-are-closed")
@pytest.mark.parametrize("source", OPEN)
async def test_an_open_channel_or_group_lets_nobody_decide(tmp_path: Path, source: str) -> None:
    """Its members' votes are refused, with the reason and the setting; doctor fails with the same reason."""
    kind, _, why = OPEN[source]
    scene = replace(_scene(tmp_path, kind), workspace=_open(source))
    async with world(tmp_path, scene) as here:
        for action in ("vps:approve", "vps:deny"):
            await here.stage.slack.click("bob", here.card, action)
        view = here.stage.slack.modal("bob")
        if view is not None:
            await here.stage.slack.submit_view("bob", view, {"reason": "no"})
        assert (await here.held()).state is State.HELD
        assert why in here.private_words("bob")
        assert "VPSOPS_ACCEPT_APPROVERS" in here.private_words("bob")
        failed = await _failed(here)
        assert len(failed) == 1
        assert why in failed[0]


@pytest.mark.requirement("approvers-are-closed")
@pytest.mark.parametrize("source", [item for item in OPEN if OPEN[item][1]])
async def test_a_setting_accepts_what_is_meant_to_be_open(tmp_path: Path, source: str) -> None:
    """Named one by one; with it members decide, and doctor is content."""
    kind, accepted, _ = OPEN[source]
    scene = with_settings(replace(_scene(tmp_path, kind), workspace=_open(source)), VPSOPS_ACCEPT_APPROVERS=accepted)
    async with world(tmp_path, scene) as here:
        await here.stage.slack.click("bob", here.card, "vps:approve")
        await here.stage.card("approvals", words="Reboot web01.example.com: done")
        assert await _failed(here) == []


@pytest.mark.requirement("approvers-are-closed")
async def test_a_channel_that_became_public_lets_nobody_decide(tmp_path: Path) -> None:
    """It is checked with each vote: what was private a minute ago may not be now."""
    async with world(tmp_path, replace(PRIVATE_SCENE, settings=APPROVALS)) as here:
        here.stage.slack.open_to_all("approvals")
        here.stage.slack.invite("approvals", "dave")
        await here.stage.slack.click("dave", here.card, "vps:approve")
        assert (await here.held()).votes == ()
        assert "anyone can join it" in here.private_words("dave")


async def _failed(here: AdversaryEnvironment) -> list[str]:
    findings = await check_approvers(here.stage.settings, VirtualClock())
    return [item.what for item in findings if item.level is Level.FAIL]
