"""Texts about a write that the provider refused, while checks verify it and where it is not sent again."""

from tests.unit.core.sample import change
from vpsops.bot.blocks.labels import state_label
from vpsops.core.changes.model import REFUSAL, Refusal, State
from vpsops.core.execution.notes import before, not_sent
from vpsops.mcp_server.presenters.changes import status_text

STORED = {REFUSAL: Refusal("WAYSCloud would not stop the server: slow down (429).", again=True).stored}


def test_a_refusal_that_is_verified_is_no_missing_answer() -> None:
    """In Slack and for models: the provider refused, and the refusal is being verified."""
    refused = change("stop", State.UNKNOWN, result=STORED)
    unclear = change("stop", State.UNKNOWN)
    assert (state_label(refused).words, state_label(unclear).words) == (
        "refused, being verified",
        "checking the outcome",
    )
    assert "refused by the provider" in status_text(refused)
    assert "no clear answer" in status_text(unclear)


def test_no_text_denies_a_send_that_was() -> None:
    """`Nothing was sent` stands where nothing was; elsewhere, what the first send came to."""
    unsent, sent = change("stop", State.APPROVED), change("stop", State.APPROVED, sends=1, result=STORED)
    assert not_sent(unsent, ": why.") == "Nothing was sent: why."
    text = not_sent(sent, ": why.")
    assert text.startswith("WAYSCloud would not stop the server: slow down (429). Checks found no trace of it.")
    assert text.endswith("It was not sent again: why.")
    assert not_sent(before(sent), ".") == "Nothing was sent."


def test_a_stored_refusal_is_read_as_it_was_written() -> None:
    """A stored result that is no refusal permits nothing."""
    assert change(result=STORED).refusal == Refusal("WAYSCloud would not stop the server: slow down (429).", again=True)
    for odd in ({}, {REFUSAL: "no"}, {REFUSAL: None}):
        assert change(result=odd).refusal is None
    assert change(result={REFUSAL: {"again": "yes"}}).refusal == Refusal("", again=False)
