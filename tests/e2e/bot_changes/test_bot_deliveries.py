"""Nothing that was accepted is lost, whatever ends when; and Slack's own failures are lived with."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from tests.fakes.slack_bot import BotHarness, Scene, message_words, playing, stage
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import Bot
from vpsops.bot.ingress.interaction import COMMAND
from vpsops.bot.ingress.worker import command_key
from vpsops.bot.protocol.payloads import SlashCommand
from vpsops.core.app import Core, open_core
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.playground.slack.api.dispatch import Sending
from vpsops.playground.slack.rendering.elements import elements_of
from vpsops.playground.slack.workspace.config import Rates, WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")


class Later(VirtualClock):
    """The machine's clocks, a minute ahead in the time of day."""

    def now(self) -> datetime:
        """Return the time of day in a minute."""
        return super().now() + timedelta(minutes=1)


async def _is_worked_off(core: Core) -> bool:
    return not await core.inbox.unfinished(older_than=0)


async def test_a_restart_between_accepting_and_working_loses_nothing(tmp_path: Path) -> None:
    """A command stored by a process that then ended is worked off by the next one, once."""
    async with stage(tmp_path) as world:
        async with open_core(world.settings, front="slack", clock=VirtualClock()) as core:
            await world.slack.command("alice", "ops", "/vps", "reboot web01 because before the restart")
            command = SlashCommand.model_validate(world.slack.deliveries[-1].payload)
            await core.inbox.accept(command_key(command.trigger_id), COMMAND, command.model_dump())
        async with world.bot(Later()) as (_, core):
            await world.card(words="before the restart")
            await eventually(partial(_is_worked_off, core))
        async with world.bot(Later()):
            await world.slack.command("alice", "ops", "/vps", "changes")
            await world.private("alice", "Reboot web01.example.com")
        assert len(world.slack.messages("ops")) == 1


async def test_what_was_accepted_is_finished_before_the_end(tmp_path: Path) -> None:
    """A bot that is stopped while the provider is slow still answers."""
    async with stage(tmp_path) as world:
        async with world.bot():
            world.fault(kind="slow", match={"operation": "list"}, seconds=1, times=1)
            await world.slack.command("alice", "ops", "/vps", "list")
        assert "2 servers" in message_words(world.slack.ephemerals("alice")[-1])


async def test_a_flood_of_cards_keeps_to_slacks_rate(tmp_path: Path) -> None:
    """Three cards at once are posted a second apart, and Slack never has to refuse any."""
    rates = Rates(post_burst=1)
    async with playing(tmp_path, Scene(workspace=WorkspaceConfig(rates=rates))) as world:
        async with anyio.create_task_group() as group:
            for user, text in (("alice", "reboot web01"), ("bob", "stop db01")):
                group.start_soon(world.slack.command, user, "ops", "/vps", text)
        await world.slack.wait_for(lambda: len(world.slack.messages("ops")) == 2)
        assert [call.error for call in world.slack.calls("chat.postMessage")] == [None, None]


async def test_slacks_wish_to_wait_is_granted(tmp_path: Path) -> None:
    """A 429 is obeyed and the card posted after it."""
    async with playing(tmp_path) as world:
        world.slack.faults.ratelimit_next("chat.postMessage", retry_after=1)
        await world.slack.command("alice", "ops", "/vps", "reboot web01")
        await world.card(words="waiting for confirmation")
        first, second = world.slack.calls("chat.postMessage")
        assert first.error == "ratelimited"
        assert second.at - first.at >= timedelta(seconds=0.9)


async def test_a_revoked_token_keeps_the_messages(tmp_path: Path) -> None:
    """While Slack refuses the token nothing is discarded, and the health reports it."""
    async with stage(tmp_path) as world, world.bot() as (bot, core):
        world.slack.refuse_token("token_revoked")
        origin = Origin("slack", channel=world.slack.channel_id("ops"))
        await core.gate.submit(Request("reboot", {"server": "web01"}, ALICE, origin, can_confirm=True), scope=OPERATOR)
        await world.slack.wait_for(lambda: world.slack.calls("chat.postMessage"))
        with anyio.fail_after(PATIENCE_SECONDS):
            while not bot.context.outbox_worker.health.why:
                await core.outbox.wait(0.1)
        assert world.slack.messages("ops") == []
        assert (await health(bot)).status_code == 503
        assert await core.outbox.claim() == []  # put back for later, not dropped
        assert len(await core.changes.list(open_only=True, scope=OPERATOR)) == 1


async def health(bot: Bot) -> httpx.Response:
    """Return a bot's health."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(bot.asgi), base_url="http://bot.test") as client:
        return await client.get("/healthz")


async def test_a_stale_and_a_forged_request_change_nothing(tmp_path: Path) -> None:
    """Over HTTP only what Slack signed is taken; the rest is 401 and leaves no row."""
    async with stage(tmp_path) as world, world.bot() as (_, core):
        body = b"command=%2Fvps&text=list&user_id=U0ALICE&team_id=T&channel_id=C&trigger_id=1"
        answer = await world.slack.raw_delivery(body, {"X-Slack-Signature": "v0=00", "X-Slack-Request-Timestamp": "1"})
        assert answer.status == 401
        assert await core.inbox.unfinished(older_than=0) == []


async def test_a_control_of_an_older_version_explains_itself(tmp_path: Path) -> None:
    """A button we no longer know is acknowledged and answered, so that no click ends in silence."""
    async with playing(tmp_path) as world:
        await world.slack.command("alice", "ops", "/vps", "reboot web01")
        card = await world.card(words="waiting")
        await world.slack.click("bob", card, "vps:cancel")
        payload = dict(world.slack.deliveries[-1].payload)
        payload["actions"] = [{**payload["actions"][0], "action_id": "reboot_v0", "value": "web01"}]
        delivery = await world.slack.deliver("block_actions", "interactive", payload, {})
        assert delivery.error is None
        await world.private("bob", "from an older version")
        assert world.effects("reboot") == 0


async def test_a_lost_answer_of_slack_does_not_post_the_card_twice(tmp_path: Path) -> None:
    """The post arrived and its answer did not: the second try finds the first one's card, and it works."""
    async with playing(tmp_path) as world:
        world.slack.faults.lose_answer_next("chat.postMessage")
        await world.slack.command("alice", "ops", "/vps", "reboot web01")
        await world.slack.wait_for(lambda: len(world.slack.calls("chat.postMessage")) == 2)
        (card,) = cards(world)
        await world.slack.click("alice", card, "vps:confirm")
        await world.slack.wait_for(lambda: all("done" in message_words(item) for item in cards(world)))
        assert len(cards(world)) == 1
        assert world.effects("reboot") == 1


def cards(world: BotHarness) -> list[Message]:
    """Return the cards in the channel."""
    return [
        message for message in world.slack.messages("ops") if not message.thread_ts or message.thread_ts == message.ts
    ]


@pytest.mark.requirement("slack-delivered-once")
async def test_three_deliveries_to_two_processes_have_one_effect(tmp_path: Path) -> None:
    """One process is reached over HTTP, another by Socket Mode, on one database: a click that both get acts once."""
    async with stage(tmp_path) as world:
        other = replace(world, scene=Scene(transport="socket"))
        async with world.bot(), other.bot():
            await world.slack.command("alice", "ops", "/vps", "reboot web01", transport="http")
            card = await world.card(words="waiting for confirmation")
            again = dict(world.slack.deliveries[-1].payload)
            assert (
                await world.slack.deliver("command", "slash_commands", again, {"transport": "socket"})
            ).error is None
            await world.slack.click("bob", card, "vps:confirm", transport="http")
            (confirm,) = [entry for _, entry in elements_of(card.blocks) if entry["action_id"] == "vps:confirm"]
            asked = dict(world.slack.deliveries[-1].payload)
            used = {"action_id": "vps:confirm", "value": confirm["value"], "action_ts": "1.1"}
            asked |= {"actions": [{**asked["actions"][0], **used}], "user": {**asked["user"], "id": "U0ALICE"}}
            async with anyio.create_task_group() as group:
                for line in ("http", "socket", "http"):
                    how: Sending = {"transport": line}
                    group.start_soon(world.slack.deliver, "block_actions", "interactive", asked, how)
            await world.card(words="done")
        assert world.effects("reboot") == 1
        assert len(cards(world)) == 1
