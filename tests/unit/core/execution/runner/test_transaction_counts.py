"""Transactions per task: the counts are the same on any machine, however busy."""

from collections import Counter

import pytest

from tests.fakes.storage.transactions import counted
from tests.unit.core.harness import ALICE, staged
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.playground.wayscloud.serve import SimulatorHandle

BEATS = {"write Process._beat", "read Keeper._due", "write forget"}


def without_beats(results: Counter[str]) -> Counter[str]:
    """Return what the passing of time has no part in."""
    return Counter({name: count for name, count in results.items() if name not in BEATS})


@pytest.mark.requirement("few-transactions")
async def test_two_transactions_lie_between_a_yes_and_the_request(database_url: str, provider: SimulatorHandle) -> None:
    """The last yes lets this process run the change and gives it its turn; then the intention is stored."""
    async with staged(database_url, provider) as stage:
        stage.server("web01")
        held = await stage.ask("stop", server="web01")
        stage.fault("slow", "stop", seconds=0.5)
        with counted() as counts:
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
            await stage.reach(held.id, State.SENDING)
        writes = {name: count for name, count in without_beats(counts).items() if name.startswith("write")}
        assert writes == {"write Gate._decide.<lambda>": 1, "write Runner._intend.work": 1}
