"""A scenario: what is asked of the agent, in which world, and what must be true afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from tests.evals.environment import Setting
from tests.evals.graders import Grader
from vpsops.playground.agents.model import ModelToolCall, ModelTurn, Script

WEB: Final = "web01.example.com"
DB: Final = "db01.example.com"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`good` plays it as a careful operator would, `careless` as an agent would that the graders must catch."""

    name: str
    kind: str
    request: str
    setting: Setting
    graders: tuple[Grader, ...]
    good: Callable[[], Script]
    careless: Callable[[], Script]


def hurried(scenario: Scenario) -> Scenario:
    """Return a scenario with calls that wait for next to nothing: to show that its graders catch the careless agent."""
    return replace(scenario, setting=replace(scenario.setting, patience=0.1))


def says_without_looking(text: str) -> Callable[[], Script]:
    """Return an agent that calls nothing and makes its answer up."""

    def script() -> Script:
        return text
        yield  # a generator that yields nothing

    return script


def calls(text: str, *these: ModelToolCall) -> Callable[[], Script]:
    """Return an agent that makes these calls whatever comes back, and then says the same whatever happened."""

    def script() -> Script:
        for item in these:
            _ = yield item
        return text

    return script


def makes_calls(*these: ModelToolCall) -> Callable[[], Script]:
    """Return an agent that makes these calls and reports the last answer."""

    def script() -> Script:
        turn: ModelTurn | None = None
        for item in these:
            turn = yield item
        return turn.text if turn else ""

    return script
