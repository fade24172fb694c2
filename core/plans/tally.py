"""How far the members of a plan are: how many in each state, and the few that are next or named.

What a plan does next and what is said of it come from a tally alone, so that neither needs a thousand members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from vpsops.core.plans.model import BAD, MemberState, PlanMember

NAMED: Final = 5
"""Members of each state that a tally has and a note names; of the others there is a number."""


@dataclass(frozen=True, slots=True)
class MemberTally:
    """Members of one kind: `counts` of all states, and in their order `known`.

    Known are all that run, the next that waits, and the first `NAMED` of every state that is named with its servers.
    `last_end` is when the latest of those ended that had begun.
    """

    counts: Mapping[MemberState, int] = field(default_factory=dict)
    known: Sequence[PlanMember] = ()
    last_end: datetime | None = None

    @property
    def total(self) -> int:
        """The number of members."""
        return sum(self.counts.values())

    def count(self, *states: MemberState) -> int:
        """Return how many members are in one of some states."""
        return sum(self.counts.get(state, 0) for state in states)

    def of(self, state: MemberState) -> list[PlanMember]:
        """Return the known members in a state."""
        return [member for member in self.known if member.state is state]


@dataclass(frozen=True, slots=True)
class PlanTally:
    """A plan's steps, and the compensations that are due after the failure of one."""

    steps: MemberTally
    due: MemberTally = field(default_factory=MemberTally)

    @property
    def in_question(self) -> MemberTally:
        """The members that begin or may begin: all steps, or after the failure of one its compensations."""
        return self.due if self.due.total else self.steps

    @property
    def running(self) -> list[PlanMember]:
        """The members that run."""
        return [*self.steps.of(MemberState.RUNNING), *self.due.of(MemberState.RUNNING)]

    @property
    def next(self) -> PlanMember | None:
        """The member that begins next, where one does."""
        return next(iter(self.in_question.of(MemberState.WAITING)), None)

    @property
    def last_end(self) -> datetime | None:
        """When the latest member ended, of those that had begun."""
        return max(filter(None, (self.steps.last_end, self.due.last_end)), default=None)

    @property
    def counts(self) -> dict[MemberState, int]:
        """How many members are in each state that there is; compensations that are not due are in none."""
        return {state: count for state in MemberState if (count := self.steps.count(state) + self.due.count(state)) > 0}


def tally_of(members: Sequence[PlanMember]) -> PlanTally:
    """Return the tally of all members of a plan, in their order."""
    steps = [member for member in members if not member.compensates]
    return PlanTally(_tally(steps), _tally(compensations_due(members)))


def _tally(members: Sequence[PlanMember]) -> MemberTally:
    ended = [member.moved_at for member in members if member.change_id and member.state.is_final and member.moved_at]
    states = [member.state for member in members]
    counts = {state: states.count(state) for state in MemberState if state in states}
    return MemberTally(counts, members, max(ended, default=None))


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
