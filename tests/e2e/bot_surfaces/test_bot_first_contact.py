"""A bot's first start beside a database that was in use without Slack: no burst of old news."""

from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from tests.fakes.slack_bot import BotHarness, Scene, message_words, stage
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from vpsops.core.app import Core, open_core
from vpsops.core.changes.requests import Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging import outbox
from vpsops.core.storage.tables import OUTBOX

ALICE = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
HOUR = 3600


def scene(world: str = "C0OPS") -> Scene:
    return Scene(settings={"VPSOPS_CHANNEL": world})


async def store(core: Core, age: float, text: str) -> None:
    """Store a piece of news as it was stored so many seconds ago."""
    now = core.clock.now()
    await database_of(core).transact(
        lambda connection: outbox.put(
            connection, f"store:{text}", "event", {"text": text}, now.fromtimestamp(now.timestamp() - age, now.tzinfo)
        )
    )


async def hold(world: BotHarness, core: Core) -> str:
    """Request a change that waits for a person, and return its id."""
    origin = Origin("slack", channel=world.slack.channel_id("ops"))
    request = Request("reboot", {"server": "web01"}, ALICE, origin, can_confirm=True)
    held = await core.gate.submit(request, scope=OPERATOR)
    assert held.change is not None
    return held.change.id


@pytest.mark.requirement("slack-first-contact")
async def test_what_was_stored_before_there_was_slack_is_not_posted(tmp_path: Path) -> None:
    """Neither week-old news nor news of minutes ago, which has no date; what is stored from now on is posted."""
    async with stage(tmp_path, scene()) as world:
        async with open_core(world.settings, front="mcp", timing=world.scene.timing, clock=VirtualClock()) as core:
            for age in (7 * 24 * HOUR, HOUR + 1, 40 * 60, 1):
                await store(core, age, f"old news of {age} s")
        async with world.bot() as (_, core):
            await store(core, 0, "present news")
            await world.card(words="present news")
            assert [message_words(message).count("old news") for message in world.slack.messages("ops")] == [0]


@pytest.mark.parametrize(("age", "posted"), [(59 * 60, 1), (61 * 60, 0)])
async def test_an_open_change_of_the_last_hour_has_its_card(tmp_path: Path, age: int, posted: int) -> None:
    """Its card shows the present state and until when it waits; an older one is found in Home and lists."""
    async with stage(tmp_path, scene()) as world:
        clock = VirtualClock()
        async with open_core(world.settings, front="mcp", timing=world.scene.timing, clock=clock) as core:
            change = await hold(world, core)
            await database_of(core).transact(
                lambda connection: connection.execute(
                    sa.update(OUTBOX).values(created_at=clock.now().timestamp() - age)
                )
            )
        async with world.bot() as (_, core):
            await store(core, 0, "present news")
            await world.card(words="present news")
            await anyio.sleep(2)
            cards = [message for message in world.slack.messages("ops") if change in message_words(message)]
            assert len(cards) == posted


async def test_after_the_first_contact_a_restart_posts_what_waits(tmp_path: Path) -> None:
    """A bot that was away for hours posts what happened in that time."""
    async with stage(tmp_path, scene()) as world:
        async with world.bot() as (_, core):
            await hold(world, core)
            await world.card(words="waiting for confirmation")
        async with open_core(world.settings, front="mcp", timing=world.scene.timing, clock=VirtualClock()) as core:
            await store(core, 3 * HOUR, "news of the outage")
        async with world.bot():
            await world.card(words="news of the outage")
