"""The rules and limits of a first policy, from a few answers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

PeopleChoice = Literal["confirm", "allow", "approve"]
AgentChoice = Literal["approve", "confirm", "deny"]
DestroyChoice = Literal["approve", "deny"]

CONFIRM: Final = ("confirm", "the person who asks confirms it")
PEOPLE: Final[Mapping[str, str]] = dict(
    [CONFIRM, ("approve", "another person approves it in Slack"), ("allow", "it runs at once")]
)
AGENTS: Final[Mapping[str, str]] = {
    "approve": "a person approves it in Slack",
    "confirm": "the assistant's own human confirms it",
    "deny": "it is refused: assistants only read",
}
DESTROYING: Final[Mapping[str, str]] = {"approve": "people approve it in Slack", "deny": "it is refused"}
REASONS: Final[Mapping[str, str]] = {
    "agents": "Assistants only read here. The rule agents in vpsops.toml says so.",
    "destroying": "What cannot be undone is refused here. The rule destroying in vpsops.toml says so.",
}
"""What a refusal by one of these rules gives as its reason, and where that can be changed."""
IN_SLACK: Final = "approve"
"""The decision that needs a Slack workspace."""


@dataclass(frozen=True, slots=True)
class PolicyAnswers:
    """What decides on people's changes, on assistants' and on what cannot be undone; servers that no one changes."""

    people: str = "confirm"
    agents: str = "confirm"
    destroying: str = "deny"
    votes: int = 1
    protected: Sequence[str] = ()


def default_answers(*, slack: bool) -> PolicyAnswers:
    """Return what is proposed: as the embedded policy decides."""
    return PolicyAnswers(agents="approve", destroying="approve") if slack else PolicyAnswers()


def choices(words: Mapping[str, str], *, slack: bool) -> dict[str, str]:
    """Return the choices that this set-up can carry out."""
    return {word: text for word, text in words.items() if slack or word != IN_SLACK}


def policy_text(answers: PolicyAnswers) -> str:
    """Return rules and limits as TOML."""
    rules = [
        _rule("reads", "allow", risk="read"),
        _rule("people", answers.people, actor="person", risk=["change", "disruptive"]),
        _rule("agents", answers.agents, actor="agent", risk=["change", "disruptive"]),
        _rule("destroying", answers.destroying, votes=answers.votes, risk="destructive"),
    ]
    protected = f"\n[limits]\nprotected = {json.dumps(list(answers.protected))}\n" if answers.protected else ""
    return "\n".join(rules) + protected


def _rule(name: str, decision: str, votes: int = 1, **match: str | list[str]) -> str:
    keys = [f"{key} = {json.dumps(value)}\n" for key, value in match.items()]
    keys += [f"reason = {json.dumps(REASONS[name])}\n"] if decision == "deny" else []
    count = f"votes = {votes}\n" if decision == IN_SLACK and votes > 1 else ""
    return f'[[rule]]\nid = "{name}"\n{"".join(keys)}decision = "{decision}"\n{count}'
