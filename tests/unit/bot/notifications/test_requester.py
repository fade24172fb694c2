"""Which message of a change's news notifies its requester: the decision, row by row."""

import pytest

from tests.unit.bot.changes_in_every_state import AGENT, ALICE, change
from vpsops.bot.messages.change_card import Audience
from vpsops.bot.notifications.destinations import (
    is_direct,
    is_notified,
    mentions_requester,
    notifying_channel,
    replies_with,
    voters_channels,
)
from vpsops.core.changes.model import State
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.messaging.posted_messages import PostedMessage
from vpsops.core.messaging.subscriptions import WITHOUT_THRESHOLD, Subscription

MCP = Origin("mcp")
LOCAL = Actor(ActorKind.PERSON, "local:alice", "alice")


def copy(purpose: str, channel: str) -> PostedMessage:
    """Return a copy of a message of the change."""
    return PostedMessage("change:chg_0123456789ab", purpose, channel, "1.0")


def subscribed(channel: str, by: str) -> Subscription:
    """Return a subscription to everything."""
    return Subscription("sub_1", "T0ACME", channel, WITHOUT_THRESHOLD, by={"id": by})


@pytest.mark.parametrize(
    ("entries", "channel"),
    [
        ([], "C0OPS"),
        ([subscribed("C0GENERAL", "U0ALICE")], "C0OPS"),
        ([subscribed("D0ALICE", "U0ALICE")], "D0ALICE"),
        ([subscribed("D0BOB", "U0BOB")], "C0OPS"),
    ],
)
def test_a_requester_is_mentioned_in_one_channel(entries: list[Subscription], channel: str) -> None:
    """In their own messages if these subscribed, else where they asked."""
    assert notifying_channel(change(State.SUCCEEDED), entries) == channel


def test_who_asked_in_no_channel_is_mentioned_in_none() -> None:
    """An agent's human, and a person who is not in Slack."""
    assert notifying_channel(change(State.SUCCEEDED, actor=AGENT, origin=MCP), []) == ""
    assert notifying_channel(change(State.SUCCEEDED, actor=LOCAL), [subscribed("D0ALICE", "U0ALICE")]) == ""


@pytest.mark.parametrize(
    ("event", "purpose", "where", "notified"),
    [
        ("succeeded", "told:succeeded", "C0OPS", True),
        ("succeeded", "told:succeeded", "C0APPROVALS", False),
        ("succeeded", "told:succeeded", "D0ALICE", True),
        ("succeeded", "told:dm:succeeded", "D0ALICE", True),
        ("succeeded", "told:dm:failed", "D0ALICE", False),
        ("succeeded", "told:overdue", "C0OPS", False),
        ("succeeded", "card", "C0OPS", False),
        ("succeeded", "card", "D0ALICE", False),
        ("succeeded", "told:ended:card", "C0OPS", True),
        ("succeeded", "told:ended:approval", "C0APPROVALS", False),
        ("needs_person", "told:ended:card", "C0OPS", False),
    ],
)
def test_copies_say_whether_the_requester_has_the_news(event: str, purpose: str, where: str, *, notified: bool) -> None:
    """The one that mentions them, a direct one, and a card that was posted for the end."""
    assert is_notified(event, [copy(purpose, where)], "C0OPS", ()) is notified


def test_a_subscriber_gets_the_news_with_the_mention() -> None:
    """Only in the channel that mentions; without one a direct message is needed."""
    assert is_notified("failed", [], "C0OPS", ["C0GENERAL", "C0OPS"])
    assert not is_notified("failed", [], "C0OPS", ["C0GENERAL"])
    assert not is_notified("failed", [], "", ["C0OPS", ""])


@pytest.mark.parametrize(
    ("actor", "audience", "channel", "instead", "mentioned"),
    [
        (ALICE, Audience.ASKER, "C0OPS", False, False),
        (ALICE, Audience.ASKER, "C0OPS", True, True),
        (ALICE, Audience.VOTERS, "C0APPROVALS", False, False),
        (ALICE, Audience.VOTERS, "C0APPROVALS", True, False),
        (ALICE, Audience.ASKER, "D0ALICE", False, True),
        (ALICE, Audience.ASKER, "U0ALICE", False, True),
        (AGENT, Audience.VOTERS, "C0APPROVALS", False, True),
        (AGENT, Audience.ESCALATED, "C0GENERAL", False, False),
    ],
)
def test_cards_in_channels_name_the_requester(
    actor: Actor, audience: Audience, channel: str, *, instead: bool, mentioned: bool
) -> None:
    """A mention makes a follower of the thread; approvers are shown an agent's human by one."""
    assert mentions_requester(change(actor=actor), audience, channel, instead=instead) is mentioned


def test_only_the_approvers_card_of_an_agent_has_its_human_as_a_follower() -> None:
    """Of a person's request, and on other copies, there is none."""
    cards = [copy("approval", "C0APPROVALS"), copy("escalation", "C0GENERAL"), copy("card", "C0OPS")]
    assert voters_channels(change(actor=AGENT), cards) == ["C0APPROVALS"]
    assert voters_channels(change(actor=ALICE), cards) == []


def test_what_is_set_aside_is_no_reply_in_direct_messages() -> None:
    """It is sent as a message of its own there."""
    assert [replies_with("set_aside", channel) for channel in ("C0OPS", "D0ALICE")] == [True, False]
    assert replies_with("failed", "D0ALICE")
    assert not is_direct("C0OPS")
