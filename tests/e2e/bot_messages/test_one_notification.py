"""The same news of the same change notifies no one twice, through whole lives of changes; requesters are notified once.

What may notify is counted by the wider reading of Slack's rules, what has to by the narrower one.
"""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa

from tests.e2e.bot_changes.test_bot_escalation import RULES
from tests.fakes.slack.notifications import first_text, notifications, possible_notifications
from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.fakes.timing import QUICK
from tests.harness.internals import database_of
from tests.harness.patience import eventually
from vpsops.core.app import Core
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.preferences import set_preferences
from vpsops.core.storage.tables import OUTBOX
from vpsops.playground.slack.workspace.config import WorkspaceConfig

PEOPLE: Final = ("alice", "bob", "carol", "dave")
TEAM: Final = "T0ACME"
AGENT: Final = Actor(ActorKind.AGENT, "mcp:assistant", "assistant", "slack:U0ALICE", account="U0ALICE")
NEWS: Final = {
    "question": re.compile(r"waiting for (confirmation|approval)"),
    "reminder": re.compile(r"till waiting for \d"),
    "end": re.compile(r"is done|: done|failed|denied|[Ss]et aside|expired"),
}
WORKSPACE: Final = WorkspaceConfig().with_scopes("channels:read", "groups:read", "users:read.email")
SETTINGS: Final = {"VPSOPS_CHANNEL": "C0GENERAL", "VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"}


@dataclass
class NotificationCount:
    """A workspace with bots on one database, and what its people were notified of."""

    world: BotHarness
    core: Core

    async def delivered(self) -> None:
        """Wait until no message is left to deliver."""
        query = sa.select(sa.func.count()).select_from(OUTBOX)

        async def is_empty() -> bool:
            return not await database_of(self.core).read(lambda connection: connection.scalar(query))

        await eventually(is_empty)

    def news_of(self, name: str, *, wide: bool = True) -> dict[str, int]:
        """Return how many messages notified a person of each news."""
        messages = (possible_notifications if wide else notifications)(self.world.slack, name)
        texts = [first_text(message) for message in messages]
        return {kind: sum(bool(words.search(text)) for text in texts) for kind, words in NEWS.items()}

    def check(self) -> None:
        """Fail if anyone was notified of the same news twice."""
        for name in PEOPLE:
            assert max(self.news_of(name).values()) <= 1, (name, self.news_of(name))

    async def agent_asks(self) -> str:
        """Let the agent of alice ask for a reboot."""
        request = Request("reboot", {"server": "web01"}, AGENT, Origin("mcp"), key="k1")
        outcome = await self.core.gate.submit(request, scope=OPERATOR)
        assert isinstance(outcome, Held)
        return outcome.change.id

    async def reboot(self, channel: str = "ops") -> None:
        """Let alice ask for a reboot and confirm it."""
        await self.world.slack.command("alice", channel, "/vps", "reboot web01")
        card = await self.world.card(channel, words="waiting for confirmation")
        await self.world.slack.click("alice", card, "vps:confirm")
        await self.world.card(channel, words="Reboot web01.example.com: done")


@asynccontextmanager
async def life(
    directory: Path, database: str, scene: Scene | None = None, bots: int = 1
) -> AsyncIterator[NotificationCount]:
    """Set a scene with bots, as processes are, on one database."""
    given = scene or Scene(workspace=WORKSPACE, settings=SETTINGS)
    given = replace(given, settings={**given.settings, "VPSOPS_DATABASE_URL": database})
    async with stage(directory, given) as world, AsyncExitStack() as stack:
        running = [await stack.enter_async_context(world.bot()) for _ in range(bots)]
        yield NotificationCount(world, running[0][1])


@pytest.mark.requirement("notified-once")
@pytest.mark.parametrize("bots", [1, 2])
async def test_the_end_is_a_mention_where_it_was_asked(tmp_path: Path, database_url: str, bots: int) -> None:
    """A channel that subscribed has it too, without a mention, and nothing is sent directly; by two processes too."""
    async with life(tmp_path, database_url, bots=bots) as played:
        await played.reboot()
        await played.world.card("general", words="Reboot of web01.example.com is done")
        await played.delivered()
        played.check()
        assert played.news_of("alice", wide=False)["end"] == 1
        assert played.world.slack.direct_messages("alice") == []


async def test_the_channel_that_asked_and_subscribed_has_one_message(tmp_path: Path, database_url: str) -> None:
    """It mentions the requester; the other channel that subscribed names her."""
    async with life(tmp_path, database_url) as played:
        await played.world.slack.command("bob", "ops", "/vps", "notify all on web*")
        await played.world.card("ops", words="Subscribed: ")
        await played.reboot()
        await played.world.card("ops", words="Reboot of web01.example.com is done")
        await played.delivered()
        played.check()
        assert played.news_of("alice", wide=False)["end"] == 1
        (elsewhere,) = [item for item in played.world.slack.messages("general") if "is done" in item.text]
        assert "Requested by @alice" in elsewhere.text


@pytest.mark.requirement("notified-once")
async def test_approvers_and_requester_are_notified_once_of_each_news(tmp_path: Path, database_url: str) -> None:
    """An agent's change: those in the channel by mentions, dave, who is not, directly."""
    config = tmp_path / "vpsops.toml"
    config.write_text(RULES, encoding="utf-8")
    timing = replace(QUICK, approve_seconds=60.0, remind_share=0.01)
    settings = {**SETTINGS, "VPSOPS_CONFIG": str(config), "VPSOPS_ESCALATION_CHANNEL": "C0OPS"}
    async with life(tmp_path, database_url, Scene(workspace=WORKSPACE, timing=timing, settings=settings)) as played:
        slack = played.world.slack
        slack.kick("approvals", "dave")
        await played.agent_asks()
        await played.world.card("approvals", words="till waiting for 2 approvals")
        await played.delivered()
        for name in ("bob", "carol", "dave"):
            assert played.news_of(name, wide=False)["reminder"] == 1
        for name in ("bob", "carol"):
            await slack.click(name, await played.world.card("approvals", words="2 approvals. App"), "vps:approve")
        await played.world.card("approvals", words="Reboot web01.example.com: done")
        await played.delivered()
        played.check()
        assert played.news_of("alice", wide=False)["end"] == 1


async def test_a_persons_request_that_others_approve_mentions_her_where_she_asked(
    tmp_path: Path, database_url: str
) -> None:
    """The denial in #ops does; the approvers' card and the channel that subscribed name her."""
    config = tmp_path / "vpsops.toml"
    config.write_text(RULES.replace('actor = "agent"', 'actor = "person"'), encoding="utf-8")
    settings = {**SETTINGS, "VPSOPS_CONFIG": str(config)}
    async with life(tmp_path, database_url, Scene(workspace=WORKSPACE, settings=settings)) as played:
        slack = played.world.slack
        await slack.command("alice", "ops", "/vps", "reboot web01")
        await played.world.card("ops", words="waiting for approval")
        card = await played.world.card("approvals", words="waiting for approval")
        assert "Requested by @alice" in card.text
        await slack.click("bob", card, "vps:deny")
        view = await slack.wait_for(lambda: slack.modal("bob"))
        assert view is not None
        await slack.submit_view("bob", view, {"reason": "not now"})
        await played.world.card("general", words="denied")
        await played.delivered()
        played.check()
        assert played.news_of("alice", wide=False)["end"] == 1


async def test_asked_and_subscribed_in_direct_messages(tmp_path: Path, database_url: str) -> None:
    """One message there has the end, and the thread of the card has none."""
    async with life(tmp_path, database_url, Scene(workspace=WORKSPACE)) as played:
        slack = played.world.slack
        place = slack.desk.state.dm_with("U0ALICE").id
        await slack.command("alice", place, "/vps", "notify all on web*")
        await played.world.card(place, words="Subscribed: ")
        await played.reboot(place)
        await played.world.card(place, words="Reboot of web01.example.com is done")
        await played.delivered()
        played.check()
        await played.reboot("ops")
        await played.delivered()
        ends = [text for text in map(first_text, possible_notifications(slack, "alice")) if "is done" in text]
        assert len(ends) == 2


@pytest.mark.requirement("notified-once")
async def test_a_restart_repeats_nothing(tmp_path: Path, database_url: str) -> None:
    """The process that asked is gone, and so is the one that posted the end."""
    settings = {**SETTINGS, "VPSOPS_DATABASE_URL": database_url}
    async with stage(tmp_path, Scene(workspace=WORKSPACE, settings=settings)) as world:
        async with world.bot():
            await world.slack.command("alice", "ops", "/vps", "reboot web01")
            card = await world.card("ops", words="waiting for confirmation")
        for _ in range(2):
            async with world.bot() as (_, core):
                if world.effects("reboot") == 0:
                    await world.slack.click("alice", card, "vps:confirm")
                await world.card("general", words="Reboot of web01.example.com is done")
                await NotificationCount(world, core).delivered()
        NotificationCount(world, core).check()
        assert NotificationCount(world, core).news_of("alice", wide=False)["end"] == 1


async def test_who_wants_no_notification_gets_none(tmp_path: Path, database_url: str) -> None:
    """The thread and the channel have the end, and name the requester."""
    async with life(tmp_path, database_url) as played:
        await set_preferences(database_of(played.core), played.core.clock, (TEAM, "U0ALICE"), dm_settled=False)
        await played.reboot()
        await played.world.card("general", words="Reboot of web01.example.com is done")
        await played.delivered()
        assert played.news_of("alice", wide=False)["end"] == 0


async def test_a_request_in_ones_own_messages_that_is_set_aside_is_one_message(
    tmp_path: Path, database_url: str
) -> None:
    """It is not expected, so it is no reply to the card, which notifies less."""
    async with life(tmp_path, database_url, Scene(workspace=WORKSPACE)) as played:
        slack = played.world.slack
        place = slack.desk.state.dm_with("U0ALICE").id
        await slack.command("alice", place, "/vps", "reboot web01")
        await played.world.card(place, words="waiting for confirmation")
        await slack.command("bob", "ops", "/vps", "stop web01")
        await slack.click("bob", await played.world.private("bob", "waits for alice"), "vps:set_aside")
        await played.world.card(place, words="Set aside by bob")
        await played.delivered()
        played.check()
        assert played.news_of("alice", wide=False)["end"] == 1
