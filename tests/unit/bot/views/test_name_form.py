"""The form in which a name is typed says what is destroyed, who asks for it and why."""

from dataclasses import replace

from tests.fakes.slack_bot import words_of
from tests.unit.bot.changes_in_every_state import HOSTILE
from tests.unit.bot.messages.card_snapshots import deletion_by_agent
from vpsops.bot.slack_api.block_limits import view_limit_violations
from vpsops.bot.views.modals import name_view
from vpsops.playground.slack.rendering.limits import check_view

DATA = {"c": "chg_1", "as": "confirm"}


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
