"""An unconfirmed change blocks no one: a person sets it aside, on record; SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.engine import Connection

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord
from vpsops.core.changes.model import State
from vpsops.core.changes.requests import Held, Refused, Request, SetAside
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.playground.wayscloud.serve import SimulatorHandle

SET_ASIDE = "set_aside"
BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", account="U2")


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    """A core whose policy lets people confirm and has two others approve what agents ask for."""
    async with staged(database_url, provider) as set_stage:
        yield set_stage


def _records(connection: Connection) -> list[TrailRecord]:
    return [record for record in chain.read(connection) if record.event == SET_ASIDE]


@pytest.mark.parametrize(
    ("actor", "reason", "note"),
    [
        (ALICE, "", "Cancelled by alice."),
        (ALICE, "wrong\nserver", "Cancelled by alice: wrong server"),
        (AGENT, "", "Cancelled by the agent that calls itself “assistant”."),
    ],
)
async def test_a_cancelled_change_says_who_cancelled_it(stage: Stage, actor: Actor, reason: str, note: str) -> None:
    """What an agent calls itself is its claim; a reason is words from outside, on one line."""
    change = await stage.ask("stop", actor, server="web01")
    moved = await stage.gate.cancel(change.id, actor, reason=reason, scope=OPERATOR)
    assert (moved.state, moved.note) == (State.CANCELLED, note)


@pytest.mark.requirement("unconfirmed-blocks-no-one")
async def test_another_person_sets_an_unconfirmed_change_aside(stage: Stage) -> None:
    """The server is free, the trail says who did it, and the asker is sent a notice."""
    first = await stage.ask("stop", server="web01")
    moved = await stage.gate.set_aside(first.id, BOB, evidence="full member", scope=OPERATOR)
    assert (moved.state, moved.note) == (State.CANCELLED, "Set aside by bob before it was confirmed. Nothing was done.")
    (record,) = await stage.database.read(_records)
    assert (record.body["by"]["id"], record.body["evidence"]) == ("U2", "full member")
    assert [notice["event"] for notice in await stage.notices()] == ["set_aside"]
    assert (await stage.ask("reboot", BOB, server="web01")).state is State.HELD
    with pytest.raises(StaleChangeError, match="cancelled already"):
        await stage.gate.confirm(first.id, ALICE, first.digest, scope=OPERATOR)


async def test_what_was_confirmed_is_not_set_aside(stage: Stage) -> None:
    """The second person learns what became of it."""
    first = await stage.ask("stop", server="web01")
    await stage.gate.confirm(first.id, ALICE, first.digest, scope=OPERATOR)
    with pytest.raises(StaleChangeError, match="already"):
        await stage.gate.set_aside(first.id, BOB, scope=OPERATOR)


async def test_an_agent_sets_nothing_aside(stage: Stage) -> None:
    """Neither another's nor its own: it cancels that."""
    first = await stage.ask("stop", server="web01")
    with pytest.raises(NotAllowedError, match="Only people"):
        await stage.gate.set_aside(first.id, AGENT, scope=OPERATOR)
    assert (await stage.changes.get(first.id, scope=OPERATOR)).state is State.HELD


async def test_what_waits_for_votes_is_denied_and_not_set_aside(stage: Stage) -> None:
    """By those who may vote; others are refused, on record."""
    first = await stage.ask("stop", AGENT, server="web01")
    with pytest.raises(NotAllowedError, match="approvers can deny"):
        await stage.gate.set_aside(first.id, VOTERS[0], scope=OPERATOR)
    assert (await stage.changes.get(first.id, scope=OPERATOR)).state is State.HELD


def _request(sets_aside: str, actor: Actor = BOB) -> Request:
    return Request(
        "reboot", {"server": "web01"}, actor, SLACK, key="click-1", can_confirm=True, sets_aside=SetAside(sets_aside)
    )


@pytest.mark.requirement("unconfirmed-blocks-no-one")
async def test_a_request_sets_aside_what_is_in_its_way_in_one_transaction(stage: Stage) -> None:
    """Delivered again after the commit, it is the same request, and nothing is set aside twice."""
    first = await stage.ask("stop", server="web01")
    outcome = await stage.gate.submit(_request(first.id), scope=OPERATOR)
    assert isinstance(outcome, Held)
    assert (await stage.changes.get(first.id, scope=OPERATOR)).state is State.CANCELLED
    again = await stage.gate.submit(_request(first.id), scope=OPERATOR)
    assert isinstance(again, Held)
    assert again.change.id == outcome.change.id
    assert len(await stage.database.read(_records)) == 1


@pytest.mark.requirement("unconfirmed-blocks-no-one")
async def test_a_request_that_cannot_be_stored_sets_nothing_aside(stage: Stage) -> None:
    """The first request stays held, and is confirmed as ever."""
    await stage.ask("stop", AGENT, server="db01")
    first = await stage.ask("stop", server="web01")
    refused = await stage.gate.submit(replace(_request(first.id), arguments={"server": "db01"}), scope=OPERATOR)
    assert isinstance(refused, Refused)
    assert "db01" in refused.reason
    assert await stage.database.read(_records) == []
    confirmed = await stage.gate.confirm(first.id, ALICE, first.digest, scope=OPERATOR)
    assert confirmed.state is State.APPROVED


async def test_what_may_not_be_set_aside_keeps_its_place(stage: Stage) -> None:
    """What waits for votes, or was confirmed since; the refusal is on record, and the second request is not made."""
    voted = await stage.ask("stop", AGENT, server="db01")
    with pytest.raises(NotAllowedError, match="approvers can deny"):
        await stage.gate.submit(_request(voted.id, VOTERS[0]), scope=OPERATOR)
    confirmed = await stage.confirmed("stop", server="web01")
    with pytest.raises(StaleChangeError, match="already"):
        await stage.gate.submit(_request(confirmed.id), scope=OPERATOR)
    assert {change.id for change in await stage.changes.list(scope=OPERATOR)} == {voted.id, confirmed.id}
    events = [record.event for record in await stage.database.read(chain.read)]
    assert events.count("refused") == 1
