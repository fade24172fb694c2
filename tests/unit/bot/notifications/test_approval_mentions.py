"""Whom an approval's messages mention, by settings, quiet hours and the size of the channel; a clock stands still."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.fakes.accounts import EVERYBODY
from tests.fakes.clock import FakeClock
from tests.unit.bot.changes_in_every_state import AGENT, ALICE, BOB, NOW, change
from vpsops.bot.blocks.approver_text import CHANNEL_MENTION, UNLABELLED, ApproverLabels
from vpsops.bot.blocks.elements import Post
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.notifications.change_topic import ChangeTopic
from vpsops.bot.notifications.destinations import ApprovalMentions, Place
from vpsops.bot.notifications.direct_messages import DirectMessenger
from vpsops.bot.notifications.message_sender import MessageSender
from vpsops.bot.notifications.notices import NoticeSender
from vpsops.bot.notifications.subscribers import Subscribers
from vpsops.bot.notifications.workspace_delivery import SharedState, WorkspaceDelivery
from vpsops.bot.slack_api.client import SlackClient
from vpsops.bot.workspaces.approver_directory import ApproverDirectory
from vpsops.bot.workspaces.membership import Membership
from vpsops.bot.workspaces.registry import WorkspaceSession
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, Verdict, Vote
from vpsops.core.config.settings import Settings
from vpsops.core.identity.actors import Approvers
from vpsops.core.messaging.outbox import topic_of
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.messaging.subscriptions import (
    Subscription,
    SubscriptionEvent,
    SubscriptionOptions,
    subscription_id,
)
from vpsops.core.policy.decision import Decision, Ruling

CHANNEL = "C0APPROVALS"
MEMBERS = Ruling(Decision.APPROVE, ("agents",), 1, Approvers(channels=(CHANNEL,)), policy="p1")
EVENING = datetime(2027, 1, 4, 21, 50, tzinfo=UTC)
MORNING = datetime(2027, 1, 4, 6, 40, tzinfo=UTC)


class Directory(ApproverDirectory):
    """People as the test says."""

    def __init__(self, people: Iterable[str]) -> None:
        self.people = frozenset(people)

    async def labels(self, approvers: Approvers) -> ApproverLabels:
        """Know no names."""
        del approvers
        return UNLABELLED

    async def members(self, idents: Iterable[str]) -> frozenset[str]:
        """Return the same people for everything."""
        return self.people if list(idents) else frozenset()


class Sender(MessageSender):
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.sent: list[tuple[Place, str]] = []

    async def post(self, place: Place, post: Post, name: str) -> tuple[str, str]:
        """Keep a message."""
        del name
        self.sent.append((place, post.text))
        return place.channel, f"{len(self.sent)}.0"

    async def permalink(self, channel: str, ts: str) -> str:
        """Return an address."""
        return f"https://acme.slack.com/archives/{channel}/p{ts.replace('.', '')}"


@dataclass
class Approvals:
    """An approval whose messages are kept here."""

    core: Core
    clock: FakeClock
    session: aiohttp.ClientSession
    people: list[str] = field(default_factory=lambda: ["U0ALICE", "U0BOB", "U0CAROL"])

    @property
    def mentions(self) -> ApprovalMentions:
        """Return the mentions of a channel with these people."""
        return ApprovalMentions(self.core, Directory(self.people), Subscribers(self.core))

    async def on_card(self, record: Change, audience: Audience = Audience.VOTERS) -> tuple[str, ...]:
        """Return the mentions of a copy of the card."""
        return await self.mentions.on_card(record, audience, CHANNEL, UNLABELLED)

    async def quiet(self, *hours: str, watch: bool = False) -> None:
        """Subscribe the channel, quiet in these hours."""
        options = SubscriptionOptions(quiet=hours, watch=watch, until=NOW + timedelta(days=2) if watch else None)
        events = frozenset({SubscriptionEvent.WITHHELD})
        number = subscription_id(str(hours))
        await self.core.subscriptions.add(Subscription(number, "", CHANNEL, events, options=options), ALICE)

    async def notify(self, record: Change, event: str) -> list[tuple[Place, str]]:
        """Let a notice be sent, and return what is posted."""
        sender = Sender()
        slack = SlackClient(self.core.settings, self.session)
        membership = Membership(slack, self.clock)
        office = WorkspaceSession(self.core, slack, membership)
        delivery = WorkspaceDelivery(office, SharedState.of(self.core), self.fail)
        direct = DirectMessenger(self.core, membership, sender.post)
        notices = NoticeSender(self.core, sender, delivery.cards, self.mentions, direct)
        card = PostedMessage(topic_of(record.id), Audience.VOTERS.value, CHANNEL, "1.0")
        await notices.notify(ChangeTopic(self.core.outbox, record, [card]), event)
        return sender.sent

    async def fail(self, ids: list[int], attempts: int, error: Exception) -> None:
        """Fail: nothing is posted to subscribers here."""
        raise AssertionError((ids, attempts, error))


def held(at: datetime = NOW, hours: float = 1.0, **more: Any) -> Change:
    """Return an agent's change that waits for votes."""
    own = {"ruling": MEMBERS, "actor": AGENT, "created_at": at, "expires_at": at + timedelta(hours=hours)}
    return change(**{**own, **more})


@pytest.fixture
async def approvals(database_url: str) -> AsyncIterator[Approvals]:
    clock = FakeClock()
    settings = Settings.model_validate({"VPSOPS_DATABASE_URL": database_url, "VPSOPS_APPROVAL_CHANNEL": CHANNEL})
    async with (
        open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core,
        aiohttp.ClientSession() as session,
    ):
        yield Approvals(core, clock, session)


async def test_without_quiet_hours_a_card_mentions_at_once(approvals: Approvals) -> None:
    """The channel where its members decide, and in the escalation channel those who are there; never the asker."""
    assert await approvals.on_card(held()) == (CHANNEL_MENTION,)
    assert await approvals.on_card(held(), Audience.ESCALATED) == (CHANNEL_MENTION,)
    assert await approvals.on_card(held(), Audience.ASKER) == ()


@pytest.mark.parametrize(
    ("at", "hours", "mentioned"),
    [
        (EVENING, 1.0, True),  # before the quiet hours
        (MORNING, 1.0, False),  # the reminder comes at 07:28, and mentions then
        (MORNING, 0.3, True),  # it would expire before anyone was mentioned
        (MORNING - timedelta(hours=4), 1.0, True),  # in the middle of the night: it cannot wait
        (EVENING + timedelta(minutes=20), 24.0, False),
    ],
)
async def test_quiet_hours_hold_back_what_can_wait(
    approvals: Approvals, at: datetime, hours: float, mentioned: bool
) -> None:
    """What is reminded of after them waits for that; what would expire before does not."""
    await approvals.quiet("22:00-07:00")
    assert bool(await approvals.on_card(held(at, hours))) is mentioned


async def test_a_watch_of_a_server_has_no_say(approvals: Approvals) -> None:
    """It is there for hours, and the channel's own quiet hours hold beside it."""
    await approvals.quiet("22:00-07:00")
    await approvals.quiet(watch=True)
    assert await approvals.on_card(held(MORNING)) == ()


async def test_what_the_night_held_back_is_mentioned_half_way_if_it_is_over(approvals: Approvals) -> None:
    """At half of the hold's time, while no one has voted; not while it is quiet still, and not where it was said."""
    await approvals.quiet("22:00-07:00")
    approvals.clock.advance((MORNING + timedelta(minutes=30) - approvals.clock.now()).total_seconds() % 86400)
    ((place, text),) = await approvals.notify(held(MORNING), "unanswered")
    assert (place.thread, place.broadcast) == ("1.0", True)
    assert text.startswith("<@U0BOB>, <@U0CAROL>: still waiting for 1 approval")
    assert await approvals.notify(held(EVENING), "unanswered") == []
    assert await approvals.notify(held(EVENING + timedelta(minutes=20), 24.0), "unanswered") != []


async def test_a_large_channel_is_mentioned_as_a_whole_outside_of_the_thread(approvals: Approvals) -> None:
    """Slack takes no mention of a channel in a thread; a link leads to the card."""
    approvals.people = [f"U0P{number}" for number in range(40)]
    ((place, text),) = await approvals.notify(held(), "reminder")
    assert place.thread == ""
    assert text.startswith(f"{CHANNEL_MENTION}: still waiting")


async def test_only_those_who_may_still_vote_are_mentioned(approvals: Approvals) -> None:
    """Bob has voted, and Alice's agent asked: Carol alone is missing."""
    vote = Vote(BOB, Verdict.APPROVE, "", "", NOW)
    asked = held(ruling=replace(MEMBERS, votes=2), votes=(vote,))
    ((_, text),) = await approvals.notify(asked, "reminder")
    assert text.startswith("<@U0CAROL>: still waiting")


async def test_off_means_no_mention(database_url: str) -> None:
    """Neither on a card nor in a reminder."""
    settings = Settings.model_validate(
        {"VPSOPS_DATABASE_URL": database_url, "VPSOPS_APPROVAL_CHANNEL": CHANNEL, "VPSOPS_APPROVAL_MENTIONS": "OFF"}
    )
    clock = FakeClock()
    async with (
        open_core(settings, front="cli", clock=clock, accounts=EVERYBODY) as core,
        aiohttp.ClientSession() as session,
    ):
        approvals = Approvals(core, clock, session)
        assert await approvals.on_card(held()) == ()
        ((_, text),) = await approvals.notify(held(), "reminder")
        assert text.startswith("Still waiting")
