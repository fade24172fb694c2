"""The table of phases: each state of a change has a label, an explanation where it helps, and a next step."""

from dataclasses import replace

import pytest

from tests.unit.core.sample import change
from vpsops.core.changes.labels import PHASE_LABELS, NextStep, Phase, phase_label, phase_of
from vpsops.core.changes.model import REFUSAL, Refusal, State
from vpsops.core.policy.decision import Decision


def test_every_phase_has_words() -> None:
    """A label, and a status that no other phase has."""
    assert set(PHASE_LABELS) == set(Phase)
    assert all(words.label and words.status for words in PHASE_LABELS.values())
    assert len({words.status for words in PHASE_LABELS.values()}) == len(Phase)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_phase(state: State) -> None:
    """A final state needs no waiting, an open state always names a next step."""
    step = phase_label(change("reboot", state)).next_step
    assert step not in {NextStep.WAIT, NextStep.CONFIRM, NextStep.SETTLE} if state.final else step is not NextStep.NONE


def test_a_held_change_waits_for_whom_the_policy_names() -> None:
    """A held change waits for its own human, or for approvers."""
    held = change("reboot", State.HELD)
    confirm = replace(held, ruling=replace(held.ruling, decision=Decision.CONFIRM))
    approve = replace(held, ruling=replace(held.ruling, decision=Decision.APPROVE))
    assert [phase_of(confirm), phase_of(approve)] == [Phase.AWAITING_CONFIRMATION, Phase.AWAITING_APPROVAL]


def test_what_is_known_of_the_outcome_refines_the_phase() -> None:
    """Overdue, refused while that is verified, and accepted without a trace."""
    refusal = {REFUSAL: Refusal("no", again=False).stored}
    assert phase_of(replace(change("reboot", State.WATCHING), overdue=True)) is Phase.OVERDUE
    assert phase_of(change("stop", State.UNKNOWN, result=refusal)) is Phase.REFUSED
    assert phase_of(change("reboot", State.SUCCEEDED, result={"unseen": True})) is Phase.UNSEEN
