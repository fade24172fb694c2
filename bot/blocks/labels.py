"""Labels of operations and of change states, for cards and buttons."""

from dataclasses import dataclass
from typing import Final

from vpsops.core.changes.model import Change, State
from vpsops.core.common.text import one_line
from vpsops.core.policy.decision import Decision

MAX_BUTTON_TEXT: Final = 75


def action_verb(operation: str) -> str:
    """Return an operation's name as a button label: "Reboot"."""
    return operation.replace("_", " ").capitalize()


def action_label(operation: str, hostname: str, limit: int = MAX_BUTTON_TEXT) -> str:
    """Return the operation and its server, truncated to `limit`: "Reboot web01.example.com"."""
    word = action_verb(operation)
    return f"{word} {one_line(hostname, max(1, limit - len(word) - 1))}"


@dataclass(frozen=True, slots=True)
class StateLabel:
    """A state's symbol, short label and explanation."""

    mark: str
    words: str
    sentence: str


STATE_LABELS: Final = {
    State.REQUESTED: StateLabel("◌", "asked for", "It is being looked at."),
    State.HELD: StateLabel("◔", "waiting", "Nothing happens until the answer is in."),
    State.APPROVED: StateLabel("◑", "agreed", "It is about to be sent to the provider."),
    State.SENDING: StateLabel("◑", "being sent", "It is being sent to the provider."),
    State.WATCHING: StateLabel("◕", "under way", "The provider took it on; the server is being watched."),
    State.UNKNOWN: StateLabel(
        "?", "no clear answer", "The provider gave no clear answer. It is being looked up, and is not sent again."
    ),
    State.NEEDS_PERSON: StateLabel(
        "!", "a person has to look", "It could not be told whether it happened. Look at the server, then say which."
    ),
    State.SUCCEEDED: StateLabel("✓", "done", ""),
    State.FAILED: StateLabel("✗", "failed", ""),
    State.DENIED: StateLabel("✗", "denied", "It was not run."),
    State.EXPIRED: StateLabel("-", "expired", "Nobody answered in time. It was not run."),
    State.CANCELLED: StateLabel("-", "cancelled", "It was withdrawn and not run."),
    State.SUPERSEDED: StateLabel(
        "-",
        "out of date",
        "The server or the rules changed since it was asked for, so it was not run. Ask again.",
    ),
}

OVERDUE: Final = StateLabel(
    "◕", "taking longer than usual", "It was sent and is still going. It goes on being watched."
)
UNSEEN: Final = StateLabel("✓", "accepted, not seen", "")
DEFERRED: Final = StateLabel("◑", "agreed, waits for the provider", "")
REFUSED: Final = StateLabel(
    "?", "refused, being verified", "The provider refused it. Looks verify that nothing happened; it takes seconds."
)
CONFIRM: Final = StateLabel("◔", "waiting for your word", "Nothing happens until you confirm.")
APPROVE: Final = StateLabel("◔", "waiting for approval", "Nothing happens until others have approved.")


def state_label(change: Change) -> StateLabel:
    """Return the label of the change's current state."""
    if change.state is State.HELD:
        return APPROVE if change.ruling.decision is Decision.APPROVE else CONFIRM
    if change.deferred:
        return DEFERRED
    if change.state is State.WATCHING and change.overdue:
        return OVERDUE
    if change.state is State.SUCCEEDED and change.unseen:
        return UNSEEN
    if change.state is State.UNKNOWN and change.refusal is not None:
        return REFUSED
    return STATE_LABELS[change.state]


def change_title(change: Change, limit: int = 150) -> str:
    """Return a one-line plain-text title: symbol, operation, server and state."""
    label = state_label(change)
    room = limit - len(label.mark) - len(label.words) - 3
    return f"{label.mark} {action_label(change.operation, change.target.hostname, room)}: {label.words}"
