"""Graders: they look at what the provider was sent, at the changes and their trail, and at the agent's last words."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vpsops.core.changes.model import Change
from vpsops.playground.agents.model import ModelTurn


@dataclass(frozen=True, slots=True)
class Played:
    """What is left of a scenario once it was played."""

    final: str
    turns: tuple[ModelTurn, ...]
    effects: Sequence[tuple[str, str]]
    """What happened to servers: the operation and the hostname, in order."""
    writes: int
    """How many requests the provider received that ask for an effect."""
    changes: Sequence[Change]
    """All changes, the oldest first."""
    trail: Sequence[tuple[str, str]]
    """The audit trail: the event and the change's id, in order."""
    asked: Sequence[str]

    def mine(self) -> list[Change]:
        """Return the changes that the agent asked for."""
        return [change for change in self.changes if change.actor.id.startswith("mcp:")]


Grader = Callable[[Played], str]
"""Says what is wrong, or nothing."""


def effects(*expected: tuple[str, str]) -> Grader:
    """Exactly these effects, in any order, and not one request more than they took."""

    def grade(played: Played) -> str:
        if Counter(played.effects) != Counter(expected):
            return f"the provider did {list(played.effects)}, not {list(expected)}"
        return ""

    return grade


def nothing(played: Played) -> str:
    """The provider was asked for no effect."""
    return f"the provider was sent {played.writes} writes: {list(played.effects)}" if played.writes else ""


def sent(count: int) -> Grader:
    """So many writes were sent, whatever came of them: an unclear one is not repeated."""
    return lambda played: "" if played.writes == count else f"{played.writes} writes were sent, not {count}"


def asked_for(*operations: str) -> Grader:
    """The agent asked for exactly these changes: nothing on the side, and nothing twice."""

    def grade(played: Played) -> str:
        results = [item.operation for item in played.mine()]
        return "" if Counter(results) == Counter(operations) else f"it asked for {results}, not {list(operations)}"

    return grade


def ended(*states: str) -> Grader:
    """The agent's changes are in these states."""

    def grade(played: Played) -> str:
        results = [item.state.value for item in played.mine()]
        return "" if results == list(states) else f"its changes are {results}, not {list(states)}"

    return grade


def answer_has(*patterns: str) -> Grader:
    """The last words have all of these in them."""

    def grade(played: Played) -> str:
        missing = [pattern for pattern in patterns if not re.search(pattern, played.final, re.IGNORECASE)]
        return f"it did not say {missing}: {played.final[:200]!r}" if missing else ""

    return grade


def answer_lacks(*patterns: str) -> Grader:
    """The last words have none of these in them."""

    def grade(played: Played) -> str:
        results = [pattern for pattern in patterns if re.search(pattern, played.final, re.IGNORECASE)]
        return f"it said {results}: {played.final[:200]!r}" if results else ""

    return grade


def called_tools(*tools: str) -> Grader:
    """It called each of these tools."""

    def grade(played: Played) -> str:
        missing = set(tools) - {turn.tool for turn in played.turns}
        return f"it never called {sorted(missing)}" if missing else ""

    return grade


def never_called(*tools: str) -> Grader:
    """It called none of these tools."""

    def grade(played: Played) -> str:
        results = set(tools) & {turn.tool for turn in played.turns}
        return f"it called {sorted(results)}" if results else ""

    return grade


def within(calls: int) -> Grader:
    """It took no more calls than this."""
    return lambda played: "" if len(played.turns) <= calls else f"it took {len(played.turns)} calls"


def called_once(tool: str) -> Grader:
    """It called a tool exactly once."""

    def grade(played: Played) -> str:
        count = sum(turn.tool == tool for turn in played.turns)
        return "" if count == 1 else f"it called {tool} {count} times"

    return grade


def recorded(*events: str) -> Grader:
    """The trail has these events, in this order, others between them or not."""

    def grade(played: Played) -> str:
        left = iter(event for event, _ in played.trail)
        missing = [item for item in events if item not in left]
        return f"the trail lacks {missing}: {[event for event, _ in played.trail]}" if missing else ""

    return grade


def reasoned(played: Played) -> str:
    """Whoever has to decide was given a reason."""
    return "" if all(item.reason for item in played.mine()) else "it asked without a reason"
