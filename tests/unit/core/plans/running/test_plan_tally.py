"""A tally that the database counts leads to the same steps and the same words as all members do."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.storage.statement_counts import counted_statements
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.sample import change
from vpsops.core.changes.model import State
from vpsops.core.common.errors import UnreadableRowError
from vpsops.core.operations.target import Target
from vpsops.core.plans.model import STEPS, MemberState, PlanMember, PlanOptions
from vpsops.core.plans.progress import end_state, next_step, plan_words
from vpsops.core.plans.repository import insert_members, leave_waiting, members_of, read_tally
from vpsops.core.plans.tally import tally_of
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import PLAN_MEMBERS

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)
STATES = sorted(MemberState)


def seeded(seed: int) -> random.Random:
    """Return a source of states that are the same each time."""
    return random.Random(seed)  # noqa: S311 - nothing is secret


def members(rng: random.Random, count: int) -> list[PlanMember]:
    """Return members in any states, as they may be in the middle of a plan."""
    made = []
    for number in range(1, count + 1):
        state = rng.choice(STATES)
        begun = state in {MemberState.RUNNING, MemberState.DONE, MemberState.UNCLEAR} or rng.random() < 0.3
        member = PlanMember(
            number, "reboot", {"server": f"i{number}"}, Target(f"i{number}", f"web{number}"), "d", state
        )
        if state is not MemberState.WAITING:
            moved_at = NOW - timedelta(seconds=rng.randrange(600))
            member = replace(member, moved_at=moved_at, change_id=f"chg_{number}" if begun else "", note="why")
        made.append(member)
    return made


@pytest.mark.parametrize("seed", range(12))
async def test_the_database_counts_as_the_members_say(database_url: str, seed: int) -> None:
    """Steps, words, counts and the end are the same, whatever states the members are in."""
    rng = seeded(seed)
    made, options = members(rng, rng.choice([1, 3, 40])), PlanOptions(rng.randint(1, 9), rng.choice([0, 300]), 40)
    plan = change("plan_reboot", State.WATCHING, id="chg_plan")

    def check(connection: Connection) -> None:
        insert_members(connection, plan.id, made)
        for _ in range(2):
            counted, whole = read_tally(connection, plan), tally_of(members_of(connection, plan.id))
            assert counted.counts == whole.counts
            assert counted.running == whole.running
            assert counted.next == whole.next
            assert counted.last_end == whole.last_end
            assert plan_words(plan, counted, NOW) == plan_words(plan, whole, NOW)
            assert end_state(counted) is end_state(whole)
            for stopping in (False, True):
                step = next_step(counted, options, NOW, stopping=stopping)
                assert step == next_step(whole, options, NOW, stopping=stopping)
            leave_waiting(connection, plan.id, NOW)
            assert read_tally(connection, plan).counts.get(MemberState.WAITING) is None

    async with open_database(database_url, VirtualClock()) as database:
        await database.transact(check)


async def test_a_tally_of_a_thousand_is_a_few_rows(database_url: str) -> None:
    """At most five of each state, those that run and one that waits, in a statement for each state at most."""
    waiting = [replace(member, state=MemberState.WAITING) for member in members(seeded(1), 900)]
    several = [replace(member, ordinal=member.ordinal + 900) for member in members(seeded(2), 100)]
    running = sum(member.state is MemberState.RUNNING for member in several)

    def read(connection: Connection) -> None:
        read_tally(connection, change("plan_reboot", State.WATCHING, id="chg_plan"))

    async with open_database(database_url, VirtualClock()) as database:
        await database.transact(lambda connection: insert_members(connection, "chg_plan", [*waiting, *several]))
        with counted_statements() as counts:
            await database.read(read)
    assert counts.about("plan_members") <= len(STEPS)
    assert counts.rows <= running + 6 * len(STEPS) + 5


async def test_a_state_that_is_not_known_here_leaves_the_plan_alone(database_url: str) -> None:
    """A newer version may have more states: whatever they mean, this one does not go on with the plan."""
    plan = change("plan_reboot", State.WATCHING, id="chg_plan")

    def store(connection: Connection) -> None:
        insert_members(connection, plan.id, members(seeded(3), 3))
        connection.execute(sa.update(PLAN_MEMBERS).where(PLAN_MEMBERS.c.ordinal == 3).values(state="mended"))

    async with open_database(database_url, VirtualClock()) as database:
        await database.transact(store)
        with pytest.raises(UnreadableRowError):
            await database.read(lambda connection: read_tally(connection, plan))
