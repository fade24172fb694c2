"""Two processes on one database: an override and another decision at once; SQLite and PostgreSQL."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from tests.unit.core.break_glass.test_overrides import NOTE, ON_CALL, overridden, policy, reviewed
from tests.unit.core.harness import VOTERS, Setup, Stage, staged
from vpsops.core.break_glass import repository as reviews
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import StaleChangeError
from vpsops.playground.wayscloud.serve import SimulatorHandle

SETUP = Setup(policy=policy())
Decide = Callable[[Stage, Change], Awaitable[Change]]


async def deny(stage: Stage, change: Change) -> Change:
    return await stage.gate.vote(change.id, VOTERS[0], Verdict.DENY, change.digest, scope=OPERATOR)


async def cancel(stage: Stage, change: Change) -> Change:
    return await stage.gate.cancel(change.id, ON_CALL, scope=OPERATOR)


async def counted(work: Awaitable[Change], done: list[Change]) -> None:
    """Note a decision that counts; one that came second is refused."""
    try:
        done.append(await work)
    except StaleChangeError:
        return


@pytest.mark.parametrize("other", [deny, cancel, overridden])
async def test_of_two_decisions_at_once_one_counts(database_url: str, provider: SimulatorHandle, other: Decide) -> None:
    """Nothing leaves without an override, at most one write with it, and each override has one open review."""
    async with staged(database_url, provider, SETUP) as here, staged(database_url, provider, SETUP) as there:
        here.server("web01")
        held = await here.ask("reboot", server="web01")
        done: list[Change] = []
        async with anyio.create_task_group() as group:
            group.start_soon(counted, overridden(here, held), done)
            group.start_soon(counted, other(there, held), done)
        ended = await there.rest(held.id)
        ran = ended.override is not None
        assert here.effects("reboot", "web01") == int(ended.state is State.SUCCEEDED)
        assert ended.state in {State.SUCCEEDED, State.DENIED, State.CANCELLED}
        assert ran or ended.state is not State.SUCCEEDED  # a cancellation may come between an override and its send
        assert await here.database.read(reviews.count_open) == int(ran)
        assert (await here.events(held.id)).split().count("overridden") == int(ran)


async def test_two_reviewers_at_once_close_it_once(database_url: str, provider: SimulatorHandle) -> None:
    async with staged(database_url, provider, SETUP) as here, staged(database_url, provider, SETUP) as there:
        here.server("web01")
        held = await here.ask("reboot", server="web01")
        await overridden(here, held)
        await here.rest(held.id)
        done: list[Change] = []
        async with anyio.create_task_group() as group:
            group.start_soon(counted, reviewed(here, held, VOTERS[0]), done)
            group.start_soon(counted, reviewed(there, held, VOTERS[1]), done)
        assert len(done) == 1
        assert done[0].override is not None
        assert done[0].override.note == NOTE
        assert (await here.events(held.id)).split().count("review_closed") == 1
