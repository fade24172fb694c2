"""When the card of a running plan is drawn again: a plan of a thousand members is not drawn a thousand times."""

from dataclasses import dataclass
from typing import Final

from vpsops.core.plans.model import BAD, MemberState
from vpsops.core.plans.names import SHOWN
from vpsops.core.plans.tally import NAMED, PlanTally

STEPS: Final = 50
"""Times that the card of a large plan is drawn for members that ended."""


@dataclass(frozen=True, slots=True)
class CardStep:
    """How far a plan was when its card was last to be drawn; another one is a reason to draw it again.

    `words` are those of a small plan, of which the card follows each step.
    """

    ended: int
    bad: int
    skipped: int
    waits: bool
    words: str = ""


def card_step(tally: PlanTally, words: str, before: CardStep | None, *, waits: bool) -> CardStep:
    """Return the step that a plan's card is at, by the last one; `waits` is whether its next member has to wait.

    A large plan is drawn as a fiftieth more of it ended, for each of the first that failed or were skipped, and once
    between for one that waits. What is between is on the card with the next refresh.
    """
    total, counts = sum(tally.counts.values()), tally.counts
    if total <= SHOWN:
        return CardStep(0, 0, 0, waits=waits, words=words)
    ended = sum(count for state, count in counts.items() if state.is_final) // -(-total // STEPS)
    bad = sum(counts.get(state, 0) for state in BAD)
    waited = before is not None and before.ended == ended and before.waits
    return CardStep(ended, min(bad, NAMED), min(counts.get(MemberState.SKIPPED, 0), NAMED), waits=waits or waited)
