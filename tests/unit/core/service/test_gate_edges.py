"""The gate's last checks: what an earlier one let pass and a later one must not, and where a hold's time ends."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from tests.fakes.clock import FakeClock
from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, stage_of, staged
from vpsops.core.authorization.refusals import IdentifiedActor, refusal_of
from vpsops.core.authorization.submission import hold_seconds
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR, ChangeQuery, Scope, ServerFilter
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, StorageError, UnknownChangeError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.policy import parse_policy
from vpsops.core.policy.context import ServerPatterns
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.storage.tables import CHANGES
from vpsops.core.workspaces.model import Workspaces
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2")
WEB, DB = ServerFilter((ServerPatterns.of(["web*"]),)), ServerFilter((ServerPatterns.of(["db*"]),))
NARROW = Scope(servers=WEB)
RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "stops"
operation = "stop"
decision = "approve"
votes = 1
expires = "5m"
approvers = { groups = ["S_OPS"] }

[[rule]]
id = "people"
operation = ["reboot", "start"]
decision = "confirm"
"""


def several(stage: Stage) -> Stage:
    """Return the services of a set-up with several workspaces."""
    policy = replace(stage.policy, loaded_workspaces=Workspaces(several=True))
    return stage_of(stage.provider, stage.process, replace(stage.backend, policy=policy))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle, clock: FakeClock) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(clock=clock)) as made:
        yield made


async def stored(stage: Stage, change: Change, column: sa.Column[Any]) -> Any:
    """Return what a column holds of a change."""
    query = sa.select(column).where(CHANGES.c.id == change.id)
    return await stage.database.read(lambda connection: connection.execute(query).scalar_one())


@pytest.mark.requirement("only-the-asker-confirms")
async def test_what_needs_other_peoples_approval_cannot_be_confirmed(stage: Stage) -> None:
    """Neither the human behind the agent nor an eligible voter can: it stays held and nothing is sent."""
    held = await stage.ask("stop", AGENT, server="web01")
    assert held.ruling.decision is Decision.APPROVE
    for person in (ALICE, VOTERS[0]):
        with pytest.raises(NotAllowedError, match="other people's approval"):
            await stage.gate.confirm(held.id, person, held.digest, scope=OPERATOR)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD
    assert stage.asked("stop") == 0


async def test_what_its_asker_confirms_takes_no_votes(stage: Stage) -> None:
    """Others cannot agree to it in the asker's place."""
    held = await stage.ask("stop", ALICE, server="web01")
    with pytest.raises(NotAllowedError, match="does not take votes"):
        await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD


@pytest.mark.parametrize("length", [0, 1, 4, 15])
async def test_a_digest_that_is_empty_or_short_is_no_digest(stage: Stage, length: int) -> None:
    """Sixteen characters are what a card carries; less could be guessed, and nothing fits everything."""
    confirmed = await stage.ask("stop", ALICE, server="web01")
    voted = await stage.ask("stop", AGENT, server="db01")
    with pytest.raises(StaleChangeError, match="not what was shown"):
        await stage.gate.confirm(confirmed.id, ALICE, confirmed.digest[:length], scope=OPERATOR)
    with pytest.raises(StaleChangeError, match="not what was shown"):
        await stage.gate.vote(voted.id, VOTERS[0], Verdict.APPROVE, voted.digest[:length], scope=OPERATOR)
    assert {(await stage.changes.get(entry.id, scope=OPERATOR)).state for entry in (confirmed, voted)} == {State.HELD}


async def test_sixteen_characters_of_the_digest_are_enough_and_another_one_is_not(stage: Stage) -> None:
    """The card's sixteen characters or the whole digest match; the digest plus one character does not."""
    held = await stage.ask("stop", AGENT, server="web01")
    for wrong in (f"x{held.digest[1:16]}", f"{held.digest}0"):
        with pytest.raises(StaleChangeError):
            await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, wrong, scope=OPERATOR)
    assert (await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest[:16], scope=OPERATOR)).approvals == 1
    assert (
        await stage.gate.vote(held.id, VOTERS[1], Verdict.APPROVE, held.digest, scope=OPERATOR)
    ).state is not State.HELD


@pytest.mark.parametrize(("seconds", "late"), [(899.0, False), (900.0, True), (901.0, True)])
@pytest.mark.requirement("hold-expires")
async def test_a_hold_is_over_at_the_very_second(stage: Stage, clock: FakeClock, seconds: float, *, late: bool) -> None:
    """A late click is answered, whether or not a round has ended the hold by then."""
    held = await stage.ask("stop", ALICE, server="web01")
    clock.advance(seconds)
    if late:
        with pytest.raises(StaleChangeError, match="expired"):
            await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    else:
        assert (await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)).state is State.APPROVED


async def test_a_vote_after_the_end_of_a_hold_is_refused(stage: Stage, clock: FakeClock) -> None:
    """An hour where the rule sets nothing; a vote in its last second counts."""
    held = await stage.ask("stop", AGENT, server="web01")
    clock.advance(3599)
    assert (await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)).approvals == 1
    clock.advance(1)
    with pytest.raises(StaleChangeError, match="expired"):
        await stage.gate.vote(held.id, VOTERS[1], Verdict.APPROVE, held.digest, scope=OPERATOR)


async def test_a_rules_own_expiry_holds(database_url: str, provider: SimulatorHandle, clock: FakeClock) -> None:
    """Five minutes, to the second: shown on the change, and kept."""
    setup = Setup(clock=clock, policy=parse_policy(RULES, "vpsops.toml"))
    async with staged(database_url, provider, setup) as stage:
        held = await stage.ask("stop", AGENT, server="web01")
        assert held.expires_at == held.created_at + timedelta(minutes=5)
        assert await stored(stage, held, CHANGES.c.expires_at) == (held.created_at + timedelta(minutes=5)).timestamp()
        clock.advance(300)
        with pytest.raises(StaleChangeError, match="expired"):
            await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)


@pytest.mark.parametrize(
    ("decision", "own", "seconds"),
    [
        (Decision.CONFIRM, 0.0, 900.0),
        (Decision.CONFIRM, 300.0, 900.0),  # a rule's expiry is about votes
        (Decision.APPROVE, 0.0, 3600.0),
        (Decision.APPROVE, 300.0, 300.0),
        (Decision.APPROVE, 86_400.0, 86_400.0),
    ],
)
def test_how_long_a_hold_waits(decision: Decision, own: float, seconds: float) -> None:
    """A quarter of an hour for the asker, an hour for others, or what the rule sets."""
    assert hold_seconds(Ruling(decision, expires=own), DEFAULT_TIMING) == seconds


@pytest.mark.requirement("escalation")
async def test_a_request_stores_when_more_people_are_asked(stage: Stage) -> None:
    """Half-way for a change that waits for votes; never for one its asker confirms or that needs no agreement."""
    voted = await stage.ask("stop", AGENT, server="web01")
    assert await stored(stage, voted, CHANGES.c.remind_at) == (voted.created_at + timedelta(minutes=30)).timestamp()
    confirmed = await stage.ask("stop", ALICE, server="db01")
    assert await stored(stage, confirmed, CHANGES.c.remind_at) is None


async def test_a_narrowed_gate_narrowed_again_sees_what_both_see(stage: Stage) -> None:
    """A later narrowing never widens: neither the servers of the other, nor a change on one, come back."""
    held = await stage.ask("stop", server="db01")
    both = Scope(servers=WEB.narrowed(DB))
    again = Scope(servers=WEB.narrowed(WEB))
    for scope, names in ((NARROW, {"web01.example.com"}), (both, set()), (again, {"web01.example.com"})):
        listed = await stage.gate.submit(Request("list", {}, ALICE, SLACK), scope=scope)
        assert isinstance(listed, Done)
        assert listed.result is not None
        assert {item["hostname"] for item in listed.result.model_dump()["servers"]} == names
    with pytest.raises(UnknownChangeError):
        await stage.changes.get(held.id, scope=both)
    assert WEB.narrowed(ServerFilter()) == WEB


async def test_a_key_taken_by_a_change_out_of_sight_shows_nothing_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This also holds where the key was free when checked and taken in the instant of the storing."""
    other = await stage.ask("stop", server="db01", key="trigger-1")
    request = Request("stop", {"server": "web01"}, ALICE, SLACK, key="trigger-1", can_confirm=True)
    with pytest.raises(UnknownChangeError):
        await stage.gate.submit(request, scope=NARROW)
    monkeypatch.setattr("vpsops.core.changes.repository.by_key", _blind_once())
    with pytest.raises(UnknownChangeError) as unknown:
        await stage.gate.submit(request, scope=NARROW)
    assert "db01" not in str(unknown.value)
    assert [entry.id for entry in await stage.changes.list(scope=OPERATOR)] == [other.id]


def _blind_once() -> Any:
    from vpsops.core.changes.repository import by_key  # noqa: PLC0415 - the real one, before it is replaced

    keys: list[str] = []

    def find(connection: Any, key: str) -> Change | None:
        keys.append(key)
        return None if len(keys) == 1 else by_key(connection, key)

    return find


async def test_the_same_key_in_the_instant_of_the_storing_is_the_same_change(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redelivery that overtook the first check is answered with the existing change."""
    first = await stage.ask("stop", server="web01", key="trigger-1")
    monkeypatch.setattr("vpsops.core.changes.repository.by_key", _blind_once())
    again = await stage.gate.submit(
        Request("stop", {"server": "web01"}, ALICE, SLACK, key="trigger-1", can_confirm=True), scope=OPERATOR
    )
    assert isinstance(again, Held)
    assert again.change.id == first.id


async def test_a_change_of_another_workspace_in_the_way_is_not_named(stage: Stage) -> None:
    """Where there are several workspaces only the presence of an earlier change is disclosed."""
    first = await stage.ask("stop", server="web01")
    request = Request("reboot", {"server": "web01"}, ALICE, replace(SLACK, team="T2"))
    refused = await several(stage).gate.submit(request, scope=Scope("T2"))
    assert isinstance(refused, Refused)
    assert first.id not in refused.reason + refused.hint


@pytest.mark.parametrize("state", ["sending", "watching", "unknown", "needs_person", "succeeded", "denied"])
async def test_what_has_left_or_is_over_cannot_be_withdrawn(stage: Stage, state: str) -> None:
    """A waiting change can be cancelled; a later attempt is answered with its state."""
    held = await stage.ask("stop", server="web01")
    moved = CHANGES.update().where(CHANGES.c.id == held.id).values(state=state)
    await stage.database.transact(lambda connection: connection.execute(moved))
    with pytest.raises(StaleChangeError, match=state.replace("_", " ")):
        await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state.value == state


@pytest.mark.parametrize("state", ["held", "approved"])
async def test_what_still_waits_is_withdrawn_by_its_asker_alone(stage: Stage, state: str) -> None:
    """Before it is sent, by the human behind it, also where an agent asked."""
    held = await stage.ask("stop", AGENT, server="web01")
    moved = CHANGES.update().where(CHANGES.c.id == held.id).values(state=state, owner="other")
    await stage.database.transact(lambda connection: connection.execute(moved))
    with pytest.raises(NotAllowedError, match="Only the agent that calls itself “assistant” can cancel"):
        await stage.gate.cancel(held.id, BOB, scope=OPERATOR)
    assert (await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)).state is State.CANCELLED


@pytest.mark.parametrize(
    ("ruling", "actor", "can_confirm", "text"),
    [
        (Ruling(Decision.ALLOW), AGENT, False, None),
        (Ruling(Decision.DENY, reason="Not at night."), ALICE, True, "Not at night."),
        (Ruling(Decision.CONFIRM), ALICE, True, None),
        (Ruling(Decision.CONFIRM), ALICE, False, "this client cannot ask"),
        (Ruling(Decision.APPROVE), ALICE, False, None),
        (Ruling(Decision.APPROVE), replace(AGENT, account="U1"), False, None),
        (Ruling(Decision.APPROVE), AGENT, False, "No directory of accounts can be asked"),
        (Ruling(Decision.APPROVE), replace(AGENT, human=""), True, "human behind this agent"),
        (Ruling(Decision.APPROVE), replace(AGENT, human="local:ann"), True, "human behind this agent"),
    ],
)
def test_what_cannot_even_be_held(ruling: Ruling, actor: Actor, text: str | None, *, can_confirm: bool) -> None:
    """Refused by the policy, by a client that cannot ask, or for an agent without a human."""
    refusal = refusal_of(ruling, IdentifiedActor(actor), SLACK, can_confirm=can_confirm)
    assert (refusal is None) is (text is None)
    if refusal is not None and text is not None:
        assert text in refusal.reason


async def test_a_change_that_cannot_be_read_is_named_only_to_who_sees_all(stage: Stage) -> None:
    """Its owner and server are unknown: neither a narrowed gate nor a workspace gets it."""
    held = await stage.ask("stop", server="db01")
    spoilt = CHANGES.update().where(CHANGES.c.id == held.id).values(ruling={"decision": "perhaps"})
    await stage.database.transact(lambda connection: connection.execute(spoilt))
    pages = [
        await stage.changes.page(ChangeQuery(), scope=OPERATOR),
        await stage.changes.page(ChangeQuery(), scope=NARROW),
        await several(stage).changes.page(ChangeQuery(), scope=Scope("T1")),
    ]
    assert [len(page.unreadable) for page in pages] == [1, 0, 0]
    assert [page.changes for page in pages] == [(), (), ()]


async def test_a_stored_change_is_answered_although_the_names_of_groups_cannot_be_read(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error says that nothing was stored, and a client would ask again."""

    def fail(*_: object) -> Change:
        raise StorageError("The database stayed locked by another process.")

    async with staged(database_url, provider, Setup(policy=parse_policy(RULES, "vpsops.toml"))) as stage:
        request = Request("stop", {"server": "web01"}, ALICE, SLACK, can_confirm=True)
        monkeypatch.setattr("vpsops.core.service.gate.with_group_names", fail)
        held = await stage.gate.submit(request, scope=OPERATOR)
        assert isinstance(held, Held)
        assert held.change.state is State.HELD
        again = await stage.gate.submit(request, scope=OPERATOR)
        assert isinstance(again, Refused)
        assert again.change is not None
        assert again.change.id == held.change.id
