"""A colleague's unconfirmed request is set aside by a click: on record, with its asker notified."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.bot_changes.test_bot_changes import held
from tests.e2e.bot_changes.test_bot_deliveries import Later
from tests.fakes.slack.notifications import notifications
from tests.fakes.slack_bot import BotHarness, Scene, Transport, buttons, message_words, playing, stage
from tests.harness.patience import eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.ingress.interaction import CLICK
from vpsops.bot.ingress.worker import click_key
from vpsops.bot.protocol.payloads import BlockActions
from vpsops.core.app import open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request, SetAside
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import User

BOB = Actor(ActorKind.PERSON, "U0BOB", "bob", "U0BOB", account="U0BOB")
GUEST = User("U0GUEST", "gina", "Gina", "gina@acme.example", is_restricted=True)


async def refused(world: BotHarness, user: str = "bob", text: str = "stop web01 because disk") -> str:
    """Ask for what is in the way of another request, and return the answer."""
    await world.slack.command(user, "ops", "/vps", text)
    return message_words(await world.private(user, "web01"))


@pytest.mark.requirement("unconfirmed-blocks-no-one")
@pytest.mark.parametrize("transport", ["http", "socket"])
async def test_one_click_sets_it_aside_and_asks_for_ones_own(tmp_path: Path, transport: Transport) -> None:
    """The second asker gets a card with the reason that was typed; the first is notified directly and in the thread."""
    async with playing(tmp_path, Scene(transport)) as world:
        first = await held(world)
        asked = await world.card(words="waiting for confirmation")
        words = await refused(world)
        assert "requested by alice, waits for alice to confirm it, until" in words
        answer = await world.private("bob", first)
        await world.slack.click("bob", answer, "vps:set_aside", duplicates=2)
        card = await world.card(words="Stop web01.example.com: waiting for confirmation")
        assert "Reason: disk" in message_words(card)
        closed = await world.card(words="Set aside by bob before it was confirmed. Nothing was done.")
        assert buttons(closed) == []
        await eventually(
            lambda: any("Set aside by bob" in message_words(m) for m in notifications(world.slack, "alice"))
        )
        await world.slack.click_stale("alice", asked, "vps:confirm")
        await world.private("alice", "cancelled already")
        assert world.effects("reboot") == world.effects("stop") == 0


async def test_cancel_on_the_card_sets_it_aside_too(tmp_path: Path) -> None:
    """And so does the typed command, which the refusal names."""
    async with playing(tmp_path) as world:
        await held(world)
        await world.slack.click("bob", await world.card(words="waiting for confirmation"), "vps:cancel")
        await world.card(words="Set aside by bob")
        second = await held(world)
        await world.slack.command("bob", "ops", "/vps", f"cancel {second}")
        await world.private("bob", "is withdrawn")


async def test_asking_twice_points_at_ones_own_card(tmp_path: Path) -> None:
    """It waits for oneself, and there is nothing to set aside."""
    async with playing(tmp_path) as world:
        await held(world)
        words = await refused(world, "alice", "reboot web01")
        answer = await world.private("alice", "Your reboot of web01.example.com waits for you to confirm it")
        assert "Open the card" in words
        assert buttons(answer) == []


async def test_a_button_that_comes_too_late_does_nothing(tmp_path: Path) -> None:
    """What was confirmed in between continues, and the second request is not made."""
    async with playing(tmp_path) as world:
        first = await held(world)
        await refused(world)
        answer = await world.private("bob", first)
        await world.slack.click("alice", await world.card(words="waiting for confirmation"), "vps:confirm")
        await world.card(words="Reboot web01.example.com: done")
        await world.slack.click_stale("bob", answer, "vps:set_aside")
        await world.private("bob", "is succeeded already")
        assert world.effects("stop") == 0
        assert not any("Stop" in message.text for message in world.slack.messages("ops"))


async def test_a_guest_sets_nothing_aside(tmp_path: Path) -> None:
    """Nor does a click by a person whom the answer was not for."""
    workspace = WorkspaceConfig()
    users = (*workspace.users, GUEST)
    scene = Scene(workspace=WorkspaceConfig(users=users))
    async with playing(tmp_path, scene) as world:
        world.slack.invite("ops", "gina")
        await held(world)
        card = await world.card(words="waiting for confirmation")
        await world.slack.click("gina", card, "vps:cancel")
        await world.private("gina", "Only full, active members")
        assert "waiting for confirmation" in message_words(await world.card())


@pytest.mark.requirement("unconfirmed-blocks-no-one")
@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
async def test_a_process_that_ends_at_the_click_leaves_both_done_or_neither(
    tmp_path: Path, database_url: str, committed: bool
) -> None:
    """The next process resumes the stored click: one withdrawal and one request with its card."""
    async with stage(tmp_path, Scene(settings={"VPSOPS_DATABASE_URL": database_url})) as world:
        async with world.bot() as (_, core):
            first = await held(world)
            await refused(world)
            answer = await world.private("bob", first)
        sent = await world.slack.click("bob", answer, "vps:set_aside")
        click = BlockActions.model_validate(sent.payload)
        async with open_core(world.settings, front="slack", clock=VirtualClock()) as core:
            await core.inbox.accept(click_key(click), CLICK, click.model_dump())
            if committed:
                request = Request("stop", {"server": "web01"}, BOB, Origin("slack", "T0ACME", "C0OPS"), "disk")
                request = replace(request, key=click_key(click), can_confirm=True, sets_aside=SetAside(first))
                assert isinstance(await core.gate.submit(request, scope=OPERATOR), Held)
        async with world.bot(Later()) as (bot, core):
            await world.card(words="Stop web01.example.com: waiting for confirmation")
            await world.card(words="Set aside by bob before it was confirmed")
            assert await bot.inbox_worker.drain(60.0)
            states = sorted((item.operation, item.state) for item in await core.changes.list(scope=OPERATOR))
            assert states == [("reboot", State.CANCELLED), ("stop", State.HELD)]
            assert len([m for m in world.slack.messages("ops") if "Stop web01" in m.text]) == 1
