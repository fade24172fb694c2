"""What a running plan does next, and how far it is in words; both from its members alone."""

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
    is_stopping,
    options_of,
    stop_words,
)
from vpsops.core.schedule.model import closed_window

NAMED: Final = 5
"""Members that a note names of each kind; the rest are a number."""
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


def next_step(members: Sequence[PlanMember], options: PlanOptions, now: datetime, *, stopping: bool) -> PlanStep:
    """Return what a plan does next: members begin in their order, `at_once` at a time, until enough of them failed.

    Where a step of a runbook failed, its compensations are next.
    """
    running = [member for member in members if member.state is MemberState.RUNNING]
    waiting = [member for member in in_question(members) if member.state is MemberState.WAITING]
    if not waiting or is_over(members, options, stopping=stopping):
        return AwaitMembers() if running else EndPlan(end_state(members))
    if len(running) >= options.at_once:
        return AwaitMembers()
    pause = _pause_left(members, options, now)
    return AwaitMembers(pause) if pause > 0 else BeginMember(waiting[0])


def is_over(members: Sequence[PlanMember], options: PlanOptions, *, stopping: bool) -> bool:
    """Return whether no other member begins: the plan was stopped, or too many failed."""
    return stopping or sum(member.state in BAD for member in in_question(members)) >= options.stop_after


def in_question(members: Sequence[PlanMember]) -> list[PlanMember]:
    """Return the members that begin or may begin: all steps, or after the failure of one its compensations."""
    compensations = compensations_due(members)
    return compensations or [member for member in members if not member.compensates]


def compensations_due(members: Sequence[PlanMember]) -> list[PlanMember]:
    """Return the members that compensate the step that failed; none where its outcome is unknown."""
    bad = next((member for member in members if member.state in BAD and not member.compensates), None)
    if bad is None or bad.part is None or bad.state is not MemberState.FAILED:
        return []
    failed, server = bad.part.number, bad.target.id
    return [
        member
        for member in members
        if member.part is not None
        and member.part.compensates
        and member.part.number == failed
        and member.part.only in {"", server}
    ]


def _pause_left(members: Sequence[PlanMember], options: PlanOptions, now: datetime) -> float:
    """Return the seconds left of the pause after the member that ended last, by the date.

    None are left by a date that was set back behind that end: it would be another pause for as long as it was set
    back. The process that runs the plan counts the pause by its steady clock as well.
    """
    ended = [member.moved_at for member in members if member.change_id and member.state.is_final and member.moved_at]
    if not ended:
        return 0.0
    passed = (now - max(ended)).total_seconds()
    return options.pause - passed if passed >= 0 else 0.0


def end_state(members: Sequence[PlanMember]) -> State:
    """Return how a plan ended: well where something was done, and nothing failed or was left."""
    states = {member.state for member in members if not member.compensates}
    well = MemberState.DONE in states and states <= {MemberState.DONE, MemberState.SKIPPED}
    return State.SUCCEEDED if well else State.FAILED


def plan_words(plan: Change, members: Sequence[PlanMember], now: datetime, why: str = "") -> str:
    """Return how far a plan is, with who stopped it, or its closed window where that keeps members from beginning."""
    why = why or _closed_words(plan, members, now)
    return progress_words(members, stopped_by=stop_words(plan), why=why)


def _closed_words(plan: Change, members: Sequence[PlanMember], now: datetime) -> str:
    """Return that the window of a plan has closed, where that alone keeps members from beginning, or ""."""
    left = any(member.state in {MemberState.WAITING, MemberState.NOT_RUN} for member in in_question(members))
    closed = closed_window(plan.schedule, now)
    if not closed or not left or is_over(members, options_of(plan), stopping=is_stopping(plan)):
        return ""
    return f"{closed[0].upper()}{closed[1:]}."


def progress_words(members: Sequence[PlanMember], *, stopped_by: str = "", why: str = "") -> str:
    """Return how far a plan is: `3 of 12 done; web04 is in progress; 1 failed (web02: no answer); 7 not started`."""
    steps = [member for member in members if not member.compensates]
    text = _group_words(steps)
    due = compensations_due(members)
    if due:
        text = f"{text} Compensation: {_group_words(due)}"
    elif any(member.part is not None and member.state is MemberState.UNCLEAR for member in steps):
        text = f"{text} No compensation begins before it is clear what happened."
    stopped = f" Stopped by {stopped_by}." if stopped_by else ""
    return bound(f"{text}{stopped} {why}".strip(), LONGEST_NOTE)


def _group_words(members: Sequence[PlanMember]) -> str:
    done = sum(member.state is MemberState.DONE for member in members)
    running = [member for member in members if member.state is MemberState.RUNNING]
    parts = [f"{done} of {len(members)} done"]
    if running:
        parts.append(f"{_names(running)} {'is' if len(running) == 1 else 'are'} in progress")
    for state, words in (
        (MemberState.FAILED, "failed"),
        (MemberState.UNCLEAR, "with an unknown outcome"),
        (MemberState.SKIPPED, "skipped"),
        (MemberState.NOT_RUN, "not started"),
    ):
        chosen = [member for member in members if member.state is state]
        if chosen:
            parts.append(f"{len(chosen)} {words} ({_names(chosen)})")
    return f"{'; '.join(parts)}."


def _names(members: Sequence[PlanMember]) -> str:
    named = [
        one_line(f"{_name(member)}: {member.note}" if member.note else _name(member), MEMBER_NOTE)
        for member in members[:NAMED]
    ]
    more = len(members) - NAMED
    return f"{', '.join(named)} and {more} more" if more > 0 else ", ".join(named)


def _name(member: PlanMember) -> str:
    """Return the name of a member: its server, in a runbook with its operation as well."""
    server = member.target.hostname
    return server if member.part is None else f"{word_of(member.operation)} {server}"
