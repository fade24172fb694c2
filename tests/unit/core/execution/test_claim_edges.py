"""Edge cases: which runs a process claims, what a rolled-back store leaves, and what the trail must record."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.fakes.clock import START
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.execution.runner.test_run_edges import approved, runner_of
from tests.unit.core.harness import ALICE, SLACK, Stage, said_yes, staged
from vpsops.core.audit import chain
from vpsops.core.authorization.authorization import Trail, UnauthorizedError, check_authorized
from vpsops.core.changes.audit_entries import recorded
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.continuity import continuity_monitor
from vpsops.core.continuity.continuity_monitor import RollbackFinding, finding_text
from vpsops.core.execution import claims
from vpsops.core.plans.seals import MemberSeals
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


def test_a_process_answers_for_what_is_approved_and_not_at_its_end() -> None:
    """A hold has no process, and a change that needs a person waits for that person."""
    assert set(claims.AFTER_HOLD) == {State.APPROVED, State.SENDING, State.WATCHING, State.UNKNOWN}


@pytest.mark.requirement("no-vote-no-send")
def test_a_request_that_is_recorded_twice_is_none() -> None:
    """A second one could bring another ruling; nor does it count where it is not the first record."""
    first, second = {"event": "requested", "decision": "allow"}, {"event": "requested", "decision": "allow"}
    assert Trail([first]).request is first
    assert Trail([first, second]).request is None
    assert Trail([{"event": "confirmed"}, first]).request is None
    assert (Trail([first]).state, Trail([first, second]).state) == ("approved", "")


@pytest.mark.requirement("no-vote-no-send")
async def test_nothing_is_sent_by_a_trail_with_two_requests(stage: Stage) -> None:
    ready = await approved(stage)

    def work(connection: sa.Connection) -> None:
        body = chain.read(connection, change_id=ready.id)[0].body
        more = {name: body[name] for name in body if name not in {"seq", "at", "event", "change"}}
        chain.append(connection, START.timestamp(), "requested", ready.id, more)
        check_authorized(connection, ready, MemberSeals())

    with pytest.raises(UnauthorizedError):
        await stage.database.transact(work)


@pytest.mark.parametrize(("count", "text"), [(0, ""), (20, "chg_19. "), (21, "chg_19 and 1 more. ")])
def test_a_finding_names_twenty_changes_and_counts_the_rest(count: int, text: str) -> None:
    finding = RollbackFinding("f_1", "it lags", 0.0, "p1", 7, tuple(f"chg_{number}" for number in range(count)))
    assert text in finding_text(finding)
    assert ("These were approved" in finding_text(finding)) is (count > 0)
    assert "chg_20" not in finding_text(finding)


async def test_what_is_held_back_is_a_step_like_any_other(stage: Stage) -> None:
    """Its version is the next one, and its record has the new state, the reason and the finding."""
    ready = await approved(stage)
    finding = RollbackFinding("f_1", "it lags", 0.0, "p1", 7)
    moved = await stage.database.transact(lambda conn: continuity_monitor._hold_back(conn, finding, VirtualClock()))
    after = await stage.changes.get(ready.id, scope=OPERATOR)
    assert (moved, after.state, after.version) == ([ready.id], State.NEEDS_PERSON, ready.version + 1)
    records = await stage.database.read(lambda connection: chain.read(connection, change_id=ready.id))
    body = records[-1].body
    assert (records[-1].event, body["state"], body["why"], body["finding"]) == (
        "needs_person",
        "needs_person",
        "it lags",
        "f_1",
    )


def test_the_trail_keeps_these_facts_of_an_answer() -> None:
    """Written out: whatever else an answer holds is not kept for ever."""
    names = ("ok", "id", "hostname", "status", "power_state", "plan", "region")
    answer = dict.fromkeys((*names, "password", "ip_address"), "x")
    assert recorded(answer) == dict.fromkeys(names, "x")


async def test_how_the_askers_own_human_said_yes_is_kept(stage: Stage) -> None:
    held = await stage.gate.submit(
        Request("stop", {"server": stage.server("web.example.com").id}, ALICE, SLACK, can_confirm=True), scope=OPERATOR
    )
    assert isinstance(held, Held)
    after = await stage.gate.confirm(held.change.id, ALICE, held.change.digest, evidence="a click", scope=OPERATOR)
    assert after.confirmed == "a click"
    query = sa.select(CHANGES.c.confirmed).where(CHANGES.c.id == after.id)
    assert await stage.database.read(lambda connection: connection.scalar(query)) == "a click"


@pytest.mark.parametrize("state", [State.APPROVED, State.CANCELLED])
async def test_a_run_that_is_over_wakes_the_watcher(stage: Stage, state: State) -> None:
    """Whatever the outcome: a sent write is checked soon, not at the next round."""
    woken: list[bool] = []
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    if state is State.APPROVED:
        await stage.change(held.id, said_yes)
    else:
        await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)
    await replace(runner_of(stage), sent=lambda: woken.append(True)).run(held.id)
    assert woken == [True]


async def test_who_paused_agents_is_on_record(stage: Stage) -> None:
    """All fields that distinguish one person from another."""
    await stage.gate.pause_agents(ALICE, paused=True, reason="it hangs", scope=OPERATOR)
    records = await stage.database.read(chain.read)
    (paused,) = [record.body for record in records if record.event == "agents_paused"]
    assert paused["by"] == {"kind": "person", "id": "U1", "name": "alice", "human": "U1"}
