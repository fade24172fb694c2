"""What a running plan does next, and how far it is in words; both from the tally of its members alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vpsops.core.changes.model import Change, State
from vpsops.core.common.text import bound, one_line
from vpsops.core.operations.traits import word_of
from vpsops.core.plans.model import (
    BAD,
    MemberState,
    PlanMember,
    PlanOptions,
    begins_no_more,
    is_stopping,
    options_of,
    stop_words,
)
from vpsops.core.plans.running.member_wait import wait_of
from vpsops.core.plans.tally import NAMED, MemberTally, PlanTally
from vpsops.core.schedule.model import closed_window

LONGEST_NOTE: Final = 1500
MEMBER_NOTE: Final = 120


@dataclass(frozen=True, slots=True)
class BeginMember:
    """A member may begin."""

    member: PlanMember


@dataclass(frozen=True, slots=True)
class AwaitMembers:
    """Nothing begins now; after `seconds` it may, None where a member has to move first."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class EndPlan:
    """Every member has its part behind it, or does not begin any more."""

    state: State


PlanStep = BeginMember | AwaitMembers | EndPlan


def next_step(tally: PlanTally, options: PlanOptions, now: datetime, *, stopping: bool) -> PlanStep:
    """Return what a plan does next: members begin in their order, `at_once` at a time, until enough of them failed.

    Where a step of a runbook failed, its compensations are next.
    """
    running, following = tally.running, tally.next
    if following is None or is_over(tally, options, stopping=stopping):
        return AwaitMembers() if running else EndPlan(end_state(tally))
    if len(running) >= options.at_once:
        return AwaitMembers()
    pause = _pause_left(tally, options, now)
    return AwaitMembers(pause) if pause > 0 else BeginMember(following)


def is_over(tally: PlanTally, options: PlanOptions, *, stopping: bool) -> bool:
    """Return whether no other member begins: the plan was stopped, or too many failed."""
    return stopping or tally.in_question.count(*BAD) >= options.stop_after


def _pause_left(tally: PlanTally, options: PlanOptions, now: datetime) -> float:
    """Return the seconds left of the pause after the member that ended last, by the date.

    None are left by a date that was set back behind that end: it would be another pause for as long as it was set
    back. The process that runs the plan counts the pause by its steady clock as well.
    """
    if tally.last_end is None:
        return 0.0
    passed = (now - tally.last_end).total_seconds()
    return options.pause - passed if passed >= 0 else 0.0


def end_state(tally: PlanTally) -> State:
    """Return how a plan ended: well where something was done, and nothing failed or was left."""
    done, skipped = tally.steps.count(MemberState.DONE), tally.steps.count(MemberState.SKIPPED)
    return State.SUCCEEDED if done and done + skipped == tally.steps.total else State.FAILED


def plan_words(plan: Change, tally: PlanTally, now: datetime, why: str = "") -> str:
    """Return how far a plan is, with what its next member waits for, who stopped it, or its closed window."""
    why = why or _closed_words(plan, tally, now)
    over = is_over(tally, options_of(plan), stopping=begins_no_more(plan, now))
    wait = None if over or plan.state.final else wait_of(tally, now)
    return progress_words(tally, stopped_by=stop_words(plan), why=why, waits=wait.words if wait is not None else "")


def _closed_words(plan: Change, tally: PlanTally, now: datetime) -> str:
    """Return that the window of a plan has closed, where that alone keeps members from beginning, or ""."""
    left = tally.in_question.count(MemberState.WAITING, MemberState.NOT_RUN)
    closed = closed_window(plan.schedule, now)
    if not closed or not left or is_over(tally, options_of(plan), stopping=is_stopping(plan)):
        return ""
    return f"{closed[0].upper()}{closed[1:]}."


def progress_words(tally: PlanTally, *, stopped_by: str = "", why: str = "", waits: str = "") -> str:
    """Return how far a plan is: `3 of 12 done; web04 is in progress; 1 failed (web02: no answer); 7 not started`."""
    text = _tally_words(tally.steps)
    if tally.due.total:
        text = f"{text} Compensation: {_tally_words(tally.due)}"
    elif any(member.part is not None for member in tally.steps.of(MemberState.UNCLEAR)):
        text = f"{text} No compensation begins before it is clear what happened."
    stopped = f" Stopped by {stopped_by}." if stopped_by else ""
    waiting = f" {waits}." if waits else ""
    return bound(f"{text}{waiting}{stopped} {why}".strip(), LONGEST_NOTE)


def _tally_words(tally: MemberTally) -> str:
    running = tally.of(MemberState.RUNNING)
    parts = [f"{tally.count(MemberState.DONE)} of {tally.total} done"]
    if running:
        parts.append(f"{_names(running, len(running))} {'is' if len(running) == 1 else 'are'} in progress")
    for state, words in (
        (MemberState.FAILED, "failed"),
        (MemberState.UNCLEAR, "with an unknown outcome"),
        (MemberState.SKIPPED, "skipped"),
        (MemberState.NOT_RUN, "not started"),
    ):
        count = tally.count(state)
        if count:
            parts.append(f"{count} {words} ({_names(tally.of(state), count)})")
    return f"{'; '.join(parts)}."


def _names(members: Sequence[PlanMember], count: int) -> str:
    named = [
        one_line(f"{_name(member)}: {member.note}" if member.note else _name(member), MEMBER_NOTE)
        for member in members[:NAMED]
    ]
    more = count - len(named)
    return f"{', '.join(named)} and {more} more" if more > 0 else ", ".join(named)


def _name(member: PlanMember) -> str:
    """Return the name of a member: its server, in a runbook with its operation as well."""
    server = member.target.hostname
    return server if member.part is None else f"{word_of(member.operation)} {server}"
