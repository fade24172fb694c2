"""How operations are called on cards and buttons, and what each state of a change is called; pure."""

from dataclasses import dataclass
from typing import Final

from vpsops.core.changes.model import Change, State
from vpsops.core.common.text import one_line
from vpsops.core.policy.decision import Decision

BUTTON: Final = 75


def verb(operation: str) -> str:
    """Return what a button says it does: "Reboot"."""
    return operation.replace("_", " ").capitalize()


def act(operation: str, hostname: str, limit: int = BUTTON) -> str:
    """Return the act with its server, cut to fit: "Reboot web01.example.com"."""
    word = verb(operation)
    return f"{word} {one_line(hostname, max(1, limit - len(word) - 1))}"


@dataclass(frozen=True, slots=True)
class Phase:
    """How a state is shown: a mark, a few words, and a sentence."""

    mark: str
    words: str
    sentence: str


PHASES: Final = {
    State.REQUESTED: Phase("◌", "asked for", "It is being looked at."),
    State.HELD: Phase("◔", "waiting", "Nothing happens until the answer is in."),
    State.APPROVED: Phase("◑", "agreed", "It is about to be sent to the provider."),
    State.SENDING: Phase("◑", "being sent", "It is being sent to the provider."),
    State.WATCHING: Phase("◕", "under way", "The provider took it on; the server is being watched."),
    State.UNKNOWN: Phase(
        "?", "no clear answer", "The provider gave no clear answer. It is being looked up, and is not sent again."
    ),
    State.NEEDS_PERSON: Phase(
        "!", "a person has to look", "It could not be told whether it happened. Look at the server, then say which."
    ),
    State.SUCCEEDED: Phase("✓", "done", ""),
    State.FAILED: Phase("✗", "failed", ""),
    State.DENIED: Phase("✗", "denied", "It was not run."),
    State.EXPIRED: Phase("-", "expired", "Nobody answered in time. It was not run."),
    State.CANCELLED: Phase("-", "cancelled", "It was withdrawn and not run."),
    State.SUPERSEDED: Phase(
        "-",
        "out of date",
        "The server or the rules changed since it was asked for, so it was not run. Ask again.",
    ),
}

OVERDUE: Final = Phase("◕", "taking longer than usual", "It was sent and is still going. It goes on being watched.")
UNSEEN: Final = Phase("✓", "accepted, not seen", "")
REFUSED: Final = Phase(
    "?", "refused, being verified", "The provider refused it. Looks verify that nothing happened; it takes seconds."
)
CONFIRM: Final = Phase("◔", "waiting for your word", "Nothing happens until you confirm.")
APPROVE: Final = Phase("◔", "waiting for approval", "Nothing happens until others have approved.")


def phase(change: Change) -> Phase:
    """Return how the change's present state is shown."""
    if change.state is State.HELD:
        return APPROVE if change.ruling.decision is Decision.APPROVE else CONFIRM
    if change.state is State.WATCHING and change.overdue:
        return OVERDUE
    if change.state is State.SUCCEEDED and change.unseen:
        return UNSEEN
    if change.state is State.UNKNOWN and change.refusal is not None:
        return REFUSED
    return PHASES[change.state]


def headline(change: Change, limit: int = 150) -> str:
    """Return one line that says what and where it stands, as plain text."""
    shown = phase(change)
    room = limit - len(shown.mark) - len(shown.words) - 3
    return f"{shown.mark} {act(change.operation, change.target.hostname, room)}: {shown.words}"
