"""Write access to the database's rows approves nothing: a send needs its approval in the audit trail."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, ALICE, POLICY, VOTERS, Stage, staged
from tests.unit.core.sample import change
from vpsops.core.audit import chain, records
from vpsops.core.changes import serialization
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.tables import AUDIT, CHANGES
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

ALLOWED: Final = serialization.change_values(change(ruling=Ruling(Decision.ALLOW, policy=POLICY.version)))["ruling"]


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    config = SimulatorConfig(speed=600.0, seed=7)
    async with running_simulator(config, clock=VirtualClock()) as provider, staged(database_url, provider) as made:
        yield made


async def force(stage: Stage, held: Change, **values: Any) -> Change:
    """Set a row to approved outside the product, and return the change at rest."""
    approved = {"state": State.APPROVED.value, "owner": None, **values}
    statement = CHANGES.update().where(CHANGES.c.id == held.id).values(**approved)
    await stage.change(held.id, lambda connection, _: connection.execute(statement))
    await stage.engine.start()
    stage.engine.run(held.id)
    return await stage.rest(held.id)


async def refused(stage: Stage, ended: Change, why: str) -> None:
    """Assert that nothing was sent, and that people and the trail get the reason."""
    assert ended.state is State.FAILED
    assert "Nothing was sent: the audit trail does not carry its approval" in ended.note
    assert why in ended.note
    assert stage.effects("stop") == 0
    assert (await stage.events(ended.id)).endswith("not_sent")
    assert any(event.get("what") == "failed" or "failed" in event.values() for event in await stage.notices())


@pytest.mark.parametrize("votes", [0, 1])
@pytest.mark.requirement("no-vote-no-send")
async def test_a_row_set_to_approved_is_not_sent(stage: Stage, votes: int) -> None:
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    for voter in VOTERS[:votes]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    await refused(stage, await force(stage, held), f"{votes} of the 2 votes")


@pytest.mark.requirement("no-vote-no-send")
async def test_a_row_whose_human_said_nothing_is_not_sent(stage: Stage) -> None:
    held = await stage.ask("stop", ALICE, server=stage.server("web.example.com").id)
    await refused(stage, await force(stage, held), "no confirmation")


@pytest.mark.requirement("no-vote-no-send")
async def test_a_ruling_made_milder_in_the_row_counts_for_nothing(stage: Stage) -> None:
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    await refused(stage, await force(stage, held, ruling=ALLOWED), "its rule asked for approve")


@pytest.mark.requirement("no-vote-no-send")
async def test_what_has_ended_is_not_sent_by_its_old_yes(stage: Stage) -> None:
    done = await stage.done("reboot", server=stage.server("web.example.com").id)
    again = await force(stage, done)
    assert (again.state, stage.effects("reboot")) == (State.FAILED, 1)
    assert "by the audit trail it is succeeded" in again.note


@pytest.mark.requirement("no-vote-no-send")
async def test_a_vote_that_was_written_over_another_record_is_not_counted(stage: Stage) -> None:
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    (record,) = [item for item in await stage.database.read(chain.read) if item.event == "voted"]
    text = record.text.replace("V0", "V1")
    alter: Callable[..., Any] = AUDIT.update().where(AUDIT.c.seq == record.seq).values
    for values in ({"record": text}, {"record": text, "hash": records.record_hash(record.previous, text)}):
        await stage.database.transact(partial(sa.Connection.execute, statement=alter(**values)))
    ended = await force(stage, held)
    # the recount refuses it, or the first process to see that the trail went back leaves it to people
    if ended.state is not State.NEEDS_PERSON:
        await refused(stage, ended, f"record {record.seq} of the audit trail")
    assert stage.effects("stop") == 0


@pytest.mark.requirement("no-vote-no-send")
async def test_a_trail_that_was_emptied_approves_nothing(stage: Stage) -> None:
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    await stage.database.transact(
        lambda connection: connection.execute(sa.delete(AUDIT).where(AUDIT.c.change_id == held.id))
    )
    ended = await force(stage, held)
    # the recount refuses it, or the first process to see that the trail went back leaves it to people
    assert ended.state in {State.FAILED, State.NEEDS_PERSON}
    assert stage.effects("stop") == 0


@pytest.mark.requirement("no-vote-no-send")
async def test_votes_of_people_are_counted_and_it_is_sent(stage: Stage) -> None:
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    for voter in VOTERS[:2]:
        await stage.gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
    assert (await stage.rest(held.id)).state is State.SUCCEEDED
