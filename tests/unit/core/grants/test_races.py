"""Uses of one grant by several processes at once, on both databases: never more than it has."""

import anyio
import pytest

from tests.unit.core.grants.harness import ask, granted, grants, held, oncall
from tests.unit.core.harness import ALICE, Stage, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import GrantWish
from vpsops.core.changes.requests import Done, Held, Outcome
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.grants.model import GrantState
from vpsops.playground.wayscloud.serve import SimulatorHandle

SERVERS = 6
USES = 3


@pytest.mark.requirement("grant-uses")
async def test_two_processes_never_exceed_the_uses(database_url: str, provider: SimulatorHandle) -> None:
    """Of twice as many requests as uses the half is let through, each as another use, and the rest is held."""
    setup = oncall(uses=USES, server="web*")
    async with staged(database_url, provider, setup) as stage, staged(database_url, provider, setup) as other:
        hosts = [stage.server(f"web1{number}.example.com").id for number in range(SERVERS)]
        await granted(stage, await held(stage), GrantWish(3600.0, on_rule=True))
        outcomes: list[Outcome] = []

        async def request(asked: Stage, host: str) -> None:
            outcomes.append(await ask(asked, host))

        async with anyio.create_task_group() as group:
            for number, host in enumerate(hosts):
                group.start_soon(request, (stage, other)[number % 2], host)
        changes = [outcome.change for outcome in outcomes if isinstance(outcome, Done) and outcome.change is not None]
        numbers = sorted(change.ruling.grant.number for change in changes if change.ruling.grant is not None)
        assert numbers == list(range(1, USES + 1))
        assert sum(isinstance(outcome, Held) for outcome in outcomes) == SERVERS - USES
        for change in changes:
            await stage.rest(change.id)
        (grant,) = await grants(stage)
        assert (grant.state, grant.used) == (GrantState.USED_UP, USES)
        assert stage.effects("reboot") == USES + 1
        assert [str(fault) async for fault in discrepancies(stage.database)] == []


async def test_an_end_beside_uses_lets_none_through_after_it(database_url: str, provider: SimulatorHandle) -> None:
    """Whatever was stored before the end is in the trail before it, and nothing after."""
    setup = oncall(uses=20, server="web*")
    async with staged(database_url, provider, setup) as stage, staged(database_url, provider, setup) as other:
        hosts = [stage.server(f"web1{number}.example.com").id for number in range(SERVERS)]
        change = await granted(stage, await held(stage), GrantWish(3600.0, on_rule=True))
        (grant,) = await grants(stage)

        async def request(host: str) -> None:
            await ask(stage, host)

        async def end(at: Stage, grant_id: str) -> None:
            await at.gate.end_grant(grant_id, ALICE, scope=OPERATOR)

        async with anyio.create_task_group() as group:
            for number, host in enumerate(hosts):
                group.start_soon(request, host)
                if number == SERVERS // 2:
                    group.start_soon(end, other, grant.id)
        events = (await stage.events(change.id)).split()
        assert events[-1] == "grant_ended"
        assert events.count("grant_ended") == 1
