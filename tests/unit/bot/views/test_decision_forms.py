"""The forms of a decision say what is done, who asks for it and why."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.slack_bot import words_of
from tests.unit.bot.changes_in_every_state import HOSTILE
from tests.unit.bot.changes_in_every_state import hostile as hostile_change
from tests.unit.bot.messages.card_snapshots import deletion_by_agent
from vpsops.bot.blocks.elements import Block
from vpsops.bot.slack_api.block_limits import view_limit_violations
from vpsops.bot.views.break_glass import review_view
from vpsops.bot.views.grant_blocks import grant_form
from vpsops.bot.views.modals import name_view
from vpsops.core.changes.model import Change, State
from vpsops.playground.slack.rendering.limits import check_view

DATA = {"c": "chg_1", "as": "confirm"}


@pytest.mark.parametrize("form", [name_view, grant_form, review_view])
def test_an_agent_is_named_with_the_person_it_acts_for(form: Callable[[Change, Mapping[str, Any]], Block]) -> None:
    """As on the card; a person is mentioned by their account, and whatever an agent calls itself stays words."""
    view = form(deletion_by_agent(), DATA)
    assert "*Requested by*\nthe agent that calls itself “helper” for <@U0ALICE>" in " ".join(words_of(view))
    assert not check_view(view)
    villain = hostile_change(State.HELD, HOSTILE * 5).actor
    view = form(replace(deletion_by_agent(), actor=villain), DATA)
    assert not list(view_limit_violations(view))
    assert "<!channel>" not in " ".join(words_of(view))


def test_the_form_says_who_asks_and_why() -> None:
    """Its card may be far above in the direct messages by then."""
    words = " ".join(words_of(name_view(deletion_by_agent(), DATA)))
    assert "*Requested by*\nthe agent that calls itself “helper”" in words
    assert "*Reason*\nthe upgrade broke it" in words


def test_a_change_without_a_reason_has_no_line_for_it() -> None:
    """An empty field would be refused."""
    view = name_view(replace(deletion_by_agent(), reason=""), DATA)
    assert "*Reason*" not in " ".join(words_of(view))
    assert not check_view(view)


def test_a_reason_from_outside_is_words() -> None:
    """No mention, no link, and never too long for Slack."""
    view = name_view(replace(deletion_by_agent(), reason=HOSTILE * 40), DATA)
    assert not list(view_limit_violations(view))
    assert not check_view(view)
    assert "<!channel>" not in " ".join(words_of(view))
