"""What an inspection means: for a change that was accepted and for one without an answer, early, late and for ever."""

import pytest

from tests.fakes.clock import START
from tests.unit.core.sample import change, server
from vpsops.core.changes.model import REFUSAL, Refusal, State
from vpsops.core.common.json_types import Json
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.operations.strategies import Inspected, Inspection
from vpsops.core.outcomes.inspection import outcome_of_inspection
from vpsops.core.outcomes.outcome import FleetSnapshot, OutcomeKind

SNAPSHOT = FleetSnapshot([server()], complete=True, now=START)
EARLY, LATE, LAST = 1.0, DEFAULT_TIMING.power_limit + 1, DEFAULT_TIMING.give_up + 1
K = OutcomeKind


@pytest.mark.parametrize(
    ("finding", "early", "late", "last"),
    [
        (Inspected.DONE, K.SUCCEEDED, K.SUCCEEDED, K.SUCCEEDED),
        (Inspected.FAILED, K.FAILED, K.FAILED, K.FAILED),
        (Inspected.AMBIGUOUS, K.NEEDS_PERSON, K.NEEDS_PERSON, K.NEEDS_PERSON),
        (Inspected.UNDER_WAY, K.WAIT, K.OVERDUE, K.FAILED),
        (Inspected.NOT_DONE, K.WAIT, K.OVERDUE, K.FAILED),
        (Inspected.NOT_KNOWABLE, K.WAIT, K.SUCCEEDED, K.SUCCEEDED),
        (None, K.WAIT, K.OVERDUE, K.SUCCEEDED),
    ],
)
def test_what_was_accepted(finding: Inspected | None, early: K, late: K, last: K) -> None:
    """An accepted change succeeds when it is seen, or is called not verified; what cannot be read is no absence."""
    inspection = Inspection(finding) if finding is not None else None
    for seconds, end in ((EARLY, early), (LATE, late), (LAST, last)):
        sent = change("stop", State.WATCHING, seconds, overdue=seconds is LAST)
        outcome = outcome_of_inspection(sent, inspection, SNAPSHOT, DEFAULT_TIMING)
        assert outcome.finding is end
        assert outcome.unseen is (end is K.SUCCEEDED and finding in {None, Inspected.NOT_KNOWABLE})


REFUSED = {REFUSAL: Refusal("Busy.", again=True).stored}
DENIED = {REFUSAL: Refusal("No.", again=False).stored}
DOUBTED = {REFUSAL: Refusal("Gone.", again=False, doubtful=True).stored}


@pytest.mark.parametrize(
    ("finding", "result", "late"),
    [
        (Inspected.DONE, {}, K.SUCCEEDED),
        (Inspected.UNDER_WAY, {}, K.ADOPTED),
        (Inspected.FAILED, {}, K.FAILED),
        (Inspected.NOT_DONE, {}, K.FAILED),
        (Inspected.NOT_DONE, REFUSED, K.SEND_AGAIN),
        (Inspected.NOT_DONE, DENIED, K.FAILED),
        (Inspected.AMBIGUOUS, {}, K.NEEDS_PERSON),
        (Inspected.AMBIGUOUS, DENIED, K.NEEDS_PERSON),
        (Inspected.NOT_KNOWABLE, {}, K.NEEDS_PERSON),
        (Inspected.NOT_KNOWABLE, DENIED, K.FAILED),
        (Inspected.NOT_KNOWABLE, DOUBTED, K.NEEDS_PERSON),
        (None, {}, K.NEEDS_PERSON),
        (None, REFUSED, K.NEEDS_PERSON),
    ],
)
def test_what_had_no_clear_answer(finding: Inspected | None, result: dict[str, Json], late: K) -> None:
    """Only a clear trace ends the look-up early; silence counts after its time, and never as a success."""
    inspection = Inspection(finding) if finding is not None else None
    at_once = {Inspected.DONE, Inspected.UNDER_WAY, Inspected.FAILED}
    for seconds in (EARLY, LATE):
        sent = change("stop", State.UNKNOWN, seconds, result=result)
        outcome = outcome_of_inspection(sent, inspection, SNAPSHOT, DEFAULT_TIMING)
        assert outcome.finding is (late if seconds is LATE or finding in at_once else K.WAIT)


@pytest.mark.parametrize(("operation", "late"), [("snapshot_rollback", K.SUCCEEDED), ("backup_restore", K.WAIT)])
def test_a_server_that_was_rolled_back_can_be_started_soon(operation: str, late: K) -> None:
    """A snapshot lies beside the disk, so nothing is held for the hour that writing a backup back may take."""
    outcome = outcome_of_inspection(
        change(operation, State.WATCHING, LATE), Inspection(Inspected.NOT_KNOWABLE), SNAPSHOT, DEFAULT_TIMING
    )
    assert outcome.finding is late
