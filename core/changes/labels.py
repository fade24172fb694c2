"""States of a change in words: one table of labels, explanations and next steps for all front ends.

Front ends only lay out what stands here: Slack adds a symbol, MCP names its tools in the next step, the terminal
writes the label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import Change, State
from vpsops.core.operations.target import is_plan
from vpsops.core.operations.traits import makes_server
from vpsops.core.policy.decision import Decision


class NextStep(StrEnum):
    """What the requester does next."""

    NONE = "none"
    CONFIRM = "confirm"
    WAIT_FOR_APPROVAL = "wait_for_approval"
    WAIT = "wait"
    CHECK_SERVER = "check_server"
    SETTLE = "settle"
    REVIEW_FAILURE = "review_failure"
    REQUEST_AGAIN = "request_again"
    REPORT = "report"


class Phase(StrEnum):
    """A state as people see it: some states of the model have several phases."""

    REQUESTED = "requested"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    APPROVED = "approved"
    DEFERRED = "deferred"
    SENDING = "sending"
    WATCHING = "watching"
    OVERDUE = "overdue"
    RUNNING_PLAN = "running_plan"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    DOUBTED = "doubted"
    NEEDS_PERSON = "needs_person"
    POSSIBLY_SENT = "possibly_sent"
    SUCCEEDED = "succeeded"
    UNSEEN = "unseen"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    MISSED = "missed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class PhaseLabel:
    """A phase in words.

    `label` is a few words, `status` follows the name of a change ("Reboot of web01 is being sent"), `explanation` is
    a sentence and may be empty.
    """

    label: str
    status: str
    explanation: str
    next_step: NextStep


PHASE_LABELS: Final[Mapping[Phase, PhaseLabel]] = {
    Phase.REQUESTED: PhaseLabel("requested", "is being recorded", "It is being checked.", NextStep.WAIT),
    Phase.AWAITING_CONFIRMATION: PhaseLabel(
        "waiting for confirmation", "waits for confirmation", "Nothing happens until it is confirmed.", NextStep.CONFIRM
    ),
    Phase.AWAITING_APPROVAL: PhaseLabel(
        "waiting for approval",
        "waits for approval",
        "Nothing happens until it is approved.",
        NextStep.WAIT_FOR_APPROVAL,
    ),
    Phase.SCHEDULED: PhaseLabel(
        "scheduled",
        "was agreed to and waits for its time",
        "It runs at its time, unless the rules or the server are different then.",
        NextStep.WAIT,
    ),
    Phase.APPROVED: PhaseLabel(
        "approved", "was agreed to and is about to run", "It is about to be sent to the provider.", NextStep.WAIT
    ),
    Phase.DEFERRED: PhaseLabel(
        "approved, waiting for the provider", "was agreed to and waits, as the provider asks", "", NextStep.WAIT
    ),
    Phase.SENDING: PhaseLabel("sending", "is being sent", "It is being sent to the provider.", NextStep.WAIT),
    Phase.WATCHING: PhaseLabel(
        "in progress",
        "was sent and is still going",
        "Accepted by the provider. Waiting for the server to finish.",
        NextStep.WAIT,
    ),
    Phase.OVERDUE: PhaseLabel(
        "taking longer than usual",
        "is still going, longer than usual",
        "It was sent and is still in progress. vpsops keeps checking.",
        NextStep.WAIT,
    ),
    Phase.RUNNING_PLAN: PhaseLabel(
        "running",
        "was agreed to and is running, server by server",
        "Its servers are done in their order, each as a change of its own.",
        NextStep.WAIT,
    ),
    Phase.UNKNOWN: PhaseLabel(
        "checking the outcome",
        "was sent, and no clear answer came; the outcome is being checked",
        "The provider gave no clear answer. The outcome is being checked; it is not sent again.",
        NextStep.CHECK_SERVER,
    ),
    Phase.REFUSED: PhaseLabel(
        "refused, being verified",
        "was refused by the provider; vpsops is verifying that nothing happened",
        "The provider refused it. vpsops is verifying that nothing happened; this takes seconds.",
        NextStep.CHECK_SERVER,
    ),
    Phase.DOUBTED: PhaseLabel(
        "refused, being verified",
        "was refused by the provider, perhaps after it was done; vpsops keeps checking for some minutes",
        "The provider refused it, perhaps after it was done.",
        NextStep.CHECK_SERVER,
    ),
    Phase.NEEDS_PERSON: PhaseLabel(
        "outcome unknown",
        "was sent, and its outcome is unknown; a person has to check the server",
        "It is unknown whether it happened. Check the server, then choose the outcome.",
        NextStep.SETTLE,
    ),
    Phase.POSSIBLY_SENT: PhaseLabel(
        "outcome unknown",
        "may have been sent before the database went back; a person has to check the server",
        "It is unknown whether it happened. Check the server, then choose the outcome.",
        NextStep.SETTLE,
    ),
    Phase.SUCCEEDED: PhaseLabel("done", "succeeded", "", NextStep.NONE),
    Phase.UNSEEN: PhaseLabel(
        "accepted, not verified",
        "was sent and accepted; the API does not show whether it was done",
        "",
        NextStep.REPORT,
    ),
    Phase.FAILED: PhaseLabel("failed", "failed", "", NextStep.REVIEW_FAILURE),
    Phase.DENIED: PhaseLabel("denied", "was denied; nothing was done", "It was not run.", NextStep.REPORT),
    Phase.EXPIRED: PhaseLabel(
        "expired",
        "was not agreed to in time; nothing was done",
        "It was not confirmed or approved in time, so it was not run.",
        NextStep.REQUEST_AGAIN,
    ),
    Phase.MISSED: PhaseLabel(
        "expired (its time passed)",
        "was not sent in its time; nothing was done",
        "Its time passed before it could be sent, so it was not run.",
        NextStep.REQUEST_AGAIN,
    ),
    Phase.CANCELLED: PhaseLabel(
        "cancelled", "was cancelled; nothing was done", "It was cancelled before it was sent.", NextStep.REQUEST_AGAIN
    ),
    Phase.SUPERSEDED: PhaseLabel(
        "cancelled (outdated)",
        "was superseded: the server or the rules changed since it was asked for; nothing was done",
        "The server or the policy changed after the request, so it was not run. Request it again.",
        NextStep.REQUEST_AGAIN,
    ),
}


def phase_of(change: Change) -> Phase:
    """Return the phase of a change: its state, refined by its decision and by what is known of the outcome."""
    if change.state is State.HELD:
        approval = change.ruling.decision is Decision.APPROVE
        return Phase.AWAITING_APPROVAL if approval else Phase.AWAITING_CONFIRMATION
    if change.deferred:
        return Phase.DEFERRED
    if change.missed:
        return Phase.MISSED
    if change.state is State.WATCHING and (change.overdue or is_plan(change.operation)):
        return Phase.RUNNING_PLAN if is_plan(change.operation) else Phase.OVERDUE
    if change.state is State.SUCCEEDED and change.unseen:
        return Phase.UNSEEN
    if change.state is State.UNKNOWN and change.refusal is not None:
        return Phase.DOUBTED if _is_doubted_for_long(change) else Phase.REFUSED
    if change.state is State.NEEDS_PERSON and change.sent_at is None:
        return Phase.POSSIBLY_SENT
    return Phase(change.state.value)


def _is_doubted_for_long(change: Change) -> bool:
    """Return whether a server may have been made before the refusal: checks continue for as long as that takes."""
    return makes_server(change.operation) and change.refusal is not None and change.refusal.doubtful


def phase_label(change: Change) -> PhaseLabel:
    """Return the words for the phase of a change."""
    return PHASE_LABELS[phase_of(change)]
