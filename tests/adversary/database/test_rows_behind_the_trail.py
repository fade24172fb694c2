"""Altered rows, or a cut trail, are detected by `vpsops audit verify` and doctor."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import START
from tests.harness.virtual_time import VirtualClock
from tests.unit.core import sample
from tests.unit.core.harness import AGENT, POLICY, VOTERS, Stage, staged
from vpsops.cli.audit import _verify_in
from vpsops.core.audit import chain, records
from vpsops.core.authorization import discrepancies as rows
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes import serialization
from vpsops.core.changes.model import Change, State, Verdict, Vote
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.config.settings import Settings
from vpsops.core.diagnostics.database import check_trail
from vpsops.core.identity.actors import Actor, ActorKind, Approvers
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD, CHANGES, VOTES
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import running_simulator

OPS: Final = Approvers(groups=("S_OPS",))
NOBODY: Final = Actor(ActorKind.PERSON, "V9", "voter9", "V9")
OTHER: Final = serialization.change_values(sample.change(actor=replace(AGENT, name="other")))["actor"]
Tamper = Callable[[Connection, Change], object]


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    config = SimulatorConfig(speed=600.0, seed=7)
    async with running_simulator(config, clock=VirtualClock()) as provider, staged(database_url, provider) as made:
        yield made


def values(**columns: Any) -> Tamper:
    """Return work that alters the row of a change."""
    return lambda connection, change: connection.execute(
        sa.update(CHANGES).where(CHANGES.c.id == change.id).values(**columns)
    )


def ruling(votes: int = 2, approvers: Approvers = OPS) -> Tamper:
    """Return work that alters the ruling of a change that waits for two votes."""
    made = Ruling(Decision.APPROVE, ("agents",), votes, approvers, "", POLICY.version, (approvers,))
    return values(ruling=serialization.change_values(sample.change(ruling=made))["ruling"])


def vote(connection: Connection, change: Change) -> None:
    entry = Vote(NOBODY, Verdict.APPROVE, "", "", START)
    connection.execute(sa.insert(VOTES).values(**serialization.vote_values(change.id, entry)))


def without_votes(connection: Connection, change: Change) -> None:
    connection.execute(sa.delete(VOTES).where(VOTES.c.change_id == change.id))


def without_row(connection: Connection, change: Change) -> None:
    without_votes(connection, change)
    connection.execute(sa.delete(CHANGES).where(CHANGES.c.id == change.id))


def without(*events: str) -> Tamper:
    """Return work that removes records from the trail and rewrites the whole chain, as full access allows."""

    def work(connection: Connection, _: Change) -> None:
        kept = [item for item in chain.read(connection) if item.event not in events]
        connection.execute(sa.delete(AUDIT))
        connection.execute(sa.update(AUDIT_HEAD).values(seq=0, hash=records.GENESIS))
        for entry in kept:
            body = {name: value for name, value in entry.body.items() if name not in {"seq", "at", "event", "change"}}
            chain.append(connection, entry.at, entry.event, entry.change_id, body)

    return work


def cut(connection: Connection, change: Change) -> None:
    """Cut the trail before a change was asked for, and set the head."""
    first = chain.read(connection, change_id=change.id)[0]
    connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq >= first.seq))
    connection.execute(sa.update(AUDIT_HEAD).values(seq=first.seq - 1, hash=first.previous))


HELD: Final[dict[str, tuple[Tamper, str]]] = {
    "state": (values(state="approved"), "by the audit trail it is held, and its row says approved"),
    "arguments": (values(arguments={"server": "other"}), "its row is not about what was shown and agreed to"),
    "digest": (values(digest="e" * 64), "its row is not about what was shown and agreed to"),
    "target": (values(target={"id": "x", "hostname": "x", "state": ""}), "its row has another target"),
    "operation": (values(operation="reboot"), "its row has another operation"),
    "votes needed": (ruling(votes=1), "its row has another number of votes"),
    "approvers": (ruling(approvers=Approvers(people=("V9",))), "its row has another list of approvers"),
    "asker": (values(actor=OTHER), "its row has another asker"),
    "a vote": (vote, "it has votes that the audit trail does not hold, by V9"),
    "votes gone": (without_votes, "votes of the audit trail are gone from it, by V0"),
    "row gone": (without_row, "the trail holds it, and its row is gone"),
    "trail cut": (cut, "the trail does not hold its request, and it is newer than the trail's head: the trail was cut"),
    "a denial removed": (without("denied"), "by the audit trail it is held, and its row says denied"),
}


async def found(stage: Stage) -> list[str]:
    return [str(discrepancy) async for discrepancy in discrepancies(stage.database)]


async def verify_output(stage: Stage, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code and the output of `vpsops audit verify`."""
    capsys.readouterr()
    code = await _verify_in(chain.ChainVerifier(), stage.database)
    return code, capsys.readouterr().out


@pytest.mark.parametrize(("tamper", "what"), HELD.values(), ids=HELD)
@pytest.mark.requirement("rows-are-verified")
async def test_a_row_that_the_trail_does_not_carry_is_told(
    stage: Stage, capsys: pytest.CaptureFixture[str], tamper: Tamper, what: str
) -> None:
    """Verify and doctor report it by its id; the other changes are fine."""
    await stage.done("reboot", server=stage.server("other.example.com").id)
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    verdict = Verdict.DENY if "denied" in what else Verdict.APPROVE
    await stage.gate.vote(held.id, VOTERS[0], verdict, held.digest, scope=OPERATOR)
    assert (await found(stage), (await verify_output(stage, capsys))[0]) == ([], 0)
    await stage.change(held.id, tamper)
    code, output = await verify_output(stage, capsys)
    assert code == 1
    assert f"{held.id}: " in output
    assert what in output
    assert "does not carry one change as the database has it" in output
    (finding,) = await check_trail(stage.database, Settings())
    assert (finding.level, held.id in finding.what) == ("fail", True)


@pytest.mark.parametrize(
    ("events", "what"),
    [
        (("confirmed",), "is a send without its approval: the audit trail holds no confirmation by its human"),
        (("sending",), "it was sent, and the trail does not hold that it was"),
    ],
)
@pytest.mark.requirement("rows-are-verified")
async def test_a_send_without_its_approval_is_told(
    stage: Stage, capsys: pytest.CaptureFixture[str], events: tuple[str, ...], what: str
) -> None:
    """Of a consistent chain: the forger had to leave the sending without its yes, or the row alone."""
    done = await stage.done("reboot", server=stage.server("web.example.com").id)
    assert await found(stage) == []
    await stage.change(done.id, without(*events))
    code, output = await verify_output(stage, capsys)
    assert (code, f"{done.id}: " in output, what in output) == (1, True, True), output
    await stage.change(done.id, without_row)
    (gone, *_) = await found(stage)
    assert gone == f"{done.id}: the trail holds it, and its row is gone"


@pytest.mark.requirement("rows-are-verified")
async def test_a_row_that_was_altered_is_not_sent(stage: Stage) -> None:
    """The runner compares the same."""
    held = await stage.ask("stop", AGENT, server=stage.server("web.example.com").id)
    await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    stored = serialization.change_values(sample.change(actor=replace(held.actor, name="other")))
    await stage.change(held.id, values(actor=stored["actor"]))
    await stage.gate.vote(held.id, VOTERS[1], Verdict.APPROVE, held.digest, scope=OPERATOR)
    ended = await stage.rest(held.id)
    assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
    assert "its row has another asker than its request" in ended.note


@pytest.mark.requirement("rows-are-verified")
async def test_many_changes_are_compared_page_by_page(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change with more records than allowed is reported without reading them."""
    monkeypatch.setattr(rows, "PAGE", 2)
    monkeypatch.setattr(rows, "MOST_RECORDS", 9)
    ids = [(await stage.ask("stop", AGENT, server=stage.server(f"w{n}.example.com").id)).id for n in range(5)]
    assert await found(stage) == []
    last = max(ids)
    await stage.change(last, values(state="approved"))
    assert [item.partition(":")[0] for item in await found(stage)] == [last]
    await stage.database.transact(
        lambda connection: [chain.append(connection, 1.0, "noise", last, {}) for _ in range(9)] and None
    )
    assert await found(stage) == [f"{last}: the trail holds more than 9 records of it"]
