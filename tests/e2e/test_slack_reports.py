"""Public bug reports of Slack approval bots that this bot had as well, each held by tests of its kind.

Rows, numbers and findings are those of the log that was kept when the bot was tried with them.
"""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

FOREIGN: Final = "tests.adversary.people.test_foreign_people"
LATE: Final = "tests.adversary.people.test_late_deliveries"
LINE: Final = "tests.e2e.bot_changes.test_bot_line"
HEALTH: Final = "tests.e2e.processes.test_bot_health"
REACH: Final = "tests.e2e.bot_changes.test_bot_reach"
ASIDE: Final = "tests.e2e.bot_changes.test_bot_set_aside"
MESSAGES: Final = "tests.e2e.bot_messages.test_messages"
WORDS: Final = "tests.unit.bot.commands.test_vocabulary"
CORRECTIONS: Final = "tests.unit.bot.commands.test_corrections"
FALLBACK: Final = "tests.unit.bot.blocks.test_fallback_text"


@dataclass(frozen=True, slots=True)
class SlackReport:
    """A row: its finding here, where it was reported, and the tests that hold it, by module."""

    finding: str
    where: str
    held_by: Mapping[str, tuple[str, ...]]


FAILED: Final[Mapping[str, SlackReport]] = {
    "1: a connected workspace's form names the sender's team": SlackReport(
        "F1",
        "slackapi/bolt-js 1614, bolt-python 734",
        {
            FOREIGN: (
                "test_their_forms_and_menus_are_dead",
                "test_what_is_for_another_app_or_installation_is_not_carried_out",
            )
        },
    ),
    "2: outsiders in a shared channel steer the bot": SlackReport(
        "F1",
        "looker/lookerbot 137, timescale/tiger-agents 171, PostHog 43263",
        {
            FOREIGN: (
                "test_their_clicks_decide_nothing",
                "test_what_slack_tells_of_them_is_enough_to_refuse",
                "test_their_commands_do_nothing",
                "test_their_shortcuts_open_nothing",
            ),
            MESSAGES: ("test_people_of_other_companies_run_nothing", "test_guests_read_and_alter_nothing"),
        },
    ),
    "4: Home opened through Connections carries the other workspace's id": SlackReport(
        "F1", "slackapi/bolt-js 1948, 935", {FOREIGN: ("test_they_have_no_home",)}
    ),
    "5: the Socket Mode line is dead and health stays green": SlackReport(
        "F2",
        "netclaw 2087, typeclaw 1406, yetibot 739, stacklok/mecatl 1191",
        {
            HEALTH: (
                "test_a_dead_line_is_red",
                "test_a_revoked_token_is_red_though_there_is_nothing_to_post",
                "test_a_token_that_is_right_again_is_used_within_seconds",
            ),
            LINE: ("test_a_revoked_app_token_is_red_at_once_and_used_again_within_half_a_minute",),
        },
    ),
    "6: stored messages are worked off hours late": SlackReport(
        "F3",
        "gugu91/pinet 833, jaaacki/claude-telegram 56",
        {
            LATE: (
                "test_a_late_form_makes_no_server",
                "test_a_late_command_does_nothing",
                "test_a_late_decision_is_not_counted",
                "test_time_in_hand_makes_a_delivery_no_younger",
            ),
            MESSAGES: ("test_a_message_that_comes_late_runs_nothing",),
        },
    ),
    "7: somebody who walked away holds the lock": SlackReport(
        "F4",
        "runatlantis/atlantis 732, 1212",
        {
            ASIDE: (
                "test_one_click_sets_it_aside_and_asks_for_ones_own",
                "test_cancel_on_the_card_sets_it_aside_too",
                "test_a_process_that_ends_at_the_click_leaves_both_done_or_neither",
                "test_asking_twice_points_at_ones_own_card",
            )
        },
    ),
    "8: approvers do not hear that something waits": SlackReport(
        "F5",
        "common-fate/glide 641, hermes-agent 12872, discord/access 258",
        {
            REACH: (
                "test_every_eligible_approver_is_notified_before_it_expires",
                "test_the_reminder_is_shown_in_the_channel_with_the_mention",
            )
        },
    ),
    "9: too_many_websockets ends in a reconnect storm": SlackReport(
        "F6",
        "node-slack-sdk 1654, bolt-js 2225, python-slack-sdk 1940",
        {
            LINE: (
                "test_a_storm_of_disconnects_is_met_with_longer_and_longer_pauses",
                "test_a_retry_after_is_waited_for",
            )
        },
    ),
    "29: the app cannot be talked to in its direct messages": SlackReport(
        "F9",
        "sentry 20203, openab 396, python-slack-sdk 830",
        {
            MESSAGES: (
                "test_direct_messages_take_the_same_words",
                "test_a_mention_asks_as_the_command_does",
                "test_other_words_get_one_hint",
            )
        },
    ),
    "31: suggestions by spelling miss the words of the trade": SlackReport(
        "F7",
        "cyclopts 815, callstack/agent-device 1166",
        {
            WORDS: (
                "test_a_word_of_the_trade_is_its_command",
                "test_what_a_word_may_mean_is_offered_and_not_run",
                "test_no_synonym_leads_to_another_risk",
            ),
            CORRECTIONS: ("test_words_around_a_command_are_answered_with_it",),
        },
    ),
    "31b: screen readers and lock screens get the text alone": SlackReport(
        "F5b",
        "superset-sh/superset 7589, node-slack-sdk 1479, playwright-slack-report 59",
        {
            FALLBACK: (
                "test_every_word_of_a_message_is_in_its_text",
                "test_a_text_has_no_symbols_and_no_sentences_run_together",
                "test_no_message_is_given_a_text_of_its_own",
            )
        },
    ),
}
"""Every row of the log that failed."""


@pytest.mark.parametrize("row", FAILED)
def test_a_row_that_failed_is_held_by_tests_that_run(row: str) -> None:
    """Each test that is named is there, and nothing skips it or expects it to fail."""
    for module, names in FAILED[row].held_by.items():
        loaded = importlib.import_module(module)
        assert not is_left_out(getattr(loaded, "pytestmark", [])), module
        for name in names:
            test = getattr(loaded, name, None)
            assert inspect.isfunction(test), f"{module} has no {name}"
            assert not is_left_out(getattr(test, "pytestmark", [])), name


def test_every_row_that_failed_is_in_the_table() -> None:
    """As the log numbers them."""
    assert [row.partition(":")[0] for row in FAILED] == ["1", "2", "4", "5", "6", "7", "8", "9", "29", "31", "31b"]


def is_left_out(marks: Any) -> bool:
    """Return whether marks keep a test from counting."""
    every = marks if isinstance(marks, list) else [marks]
    return any(mark.name in {"skip", "skipif", "xfail"} for mark in every)
