"""On any provider: one effect at most, no false claim, and an end.

Each number stands for one provider and its changes, always the same: `outcomes(drawn(NUMBER))`. A case that fails is
made smaller until nothing can be left out, and shown like that.
"""

import random
from typing import Final

import anyio
import pytest

from tests.harness.profiles import DEEP
from tests.stateful.provider_strategies import Case, drawn, smaller
from tests.stateful.providers import Outcome, outcomes

CASES: Final = 2_000 if DEEP else 200
AT_ONCE: Final = 25  # in one loop, with one time for all of them together
SHRINKS: Final = 25


async def wrongs(case: Case) -> list[str]:
    """Return the faults of a case."""
    return [f"{outcome.operation}: {text}" for outcome in await outcomes(case) for text in outcome.wrong]


async def smallest(case: Case) -> str:
    """Return the smallest case found that is still wrong, and its faults."""
    results, tries = await wrongs(case), 0
    ahead = smaller(case)
    while ahead and tries < SHRINKS:
        tries += 1
        other = ahead.pop(0)
        wrong = await wrongs(other)
        if wrong:
            case, results, ahead = other, wrong, smaller(other)
    return f"{case}\n    " + "\n    ".join(results or ["it does not happen again alone"])


async def check(cases: list[Case]) -> None:
    """Hold what must hold for all of these."""
    results: dict[int, list[Outcome]] = {}
    random.seed(cases[0].seed)  # the product's jitter

    async def meet(case: Case) -> None:
        results[case.seed] = await outcomes(case)

    async with anyio.create_task_group() as tasks:
        for case in cases:
            tasks.start_soon(meet, case)
    bad = [case for case in cases if any(outcome.wrong for outcome in results[case.seed])]
    assert not bad, "\n".join([await smallest(case) for case in bad[:3]] + [f"and {max(0, len(bad) - 3)} more"])


@pytest.mark.requirement("drawn-providers")
@pytest.mark.parametrize("number", [1, 33, 57])
async def test_a_drawn_provider_is_survived(number: int) -> None:
    """A handful of them; those over a socket are met with the slow ones."""
    await check([drawn(number)])


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.requirement("drawn-providers")
@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
async def test_drawn_providers_are_survived(first: int) -> None:
    """Dialects, faults and timings, with one to three changes each."""
    await check([drawn(number) for number in range(first, first + AT_ONCE)])
