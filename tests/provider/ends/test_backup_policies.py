"""A backup policy that another person set between question and answer: nothing is sent over it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pytest

from tests.provider.ends.test_lifecycle import WEB, facts, provided
from tests.unit.core.harness import ALICE
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import VpsopsError
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import POLICY

DAILY: Final = {"frequency": "daily", "time_of_day": "03:00", "retention_days": 7}
ASKED: Final = {"server": WEB, "frequency": "daily", "time_of_day": "04:00", "retention_days": 14}
RUNS: Final[Mapping[str, Mapping[str, Any]]] = {"backup_policy_set": ASKED, "backup_policy_remove": {"server": WEB}}


@pytest.mark.parametrize("operation", RUNS)
@pytest.mark.parametrize("meanwhile", [{**DAILY, "retention_days": 30}, {**DAILY, "time_of_day": "05:00"}, None])
async def test_a_policy_that_changed_meanwhile_supersedes(
    database_url: str, operation: str, meanwhile: dict[str, object] | None
) -> None:
    """What was before is on the card, so a yes to it replaces nothing else; a removal finds it gone already."""
    async with provided(database_url) as stage:
        world = stage.provider.simulator.world
        server = world.find(WEB)
        assert server is not None
        policies = world.items_of(server.id, POLICY)
        policies[POLICY] = Item(POLICY, dict(DAILY), 0.0, world.time.now())
        held = await stage.ask(operation, **RUNS[operation])
        assert any("7" in value for value in facts(held).values()), facts(held)
        policies.clear()
        if meanwhile is not None:
            policies[POLICY] = Item(POLICY, meanwhile, 0.0, world.time.now())
        with suppress(VpsopsError):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        done = await stage.rest(held.id)
        gone = meanwhile is None and operation == "backup_policy_remove"
        end = State.SUCCEEDED if gone else State.SUPERSEDED
        assert (done.state, world.counts.total()) == (end, 0), done.note
