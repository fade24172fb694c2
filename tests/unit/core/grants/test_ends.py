"""Grants through the gate: what ends them, who may end them, and where they are shown."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.harness.patience import eventually
from tests.unit.core.grants.harness import (
    MCP,
    ask,
    granted,
    grants,
    held,
    let_through,
    move,
    opened,
    why_held,
)
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Stage, stage_of
from vpsops.core.audit import chain
from vpsops.core.changes.model import GrantWish, State
from vpsops.core.changes.requests import Done, Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, UnknownGrantError
from vpsops.core.grants import lifecycle, repository
from vpsops.core.grants.model import GrantState
from vpsops.core.grants.queries import GrantQueries
from vpsops.core.grants.topics import topic_of
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.storage.tables import GRANTS, OUTBOX


async def test_another_policy_ends_a_grant(stage: Stage) -> None:
    """Also one that decides the same: people granted under what they knew."""
    grant = await opened(stage)
    policy = replace(stage.policy.latest(), version="pol_other")
    backend = replace(stage.backend, policy=replace(stage.policy, loaded=policy))
    assert "another policy is in force" in await why_held(stage_of(stage.provider, stage.process, backend))
    await stage.database.transact(lambda entry: lifecycle.close_due(entry, "pol_other", stage.clock.now()))
    (ended,) = await grants(stage)
    assert (ended.state, ended.note) == (GrantState.ENDED, "Another policy is in force.")
    assert ended.id == grant.id


async def test_a_grant_is_not_opened_under_another_policy_than_was_shown(stage: Stage) -> None:
    """The change is approved, as its rules got no stricter; the grant is not."""
    change = await held(stage)
    policy = replace(stage.policy.latest(), version="pol_other")
    backend = replace(stage.backend, policy=replace(stage.policy, loaded=policy))
    await granted(stage_of(stage.provider, stage.process, backend), change)
    assert await grants(stage) == []


async def test_a_pause_ends_all_grants(stage: Stage) -> None:
    """Resuming agents brings none of them back."""
    grant = await opened(stage)
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    (ended,) = await grants(stage)
    assert (ended.state, ended.note) == (GrantState.ENDED, "Agents were paused.")
    await stage.gate.pause_agents(VOTERS[0], paused=False, scope=OPERATOR)
    assert isinstance(await ask(stage), Held)
    assert (await stage.events(grant.source)).endswith("grant_ended")


STRANGER = Actor(ActorKind.PERSON, "U9", "eve", "U9", account="U9")
OTHER_AGENT = replace(AGENT, id="mcp:other")


@pytest.mark.parametrize(
    ("actor", "may"), [(VOTERS[1], True), (ALICE, True), (AGENT, True), (STRANGER, False), (OTHER_AGENT, False)]
)
async def test_who_may_end_a_grant(stage: Stage, actor: Actor, *, may: bool) -> None:
    """Its approvers, its human, and the agent itself; a refusal is on record."""
    grant = await opened(stage)
    if may:
        ended = await stage.gate.end_grant(grant.id, actor, scope=OPERATOR)
        assert (ended.state, ended.note) == (GrantState.ENDED, f"{actor.label} ended it.")
        with pytest.raises(StaleChangeError):
            await stage.gate.end_grant(grant.id, actor, scope=OPERATOR)
        assert isinstance(await ask(stage), Held)
        return
    with pytest.raises(NotAllowedError):
        await stage.gate.end_grant(grant.id, actor, scope=OPERATOR)
    records = await stage.database.read(chain.read)
    assert records[-1].event == "refused"
    assert (await let_through(stage)).state is State.SUCCEEDED


async def test_an_unknown_grant_is_not_ended(stage: Stage) -> None:
    """The error names no other grant."""
    with pytest.raises(UnknownGrantError):
        await stage.gate.end_grant("gr_unknown", ALICE, scope=OPERATOR)


async def test_a_grant_that_ends_before_the_send_supersedes_its_change(stage: Stage) -> None:
    """What was true when it was stored is asked again before it is sent."""
    grant = await opened(stage)
    stage.fault("slow", "get", seconds=0.5)
    outcome = await ask(stage)
    assert isinstance(outcome, Done)
    assert outcome.change is not None
    await stage.gate.end_grant(grant.id, ALICE, scope=OPERATOR)
    change = await stage.rest(outcome.change.id)
    assert change.state in {State.SUPERSEDED, State.FAILED}, change.note
    assert grant.id in change.note
    assert stage.effects("reboot") == 1


async def test_a_dry_run_says_by_which_grant_and_uses_nothing(stage: Stage) -> None:
    """As often as it is asked."""
    grant = await opened(stage)
    for _ in range(2):
        run = await stage.gate.dry_run(Request("reboot", {"server": "web01"}, AGENT, MCP), scope=OPERATOR)
        assert run.refusal is None
        assert run.change.ruling.grant is not None
        assert run.change.ruling.grant.words == f"by grant {grant.id}, 1 of 3"
    (still,) = await grants(stage)
    assert still.used == 0


async def test_a_repeated_request_is_the_same_change_and_one_use(stage: Stage) -> None:
    """A key makes a delivery of a request that arrived before that request."""
    await opened(stage)
    request = Request("reboot", {"server": "web01"}, AGENT, MCP, key="call-1")
    outcomes = [await stage.gate.submit(request, scope=OPERATOR) for _ in range(2)]
    ids = {outcome.change.id for outcome in outcomes if isinstance(outcome, Done) and outcome.change is not None}
    assert len(ids) == 1
    (grant,) = await grants(stage)
    assert grant.used == 1


async def test_the_open_grants_of_an_agent_and_of_its_human(stage: Stage) -> None:
    """An agent sees its own, a person all of theirs, an operator every one; an ended one is gone."""
    grant = await opened(stage)
    queries = GrantQueries(stage.database, stage.clock, stage.backend.visibility)

    async def ids(of: Actor | None) -> list[str]:
        return [grant.id for grant in await queries.list_open(scope=OPERATOR, of=of)]

    assert await ids(None) == await ids(AGENT) == await ids(ALICE) == [grant.id]
    assert await ids(OTHER_AGENT) == await ids(STRANGER) == []
    move(stage, 3601)
    assert await ids(None) == []


async def test_each_step_is_a_message(stage: Stage) -> None:
    """The line of a grant is drawn again after its opening, each use and its end."""
    grant = await opened(stage)
    await let_through(stage)
    await stage.gate.end_grant(grant.id, ALICE, scope=OPERATOR)

    def messages(connection: Connection) -> int:
        where = OUTBOX.c.topic == topic_of(grant.id)
        return connection.scalar(sa.select(sa.func.count()).where(where)) or 0

    assert await stage.database.read(messages) == 3


async def test_a_row_that_cannot_be_read_lets_nothing_through(stage: Stage) -> None:
    """Unknown is not yes; a pause ends it all the same."""
    await opened(stage)
    await stage.database.transact(lambda entry: entry.execute(GRANTS.update().values(target={"id": 7})))
    assert isinstance(await ask(stage), Held)
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    states = await stage.database.read(lambda entry: list(entry.scalars(sa.select(GRANTS.c.state))))
    assert states == ["ended"]


async def test_a_pause_records_the_end_of_each_grant(stage: Stage) -> None:
    """Also of those that are more than are read at once, and of one that cannot be read."""
    grant = await opened(stage)
    others = [f"gr_{number}" for number in range(repository.MOST_OPEN + 1)]

    def copy(connection: Connection) -> None:
        row = dict(connection.execute(sa.select(GRANTS)).mappings().one())
        rows = [{**row, "id": ident, "source": f"chg_of_{ident}"} for ident in others]
        connection.execute(sa.insert(GRANTS), rows)
        connection.execute(GRANTS.update().where(GRANTS.c.id == others[0]).values(target={"id": 7}))

    await stage.database.transact(copy)
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    kept = await stage.database.read(lambda connection: chain.read(connection, limit=2 * len(others)))
    ended = [str(record.body.get("grant")) for record in kept if record.event == "grant_ended"]
    assert sorted(ended) == sorted([grant.id, *others])
    notes = await stage.database.read(lambda connection: set(connection.scalars(sa.select(GRANTS.c.note))))
    assert notes == {"Agents were paused."}


@pytest.mark.requirement("grant-dates")
@pytest.mark.parametrize("back", [0.0, 7200.0])
async def test_a_date_that_is_set_back_lengthens_no_grant(stage: Stage, back: float) -> None:
    """Its time is over by the date, or by what has passed since it was opened, whichever is earlier."""
    await opened(stage, wish=GrantWish(300.0))
    move(stage, -back)
    await stage.clock.sleep(280.0)
    assert (await let_through(stage)).state is State.SUCCEEDED
    await stage.clock.sleep(60.0)
    assert isinstance(await ask(stage), Held)

    async def is_closed() -> bool:
        (grant,) = await grants(stage)
        return grant.state is GrantState.EXPIRED

    await eventually(is_closed)
