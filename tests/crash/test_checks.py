"""The checks of a crash run see what must not be: each fault is put into records that are good without it."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.crash.checks.cards import CardCheck
from tests.crash.checks.changes import CrashVerdict, start_fault
from tests.crash.checks.ends import EndRecord, judge_ends
from tests.crash.checks.plans import BusySpan
from tests.crash.plan import VOTERS
from tests.crash.results import CrashResult, CrashRun, Disturbances
from tests.crash.server_ends import OWNER, ServerEndItem
from tests.fakes.clock import START
from tests.unit.core.sample import change
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.ends import lifecycle
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.identity.actors import Origin
from vpsops.core.schedule.model import Schedule

ITEM: Final = ServerEndItem(0, "load.example.com", "approve")
ENDS_AT: Final = START + timedelta(minutes=15)
LATER: Final = ENDS_AT + timedelta(seconds=5)
CREATE: Final = change("create", State.SUCCEEDED, id="chg_create")
STOP: Final = change("stop", State.SUCCEEDED, id="chg_stop", created_at=LATER)
APPROVAL: Final = Vote(VOTERS[0], Verdict.APPROVE, "", "", LATER)
DELETION: Final = change("delete", State.SUCCEEDED, id="chg_delete", created_at=LATER, votes=(APPROVAL,))
GONE: Final = ServerEnd(
    "s1",
    1,
    EndState.GONE,
    ITEM.hostname,
    "",
    "chg_create",
    OWNER,
    Origin("slack"),
    START,
    START,
    ENDS_AT,
    None,
    stop_id="chg_stop",
    delete_id="chg_delete",
    note="The server is gone.",
)
EVENTS: Final = {(lifecycle.REMINDED, 1): 1, (lifecycle.STOPPING, 1): 1}
GOOD: Final = EndRecord(CREATE, GONE, [STOP], [DELETION], EVENTS, ["chg_delete"], notices=(1, 1))
DONE: Final = ("create", "stop", "delete")


def judged(record: EndRecord, done: tuple[str, ...] = DONE, item: ServerEndItem = ITEM) -> CrashVerdict:
    """Judge one server with an end by its record and what the provider did to it."""
    spans = [BusySpan(item.hostname, operation, LATER, LATER) for operation in done]
    return judge_ends([item], {item.key: record}, spans)


def test_a_server_that_was_stopped_and_deleted_as_approved_is_good() -> None:
    """Nothing is wrong with the records that the others spoil."""
    verdict = judged(GOOD)
    assert verdict.is_good, verdict
    assert verdict.states == {"made": 1, "reminded": 1, "stopped": 1, "deletions asked for": 1, "deleted": 1}


def ended(**values: Any) -> EndRecord:
    """Return the good record with another end."""
    return replace(GOOD, end=replace(GONE, **values))


def decided(*votes: Vote, state: State = State.SUCCEEDED) -> EndRecord:
    """Return the good record with other votes about the deletion."""
    return replace(GOOD, deletions=[replace(DELETION, votes=votes, state=state)])


@pytest.mark.parametrize(
    ("record", "done", "fault"),
    [
        (GOOD, (*DONE, "stop"), "was stopped 2 times"),
        (GOOD, (*DONE, "delete"), "succeeded, and the provider did it 2 times"),
        (GOOD, ("create", "delete"), "and was not stopped"),
        (replace(GOOD, stops=[replace(STOP, created_at=START)]), DONE, "before its end"),
        (replace(GOOD, stops=[STOP, replace(STOP, id="chg_other")]), DONE, "has 2 stops for 1 ends"),
        (replace(GOOD, events={**EVENTS, (lifecycle.STOPPING, 1): 2}), DONE, "began the stops"),
        (replace(GOOD, events={**EVENTS, (lifecycle.REMINDED, 1): 2}, notices=(2, 2)), DONE, "reminders"),
        (replace(GOOD, notices=(2, 1)), DONE, "of which (2, 1) are posted"),
        (replace(GOOD, notices=(1, 2)), DONE, "of which (1, 2) are posted"),
        (replace(ended(state=EndState.ASKED), notices=(0, 1)), DONE, "of which (0, 1) are posted"),
        (decided(), DONE, "deleted without an approval"),
        (decided(replace(APPROVAL, verdict=Verdict.DENY)), DONE, "deleted without an approval"),
        (decided(state=State.DENIED), DONE, "denied, and the provider did it"),
        (replace(GOOD, deletions=[DELETION, DELETION]), DONE, "asked for its deletion in 2 changes"),
        (replace(GOOD, asked=["chg_delete", "chg_delete"]), DONE, "and 2 records"),
        (replace(GOOD, deletions=[], asked=[]), DONE, "no one asked for that"),
        (ended(state=EndState.STOPPING), DONE, "not at rest"),
        (ended(note=""), DONE, "without a word"),
        (replace(GOOD, end=None), ("create",), "without its end"),
    ],
)
def test_each_fault_of_an_end_is_seen(record: EndRecord, done: tuple[str, ...], fault: str) -> None:
    """Stops, deletions, reminders and rest."""
    assert any(fault in sentence for sentence in judged(record, done).wrong), judged(record, done).wrong


def test_a_deletion_that_people_did_not_approve_is_seen() -> None:
    """Those who deny, or leave it, have no server deleted, whatever is stored."""
    assert judged(GOOD, item=replace(ITEM, fate="leave")).wrong


def test_a_run_that_asked_for_no_deletion_shows_nothing() -> None:
    """Servers that were all left to people do not count as a run with ends."""
    asked = replace(GOOD, end=replace(GONE, state=EndState.ASKED, delete_id=""), deletions=[], asked=[])
    assert judged(asked, ("create", "stop")).wrong == ["no server was stopped at its end, and asked for its deletion"]


@pytest.mark.parametrize(
    ("scheduled", "events", "is_right"),
    [
        (True, {"due": 1, "plan_started": 1}, True),
        (True, {}, True),
        (False, {"plan_started": 1}, True),
        (True, {"due": 2, "plan_started": 1}, False),
        (True, {"plan_started": 1}, False),
        (False, {"due": 1}, False),
    ],
)
def test_a_start_has_its_time_once(scheduled: bool, events: dict[str, int], is_right: bool) -> None:
    """A schedule starts its change once, nothing begins without it, and nothing else has one."""
    schedule = Schedule(START, LATER, "in 1m") if scheduled else None
    plan: Change = change("reboot_many", State.SUCCEEDED, sent_at=None, schedule=schedule)
    assert (not start_fault(plan, events)) is is_right


@pytest.mark.parametrize(
    ("begun", "beside_plans", "due_plans", "is_right"),
    [(400, 40, 1, True), (399, 40, 1, False), (400, 39, 1, False), (400, 40, 0, False)],
)
def test_a_run_has_to_show_what_it_promised(begun: int, beside_plans: int, due_plans: int, is_right: bool) -> None:
    """Fewer members than were asked for, or kills while nothing ran, are no good run."""
    run = CrashRun("sqlite:///x", 1, 0, 40, members=400)
    changes, plans, ends = CrashVerdict(), CrashVerdict(), CrashVerdict()
    disturbed = Disturbances(40, beside_plans, due_plans)
    result = CrashResult(run, changes, plans, ends, Counter(), begun, [], CardCheck(), [], disturbed)
    assert result.is_good is is_right, result.wrong
