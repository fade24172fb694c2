"""A plan over a thousand servers of ten thousand: what asking costs is counted, and no figure is a time."""

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.unit.core.harness import Setup
from tests.unit.core.plans.plan_stage import Planner, staged
from vpsops.bot.blocks.plan_names import PART, name_posts
from vpsops.bot.messages.change_card import Audience, CardOptions, change_card
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.timings import TransportSettings
from vpsops.core.limits.model import Limits
from vpsops.core.storage.tables import OUTBOX
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.real_time]

FLEET = 10_000
MEMBERS = 1_000
MOST_CALLS = 3
MOST_STATEMENTS = 60
MOST_MEMORY_MIB = 64
MOST_CARD_CHARACTERS = 12_000
MOST_THREAD_MESSAGES = 30


@asynccontextmanager
async def large(database_url: str) -> AsyncIterator[Planner]:
    """Have ten thousand servers that run, and plans of a thousand."""
    setup = Setup(clock=SystemClock(), limits=Limits(max_many=MEMBERS), transport=TransportSettings())
    async with running_simulator(SimulatorConfig(fleet=FLEET)) as provider:
        world = provider.simulator.world
        for server in world.servers():
            world.override(server, ServerState.RUNNING, None, None)
        async with staged(database_url, provider, setup) as stage:
            yield Planner(stage, [server.hostname for server in world.servers()][:MEMBERS])


async def test_a_thousand_of_ten_thousand_servers_cost_one_read_and_one_card(database_url: str) -> None:
    """The fleet is read once, the plan is stored in a few statements, and what is posted of it is bounded."""
    statements: list[str] = []

    def count(_conn: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    async with large(database_url) as planner:
        calls = planner.stage.provider.simulator.journal.total
        event.listen(Engine, "before_cursor_execute", count)
        tracemalloc.start()
        try:
            plan = await planner.held(*planner.servers)
            peak = tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()
            event.remove(Engine, "before_cursor_execute", count)
        assert planner.stage.provider.simulator.journal.total - calls <= MOST_CALLS
        assert len(statements) <= MOST_STATEMENTS
        assert peak < MOST_MEMORY_MIB
        assert len(await planner.members(plan.id)) == MEMBERS
        rows = await planner.stage.database.read(lambda connection: connection.execute(OUTBOX.select()).all())
        assert [row.kind for row in rows] == ["card"]
        card = change_card(plan, planner.stage.clock.now(), Audience.ASKER, CardOptions())
        assert len(card.text) < MOST_CARD_CHARACTERS
        posts = name_posts(plan)
        assert len(posts) <= MOST_THREAD_MESSAGES
        assert all(len(post.text) < PART + 200 for post in posts)
