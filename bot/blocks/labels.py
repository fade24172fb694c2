"""Labels of operations and of change states, for cards and buttons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpsops.core.changes.labels import PHASE_LABELS, Phase, phase_of
from vpsops.core.changes.model import Change, State
from vpsops.core.common.text import one_line
from vpsops.core.identity.actors import ActorKind
from vpsops.core.operations.traits import action_of, title_of

MAX_BUTTON_TEXT: Final = 75


def action_verb(operation: str) -> str:
    """Return what an operation does as a button label, without its server: "Reboot", "Delete a backup"."""
    return action_of(operation)


def action_label(operation: str, hostname: str, limit: int = MAX_BUTTON_TEXT) -> str:
    """Return the operation and its server, truncated to `limit`: "Allow traffic to web01.example.com"."""
    return title_of(operation, one_line(hostname, max(1, limit - len(title_of(operation, "")))))


@dataclass(frozen=True, slots=True)
class StateLabel:
    """A state's symbol, short label and explanation."""

    mark: str
    words: str
    sentence: str


SYMBOLS: Final[Mapping[Phase, str]] = {
    Phase.REQUESTED: "⚪",
    Phase.AWAITING_CONFIRMATION: "🟡",
    Phase.AWAITING_APPROVAL: "🟡",
    Phase.SCHEDULED: "🔵",
    Phase.APPROVED: "🔵",
    Phase.DEFERRED: "🔵",
    Phase.SENDING: "🔵",
    Phase.WATCHING: "🔵",
    Phase.OVERDUE: "🟠",
    Phase.RUNNING_PLAN: "🔵",
    Phase.UNKNOWN: "🟠",
    Phase.REFUSED: "🟠",
    Phase.DOUBTED: "🟠",
    Phase.NEEDS_PERSON: "🟠",
    Phase.POSSIBLY_SENT: "🟠",
    Phase.SUCCEEDED: "🟢",
    Phase.UNSEEN: "🟢",
    Phase.FAILED: "🔴",
    Phase.DENIED: "🔴",
    Phase.EXPIRED: "⚪",
    Phase.MISSED: "⚪",
    Phase.CANCELLED: "⚪",
    Phase.SUPERSEDED: "⚪",
}
"""Yellow waits for people, blue runs, orange is to be checked, green is done, red failed or was denied, white ended."""


def _label_of(phase: Phase) -> StateLabel:
    words = PHASE_LABELS[phase]
    return StateLabel(SYMBOLS[phase], words.label, words.explanation)


STATE_LABELS: Final[Mapping[State, StateLabel]] = {
    **{state: _label_of(Phase(state.value)) for state in State if state is not State.HELD},
    State.HELD: StateLabel(SYMBOLS[Phase.AWAITING_APPROVAL], "waiting", "Nothing happens until it is decided."),
}


def state_label(change: Change) -> StateLabel:
    """Return the label of the change's current state."""
    phase = phase_of(change)
    return _confirm(change) if phase is Phase.AWAITING_CONFIRMATION else _label_of(phase)


def _confirm(change: Change) -> StateLabel:
    """Name the person who has to confirm."""
    words = f"Nothing happens until {one_line(change.actor.label, 60) or 'the requester'} confirms."
    if change.actor.kind is ActorKind.AGENT:
        words = "An agent asks for this. Nothing happens until the person it acts for confirms."
    label = _label_of(Phase.AWAITING_CONFIRMATION)
    return StateLabel(label.mark, label.words, words)


def change_title(change: Change, limit: int = 150) -> str:
    """Return a one-line plain-text title: symbol, operation, server and state."""
    label = state_label(change)
    room = limit - len(label.mark) - len(label.words) - 3
    return f"{label.mark} {action_label(change.operation, change.target.hostname, room)}: {label.words}"
