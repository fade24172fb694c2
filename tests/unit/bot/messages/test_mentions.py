"""Who a card and a reminder mention: each once, by handle in words elsewhere, and never by a raw id."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, HOSTILE, NOW, change
from tests.unit.bot.messages.test_change_card import assert_safe
from vpsops.bot.blocks.approver_text import (
    CHANNEL_MENTION,
    UNLABELLED,
    ApproverLabels,
    approver_mentions,
    approver_words,
)
from vpsops.bot.messages.change_card import Audience, CardOptions, change_card
from vpsops.bot.messages.notices import reminder
from vpsops.core.changes.model import State
from vpsops.core.identity.actors import Approvers

EVERY = Approvers(("S0APPROVERS",), ("U0BOB", "carol@acme.example"), ("C0APPROVALS", "C0OTHER"))
LABELS = ApproverLabels({"S0APPROVERS": "approvers"}, {"U0BOB": "bob"}, {"carol@acme.example": "U0CAROL"})
HELD = change(ruling=APPROVE, actor=AGENT)
TOKENS = approver_mentions(APPROVE.approvers, "C0APPROVALS", LABELS)


def test_a_channels_message_mentions_each_kind_of_approver() -> None:
    """The group, the people by their accounts, and the channel itself where its members decide."""
    people = ("<!subteam^S0APPROVERS>", "<@U0BOB>", "<@U0CAROL>")
    assert approver_mentions(EVERY, "C0APPROVALS", LABELS) == (CHANNEL_MENTION, *people)
    assert approver_mentions(EVERY, "C0OPS", LABELS) == people


def test_words_notify_no_one() -> None:
    """Handles and names stand in plain words; what Slack does not return is named without its id."""
    words = " ".join(approver_words(EVERY, LABELS))
    assert "@approvers" in words
    assert "@bob" in words
    assert "subteam" not in words
    assert "S0APPROVERS" not in " ".join(approver_words(EVERY, UNLABELLED))


@pytest.mark.parametrize("audience", Audience)
def test_the_copies_for_voters_mention_and_the_askers_does_not(audience: Audience) -> None:
    """In the blocks and in the text that a lock screen shows."""
    card = change_card(HELD, NOW, audience, CardOptions(labels=LABELS, mentions=TOKENS))
    for words in (card.text, str(card.blocks)):
        assert ("<!subteam^S0APPROVERS>" in words) == (audience is not Audience.ASKER)
        assert "S0APPROVERS" not in re.sub(r"<!subteam\^S0APPROVERS>", "", words)


@pytest.mark.parametrize("state", [state for state in State if state is not State.HELD])
def test_a_card_that_needs_no_vote_mentions_no_one(state: State) -> None:
    """Slack then counts it no more among what waits for a person."""
    card = change_card(change(state, ruling=APPROVE), NOW, Audience.VOTERS, CardOptions(mentions=TOKENS))
    assert "subteam" not in str(card)


def test_a_reminder_begins_with_its_mentions() -> None:
    """And names what waits, and until when."""
    post = reminder(HELD, ("<@U0BOB>",))
    assert post.text.startswith("<@U0BOB>: still waiting for 2 approvals: Reboot web01.example.com.\nExpires")
    assert "<@U0BOB>" in str(post.blocks)
    assert reminder(HELD).text.startswith("Still waiting")


@settings(max_examples=examples(40))
@given(st.text(max_size=200) | st.just(HOSTILE))
def test_names_from_slack_are_data(words: str) -> None:
    """A handle or name that a member chose makes no mention and no link."""
    labels = ApproverLabels({"S0APPROVERS": words}, {"U0BOB": words}, {})
    assert_safe(change_card(HELD, NOW, Audience.VOTERS, CardOptions(labels=labels, mentions=TOKENS)))
    assert_safe(change_card(HELD, NOW, Audience.ASKER, CardOptions(labels=labels)))
