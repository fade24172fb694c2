"""Cards are true in every state, and outside text stays data."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from tests.unit.bot.changes_in_every_state import AGENT, APPROVE, HOSTILE, NOW, change, every_change, hostile
from tests.unit.bot.messages.card_snapshots import DIRECTORY, all_cards, as_text
from tests.unit.bot.messages.family_samples import SAMPLES
from vpsops.bot.blocks.elements import Post
from vpsops.bot.blocks.labels import STATE_LABELS
from vpsops.bot.messages.change_card import Audience, change_card
from vpsops.bot.messages.notices import change_notice, reminder
from vpsops.bot.protocol import action_ids
from vpsops.bot.slack_api.block_limits import fit_post, limit_violations
from vpsops.core.changes.model import Change, State
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.strategies import no_facts
from vpsops.playground.slack.rendering.limits import check_message

OURS = re.compile(
    r"<!date\^\d+\^\{date_short_pretty\} \{time\}\|[\d: -]+ UTC>|<@[UW][A-Z0-9]{2,20}>|<#[CG][A-Z0-9]{2,20}>"
    r"|<!subteam\^S[A-Z0-9]{2,20}>"
)
NASTY = st.text(max_size=400) | st.sampled_from([HOSTILE, "<!everyone>", "`" * 50, "\n" * 80, "<" * 3000, "é" * 3000])


def parsed_texts(node: Any) -> list[str]:
    """Return every text that Slack reads for markup."""
    if isinstance(node, list | tuple):
        return [text for item in node for text in parsed_texts(item)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if node.get("type") == "mrkdwn" else []
    return own + [text for item in node.values() for text in parsed_texts(item)]


def assert_safe(post: Post) -> None:
    """Assert that no markup but our own is in a message, and that Slack takes it."""
    for text in [post.text, *parsed_texts(post.blocks)]:
        rest = OURS.sub("", text)
        assert "<" not in rest, text
        assert ">" not in rest, text
        assert "`" not in rest
    assert not list(limit_violations(post.blocks, "message"))
    assert not check_message({"text": post.text, "blocks": list(post.blocks)})
    assert len(fit_post(post).text) <= 4000


@pytest.mark.parametrize(
    "record", every_change(), ids=lambda case: f"{case.state}-{case.ruling.decision}-{case.overdue}"
)
def test_every_state_has_a_card_that_fits(record: Change) -> None:
    """Each state is drawn for each audience within Slack's limits."""
    for audience in Audience:
        assert_safe(change_card(record, NOW, audience))


@pytest.mark.parametrize("state", State)
def test_only_a_change_that_waits_for_people_has_buttons(state: State) -> None:
    """Buttons are gone as soon as there is nothing to decide or to withdraw."""
    drawn = change_card(change(state), NOW)
    waits = state in {State.HELD, State.SCHEDULED, State.NEEDS_PERSON}
    assert any(block["type"] == "actions" for block in drawn.blocks) == waits


def test_the_button_names_the_act_and_carries_only_what_was_shown() -> None:
    """The button names the server; its value is the change and the beginning of its digest."""
    confirm, cancel = controls(change_card(change(), NOW))
    assert confirm["text"]["text"] == "Reboot web01.example.com"
    assert confirm["value"] == '{"c":"chg_0123456789ab","d":"ab12ab12ab12ab12"}'
    assert [confirm["action_id"], cancel["action_id"]] == [action_ids.CONFIRM, action_ids.CANCEL]


def test_a_button_that_disrupts_is_red_for_whoever_clicks_it() -> None:
    """The requester's and the approvers' buttons of one change have one style: red unless it only changes."""
    for operation, style in (("reboot", "danger"), ("delete", "danger"), ("start", "primary")):
        confirm = controls(change_card(change(operation=operation), NOW))[0]
        approve = controls(change_card(change(operation=operation, ruling=APPROVE), NOW, Audience.VOTERS))[0]
        assert (confirm["style"], approve["style"]) == (style, style)


def test_ids_are_in_the_small_print_and_the_title_names_the_server() -> None:
    """A name too long for the title stands on the card in full."""
    *rest, last = change_card(change(), NOW).blocks
    assert "srv-1" in str(last)
    assert "srv-1" not in str([block for block in rest if block["type"] != "actions"])
    held = change()
    long = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.example.com"
    assert long in str(change_card(replace(held, target=replace(held.target, hostname=long)), NOW).blocks)


def test_voters_vote_and_the_asker_may_only_cancel() -> None:
    """The two copies of one held change have different buttons."""
    held = change(ruling=APPROVE, actor=AGENT)
    assert [control["action_id"] for control in controls(change_card(held, NOW, Audience.VOTERS))] == [
        action_ids.APPROVE,
        action_ids.APPROVE_NOTE,
        action_ids.DENY,
    ]
    assert [control["action_id"] for control in controls(change_card(held, NOW, Audience.ASKER))] == [action_ids.CANCEL]


def test_another_digest_is_another_block() -> None:
    """Changed content has a new block id, so an old click is recognised."""
    ids = {block_ids(change_card(change(digest=digest * 16), NOW)) for digest in ("ab12", "cd34")}
    assert len(ids) == 2


def test_a_card_names_all_that_is_decided_on() -> None:
    """Server, address, region, state, effect, who, reason and expiry are on the card."""
    blocks = str(change_card(change(), NOW).blocks)
    for word in ("web01.example.com", "185.35.202.45", "oslo", "running", "Connections drop", "U0ALICE", "disk swap"):
        assert word in blocks
    assert "Expires" in blocks


def test_an_agent_is_shown_with_the_human_behind_it() -> None:
    """The card names the person behind an agent."""
    assert "the agent that calls itself “helper” for <@U0ALICE>" in change_card(change(actor=AGENT), NOW).text


def test_every_state_has_words() -> None:
    """No state is missing from the table."""
    assert set(STATE_LABELS) == set(State)


@settings(max_examples=examples(60))
@given(NASTY, st.sampled_from(State))
@pytest.mark.requirement("text-is-data-in-slack")
def test_nothing_from_outside_is_read_as_markup(words: str, state: State) -> None:
    """Names, reasons, notes and votes ring no channel, make no link, end no code span and break no limit."""
    villain = hostile(state, words)
    for audience in Audience:
        assert_safe(change_card(villain, NOW, audience))
    for event in ("succeeded", "failed", "overdue", "needs_person", "denied"):
        assert_safe(change_notice(villain, event, NOW))
    assert_safe(reminder(villain))


@settings(max_examples=examples(40))
@given(NASTY)
def test_an_outside_text_adds_no_line_of_its_own(words: str) -> None:
    """A reason with line breaks cannot forge a line of ours."""
    reason = next(
        str(block["text"]["text"])
        for block in change_card(change(reason=f"x{words}"), NOW).blocks
        if "Reason" in str(block)
    )
    assert "\n" not in reason


@pytest.mark.parametrize("name", list(all_cards()))
def test_a_card_is_as_its_snapshot_says(name: str) -> None:
    """A card's appearance changes only together with its snapshot."""
    assert as_text(all_cards()[name]) == (DIRECTORY / f"{name}.json").read_text(encoding="utf-8")


def test_no_snapshot_is_without_its_card() -> None:
    """A card that went takes its snapshot along."""
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(all_cards())


def controls(post: Post) -> list[dict[str, Any]]:
    """Return the buttons of a card."""
    return [element for block in post.blocks if block["type"] == "actions" for element in block["elements"]]


def block_ids(post: Post) -> str:
    """Return the block id of the buttons."""
    return next(str(block["block_id"]) for block in post.blocks if block["type"] == "actions")


def test_every_operation_with_facts_of_its_own_has_a_card_here() -> None:
    """A new family does not pass without its cards, as people see them."""
    described = {
        name for name, entry in OPERATIONS.items() if entry.describe is not no_facts and not entry.makes_server
    }
    assert set(SAMPLES) == described
