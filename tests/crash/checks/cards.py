"""The cards of a crash run at rest: each change has one, and it states the end."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.crash.plan import CHANNELS
from vpsops.core.changes.model import Change, State
from vpsops.core.operations.target import is_plan
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.entities import Message


@dataclass(slots=True)
class CardCheck:
    """How many changes have a card, what is wrong with those, and how many cards are there once more."""

    count: int = 0
    twice: int = 0
    wrong: list[str] = field(default_factory=list)


def check_cards(workspace: SimulatedWorkspace, changes: Mapping[str, Change]) -> CardCheck:
    """Check every card: it must state the end, without buttons; a second one for a change is counted.

    Members of plans have no cards: theirs is the plan's.
    """
    asked = {change.id: change for change in changes.values() if change.origin.front == "slack" and not change.plan}
    cards: Counter[str] = Counter()
    check = CardCheck()
    for message in (message for channel in CHANNELS for message in workspace.messages(channel)):
        change = _change_of(message, asked)
        if change is None:
            continue
        cards[change.id] += 1
        check.wrong += _faults(message, change)
    check.wrong += [f"{name} has no card" for name in asked if not cards[name]]
    check.count, check.twice = len(cards), sum(count - 1 for count in cards.values())
    return check


def _change_of(message: Message, asked: Mapping[str, Change]) -> Change | None:
    """Return the change that a message is the card of, or None."""
    is_reply = message.thread_ts not in {None, message.ts}
    if is_reply or not any(block.get("type") == "header" for block in message.blocks):
        return None
    text = json.dumps(message.blocks)
    return next((change for name, change in asked.items() if name in text), None)


def _faults(message: Message, change: Change) -> list[str]:
    faults = []
    if any(block.get("type") == "actions" for block in message.blocks) and change.state is not State.NEEDS_PERSON:
        faults.append(f"the card of {change.id} ({change.state.value}) still has buttons")
    done = change.note.split(";", 1)[0].split(".", 1)[0]
    if is_plan(change.operation) and " done" in done and done not in json.dumps(message.blocks):
        faults.append(f"the card of {change.id} does not say {done!r}")
    return faults
