"""The bot's health against a workspace that refuses its token, or to which there is no line."""

from pathlib import Path

import anyio
import httpx
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.harness.heartbeats import beat_for
from tests.harness.patience import PATIENCE_SECONDS, eventually
from vpsops.bot.app import Bot
from vpsops.bot.notifications.token_check import CHECK_SECONDS, REFUSED_SECONDS, TokenCheck
from vpsops.bot.socket_mode import CLOSED_SECONDS, ConnectionStatus
from vpsops.cli.bot import start_socket_mode
from vpsops.core.app import Core
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")


async def red(bot: Bot) -> dict[str, str]:
    """Return what the bot's own address reports as red."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(bot.asgi), base_url="http://bot.test") as client:
        answer = await client.get("/readyz")
    assert answer.status_code == (200 if answer.json()["ok"] else 503)
    return {fault["part"]: fault["what"] for fault in answer.json().get("red", [])}


async def ready(bot: Bot) -> None:
    """Wait until nothing is red: the tasks are being started."""

    async def is_green() -> bool:
        return not await red(bot)

    green: bool = await eventually(is_green)
    assert green


async def ask(world: BotHarness, core: Core) -> None:
    """Ask for something that a card in a channel is about."""
    origin = Origin("slack", channel=world.slack.channel_id("ops"))
    await core.gate.submit(Request("reboot", {"server": "web01"}, ALICE, origin, can_confirm=True), scope=OPERATOR)


def check_of(bot: Bot, clock: FakeClock) -> TokenCheck:
    return TokenCheck(bot.context.slack, bot.context.core.outbox, clock, bot.context.outbox_worker.health)


@pytest.mark.requirement("health-names-what-is-red")
async def test_a_revoked_token_is_red_though_there_is_nothing_to_post(tmp_path: Path) -> None:
    """The token is checked; a failing post would reveal it only when there is something to post."""
    async with stage(tmp_path) as world, world.bot() as (bot, _):
        await ready(bot)
        world.slack.refuse_token("token_revoked")
        await check_of(bot, FakeClock()).check()
        assert await red(bot) == {"slack_token": "Slack refuses the token (token_revoked)"}
        world.slack.refuse_token(None)
        await check_of(bot, FakeClock()).check()
        assert await red(bot) == {}


@pytest.mark.requirement("slack-token-right-again")
async def test_a_token_that_is_right_again_is_used_within_seconds(tmp_path: Path) -> None:
    """What it held up goes out at the next check, once, and not five minutes later."""
    async with stage(tmp_path) as world, world.bot() as (bot, core):
        world.slack.refuse_token("invalid_auth")
        await ask(world, core)
        await eventually(lambda: bool(bot.context.outbox_worker.health.why))
        assert "slack_token" in await red(bot)
        clock = FakeClock()
        async with anyio.create_task_group() as group:
            group.start_soon(check_of(bot, clock).run)
            await anyio.wait_all_tasks_blocked()
            world.slack.refuse_token(None)
            clock.advance(REFUSED_SECONDS)
            await eventually(lambda: len(world.slack.messages("ops")) == 1)
            group.cancel_scope.cancel()
        assert await red(bot) == {}
        assert REFUSED_SECONDS <= CHECK_SECONDS <= 30


async def test_slack_that_cannot_be_reached_says_nothing_of_the_token(tmp_path: Path) -> None:
    """An unreachable Slack proves neither that the token is wrong nor that it is right again."""
    async with stage(tmp_path) as world, world.bot() as (bot, _):
        for error in ("", "token_revoked"):
            world.slack.refuse_token("token_revoked" if error else None)
            await check_of(bot, FakeClock()).check()
            world.slack.refuse_token(None)
            world.slack.faults.fail_next("auth.test", status=503)
            await check_of(bot, FakeClock()).check()
            assert bot.context.outbox_worker.health.why == error


def test_a_line_that_was_open_a_minute_ago_is_not_red() -> None:
    """Slack closes it itself every few hours; a start has a minute to open it."""
    clock = FakeClock()
    status = ConnectionStatus(clock)
    for _ in range(2):
        clock.advance(CLOSED_SECONDS - 0.1)
        assert status.fault() == ""
        clock.advance(0.2)
        assert status.fault() == "the line to Slack (Socket Mode) has not been open for 60 s"
        status.last_open = clock.monotonic()
        assert status.fault() == ""


@pytest.mark.requirement("health-names-what-is-red")
async def test_a_dead_line_is_red(tmp_path: Path) -> None:
    """Deliveries go elsewhere, or nowhere: for a minute that is ordinary, then it is reported."""
    clock = FakeClock()
    async with stage(tmp_path, Scene(transport="http")) as world, world.bot(clock) as (bot, core):
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            start_socket_mode(bot, stop, group)
            with anyio.fail_after(PATIENCE_SECONDS):
                await world.slack.socket.connected()
            for _ in range(2):
                await beat_for(core, clock, 70)
                assert "slack_line" not in await red(bot)
            world.slack.faults.fail_next("apps.connections.open", times=1000)
            world.slack.socket.drop()
            await beat_for(core, clock, 70)
            assert "(Socket Mode) has not been open for" in (await red(bot))["slack_line"]
            stop.set()
