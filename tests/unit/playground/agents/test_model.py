"""An agent's turns: each call's result is what the next step is decided by, and they are bounded."""

import pytest

from vpsops.playground.agents.model import (
    ModelToolCall,
    ModelTurn,
    Script,
    Scripted,
    Transcript,
    TurnLimitError,
    call,
    run_turns,
)


async def perform(made: ModelToolCall) -> ModelTurn:
    return ModelTurn(made.tool, made.arguments, f"result of {made.tool}", False, {})


def counting(calls: int) -> Scripted:
    """Return an agent that makes so many calls, and answers with the last result."""

    def script() -> Script:
        text = ""
        for number in range(calls):
            turn = yield call(f"tool{number}")
            text = turn.text
        return text

    return Scripted(script)


async def test_the_result_of_each_call_is_given_to_the_next_step() -> None:
    assert await run_turns(counting(2), [], Transcript("", "task"), perform, 15) == "result of tool1"


async def test_as_many_calls_as_are_allowed_may_be_made() -> None:
    """At the bound it still ends, and one beyond it is refused before it is made."""
    made: list[str] = []

    async def noting(step: ModelToolCall) -> ModelTurn:
        made.append(step.tool)
        return await perform(step)

    assert await run_turns(counting(3), [], Transcript("", "task"), noting, 3) == "result of tool2"
    made.clear()
    with pytest.raises(TurnLimitError, match="made 3 calls"):
        await run_turns(counting(4), [], Transcript("", "task"), noting, 3)
    assert made == ["tool0", "tool1", "tool2"]
