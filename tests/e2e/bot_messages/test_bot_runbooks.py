"""Runbooks in Slack: listed, asked for on one card with every step, and refused with what is wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.runbooks import apply_runbook
from tests.fakes.slack_bot import BotHarness, Scene, buttons, message_words, stage
from vpsops.core.app import Core
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.slack.workspace.config import WorkspaceConfig, connected
from vpsops.playground.slack.workspace.entities import User

GUEST: Final = User("U0GUS", "gus", "Gus Guest", "gus@acme.example", is_restricted=True)


@asynccontextmanager
async def applied(directory: Path, scene: Scene | None = None) -> AsyncIterator[tuple[BotHarness, Core]]:
    """A bot with a runbook in its database."""
    async with stage(directory, scene) as world, world.bot() as (_, core):
        await apply_runbook(core)
        yield world, core


@pytest.mark.requirement("runbook-slack")
async def test_one_card_asks_about_all_steps_and_shows_them_done(tmp_path: Path) -> None:
    """The card has each step and its compensation; one click runs them, and the same card has the end."""
    async with applied(tmp_path) as (world, _):
        await world.slack.command("alice", "ops", "/vps", "runbook cycle servers=web01 because patch night")
        card = await world.card(words="waiting for confirmation")
        words = message_words(card)
        assert "Run the runbook cycle" in words
        assert "cycle: Reboot servers, stop and start them." in words
        assert "servers=web01" in words
        assert "Stop: web01.example.com" in words
        assert "If it fails: start web01.example.com." in words
        assert "patch night" in words
        assert world.effects("stop") == 0
        await world.slack.click("alice", card, "vps:confirm")
        done = await world.card(words="3 of 3 done.")
        assert done.ts == card.ts
        assert buttons(done) == []
        assert (world.effects("stop"), world.effects("start")) == (1, 1)


async def test_a_list_says_what_each_takes(tmp_path: Path) -> None:
    """By every word for it; without any runbook it says how to store one."""
    async with stage(tmp_path) as world, world.bot() as (_, core):
        await world.slack.command("alice", "ops", "/vps", "runbook")
        await world.private("alice", "There are no runbooks.")
        await apply_runbook(core)
        await world.slack.command("alice", "ops", "/vps", "runbooks")
        await world.private("alice", "cycle servers=SERVERS")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("runbook cycel servers=web01", "Did you mean cycle?"),
        ("runbook cycle", "servers is missing."),
        ("runbook cycle servers=web01 size=1", "size is no argument."),
        ("runbook cycle web01", "'web01' is no value of an argument."),
        ("runbook cycle servers=nowhere99", "nowhere99"),
    ],
)
async def test_what_does_not_fit_is_answered_in_private(tmp_path: Path, typed: str, answer: str) -> None:
    """With what it takes; nothing is held."""
    async with applied(tmp_path) as (world, core):
        await world.slack.command("alice", "ops", "/vps", typed)
        await world.private("alice", answer)
        assert await core.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("runbook-slack")
async def test_a_guest_asks_for_no_runbook(tmp_path: Path) -> None:
    """As for no other change."""
    config = WorkspaceConfig()
    scene = Scene(workspace=replace(connected(config, "ops", GUEST), users=(*config.users, GUEST)))
    async with applied(tmp_path, scene) as (world, core):
        await world.slack.command("gus", "ops", "/vps", "runbook cycle servers=web01")
        await world.private("gus", "Only full, active members")
        assert await core.changes.list(scope=OPERATOR) == []
