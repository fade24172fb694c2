"""Any order of what people do to a change that needs votes, with a review afterwards, against a model of four facts."""

from dataclasses import replace
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.harness.profiles import examples
from tests.unit.core.storage.samples import CHANGE, NOW
from vpsops.core.break_glass.model import ReviewState, check_review_step
from vpsops.core.break_glass.rights import check_overrider, check_reviewer, is_overridable
from vpsops.core.changes.model import Change, ChangeOverride, IllegalStepError, State
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.policy.decision import Decision, Ruling

ASKER: Final = Actor(ActorKind.PERSON, "U1", "alice", "U1", groups=("S0ONCALL", "S0OPS"), account="U1")
OTHERS: Final = (
    Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=("S0OPS",), account="U2"),
    Actor(ActorKind.PERSON, "U3", "carol", "U3", groups=("S0ONCALL",), account="U3"),
    Actor(ActorKind.AGENT, "mcp:a", "assistant", "slack:U2", groups=("S0OPS", "S0ONCALL"), account="U2"),
)
RULING: Final = Ruling(
    Decision.APPROVE,
    ("two-eyes",),
    1,
    Approvers(groups=("S0OPS",)),
    overrides=(Approvers(groups=("S0ONCALL",)),),
)
EVERYONE: Final = st.sampled_from((ASKER, *OTHERS))


class ReviewsMachine(RuleBasedStateMachine):
    """A change, the state of its review, and who did what."""

    def __init__(self) -> None:
        super().__init__()
        self.change: Change = replace(CHANGE, actor=ASKER, ruling=RULING)
        self.review: ReviewState | None = None
        self.ran_by = ""
        self.closed_by = ""

    @rule(actor=EVERYONE)
    def override(self, actor: Actor) -> None:
        """The asker alone gets through, and only while the change waits."""
        waits = self.change.state is State.HELD
        try:
            check_overrider(self.change, actor)
        except NotAllowedError:
            assert not (waits and actor is ASKER)
            return
        assert waits
        override = ChangeOverride(actor, "no approver answers the phone", ("S0ONCALL",), NOW)
        self.change = replace(self.change, state=State.APPROVED, override=override)
        self.review, self.ran_by = ReviewState.OPEN, actor.id

    @rule()
    def deny(self) -> None:
        """A denial ends a change that waits, and nothing runs after it."""
        if self.change.state is State.HELD:
            self.change = replace(self.change, state=State.DENIED)

    @rule(actor=EVERYONE)
    def close(self, actor: Actor) -> None:
        """Another person who may approve it closes the review, once."""
        try:
            check_reviewer(self.change, actor)
            assert self.review is not None
            check_review_step(self.review, ReviewState.CLOSED)
        except (NotAllowedError, IllegalStepError):
            return
        self.review, self.closed_by = ReviewState.CLOSED, actor.id

    @invariant()
    def a_run_without_votes_is_the_askers_and_has_a_review(self) -> None:
        """Neither comes without the other, and a denied change never ran."""
        assert self.ran_by in {"", ASKER.id}
        assert (self.change.override is None) is (self.review is None)
        assert self.change.state is not State.DENIED or self.change.override is None

    @invariant()
    def a_review_is_closed_by_another_approver(self) -> None:
        """Bob is the one there is."""
        assert self.closed_by in {"", "U2"}
        assert (self.review is ReviewState.CLOSED) is bool(self.closed_by)

    @invariant()
    def only_what_waits_can_be_overridden(self) -> None:
        """The card offers it in no other state."""
        assert is_overridable(self.change) is (self.change.state is State.HELD)


TestReviews = ReviewsMachine.TestCase
TestReviews.settings = settings(max_examples=examples(60), stateful_step_count=12, deadline=None)
