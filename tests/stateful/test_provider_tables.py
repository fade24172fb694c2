"""The tables of what providers do, row by row: each answer to a write, and each way of reading, alone."""

from typing import Final

import pytest

from tests.stateful.provider_strategies import DIALECTS, Case, Trouble
from tests.stateful.providers import outcomes
from vpsops.core.changes.model import State

pytestmark = pytest.mark.slow
WRITES: Final = ("create", "stop", "reboot")
# Answers after the effect: whatever the code, one sending, and an end that does not deny the effect.
AFTER_EFFECT: Final = (
    *(f"effect_then_{status}" for status in (202, 204, 303, 400, 404, 408, 409, 422, 425, 499, 500, 502, 503, 504)),
    *("answer_lost", "answer_reset", "answer_garbled", "task_id", "redirect_self", "redirect_loop", "redirect_303"),
)
# Refusals before the effect: nothing happens, and the change reports it.
REFUSALS: Final = ("quota_402", "quota_403", "out_of_stock")
READS: Final = (
    *("list_behind", "list_lags", "reads_behind", "five_fields", "ipv6_only", "ghost", "duplicates", "shuffled"),
    *("readdressed", "clock_ahead", "pages_next", "pages_pagination", "pages_link"),
    *("redirect_301_slash", "redirect_302_slash", "redirect_307_slash", "redirect_308_slash"),
    *("redirect_301_http", "redirect_307_http", "redirect_301_host", "redirect_307_host"),
    *("encoded_gzip", "encoded_members", "encoded_bom", "flapping", "uptime_jitter", "no_uptime"),
)
# Lists that hide servers, openly or not: nothing is claimed of those, and nothing false of any.
PARTIAL: Final = ("pages_has_more", "pages_total", "pages_silent")
MAY_SEND_AGAIN: Final = frozenset({"effect_then_429", "limited"})  # after a check


@pytest.mark.requirement("one-post")
@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("preset", AFTER_EFFECT)
async def test_a_write_leaves_once_whatever_is_answered_after_the_effect(preset: str, operation: str) -> None:
    """One request; it is found done, or needs a person, and is never called failed."""
    (outcome,) = await outcomes(Case("live", (Trouble(preset),), (operation,)))
    assert outcome.wrong == []
    assert outcome.change is not None, outcome.refused
    assert (outcome.sent, outcome.change.state in {State.SUCCEEDED, State.NEEDS_PERSON}) == (1, True), outcome


@pytest.mark.requirement("one-post")
@pytest.mark.parametrize("preset", REFUSALS)
async def test_a_refused_create_is_one_request_and_failed(preset: str) -> None:
    """The provider's words end it."""
    (outcome,) = await outcomes(Case("live", (Trouble(preset),), ("create",)))
    assert outcome.wrong == []
    assert outcome.change is not None
    assert (outcome.sent, outcome.change.state) == (1, State.FAILED), outcome.change.note


@pytest.mark.requirement("one-post")
@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("preset", sorted(MAY_SEND_AGAIN))
async def test_what_was_throttled_is_sent_again_only_after_a_look(preset: str, operation: str) -> None:
    """The documented exception: without an effect a second request may follow, with one none."""
    (outcome,) = await outcomes(Case("live", (Trouble(preset),), (operation,)))
    assert outcome.wrong == []
    assert outcome.change is not None
    assert outcome.sent <= (1 if preset == "effect_then_429" else 3), outcome


@pytest.mark.requirement("provider-variants")
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_dialect_does_what_is_asked(dialect: str) -> None:
    """All four changes, each sent once and seen to its end."""
    results = await outcomes(Case(dialect, (), ("create", "reboot", "start", "stop")))
    assert [outcome.wrong for outcome in results] == [[]] * 4
    assert [(outcome.sent, outcome.change and outcome.change.state) for outcome in results] == [
        (1, State.SUCCEEDED)
    ] * 4


@pytest.mark.requirement("provider-variants")
@pytest.mark.parametrize("preset", READS)
async def test_every_way_of_reading_ends_in_the_truth(preset: str) -> None:
    """However the provider shows its servers, all four changes succeed, or a person is asked."""
    results = await outcomes(Case("live", (Trouble(preset),), ("create", "reboot", "start", "stop")))
    assert {outcome.operation: outcome.wrong for outcome in results if outcome.wrong} == {}
    ends = {outcome.operation: outcome.change.state if outcome.change else outcome.refused for outcome in results}
    assert set(ends.values()) <= {State.SUCCEEDED, State.NEEDS_PERSON}, ends
    assert all(outcome.sent == 1 for outcome in results)


@pytest.mark.requirement("provider-variants")
@pytest.mark.parametrize("preset", PARTIAL)
async def test_a_list_that_hides_servers_leads_to_no_false_claim(preset: str) -> None:
    """What cannot be seen is refused with that reason, or needs a person."""
    results = await outcomes(Case("live", (Trouble(preset),), ("create", "reboot", "start", "stop")))
    assert {outcome.operation: outcome.wrong for outcome in results if outcome.wrong} == {}
    assert all(outcome.sent <= 1 for outcome in results)
