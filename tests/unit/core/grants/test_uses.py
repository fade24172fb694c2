"""Grants through the gate: how they open, what they let through, and each reason why they do not."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from tests.unit.core.grants.harness import (
    HOUR,
    MCP,
    ask,
    granted,
    grants,
    held,
    let_through,
    move,
    oncall,
    opened,
    why_held,
)
from tests.unit.core.harness import AGENT, ALICE, VOTERS, Stage, stage_of, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import GrantWish, State, Verdict
from vpsops.core.changes.requests import Held, Refused
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.changes.serialization import FORMAT
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.grants import lifecycle
from vpsops.core.grants.model import GrantState
from vpsops.core.identity.actors import Actor, Origin
from vpsops.core.limits.loader import parse_limits
from vpsops.core.policy.decision import Decision
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.mark.requirement("grants")
async def test_an_approval_with_a_grant_lets_the_same_through_without_votes(stage: Stage) -> None:
    """Each use runs, says by which grant, counts, and stands in the trail; the last one uses the grant up."""
    grant = await opened(stage)
    assert (grant.uses, grant.used, grant.until - grant.opened_at) == (3, 0, timedelta(hours=1))
    for number in (1, 2, 3):
        change = await let_through(stage)
        assert change.state is State.SUCCEEDED, change.note
        assert change.ruling.grant is not None
        assert change.ruling.grant.words == f"by grant {grant.id}, {number} of 3"
        assert (change.votes, change.ruling.decision) == ((), Decision.ALLOW)
    (used,) = await grants(stage)
    assert (used.state, used.used) == (GrantState.USED_UP, 3)
    assert "its 3 uses are used up" not in await why_held(stage)  # it is no open one any more
    assert stage.effects("reboot") == 4
    assert (await stage.events(grant.source)).split().count("grant_used") == 3
    assert [str(fault) async for fault in discrepancies(stage.database)] == []


async def test_a_plain_approval_opens_nothing(stage: Stage) -> None:
    """Who approves the change alone grants nothing."""
    await granted(stage, await held(stage), None)
    assert await grants(stage) == []
    assert isinstance(await ask(stage), Held)


async def test_a_denial_with_a_grant_opens_nothing(stage: Stage) -> None:
    """A wish counts with an approval alone."""
    change = await held(stage)
    await stage.gate.vote(change.id, VOTERS[0], Verdict.DENY, change.digest, grant=HOUR, scope=OPERATOR)
    assert await grants(stage) == []


@pytest.mark.requirement("grant-votes")
@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        (HOUR, HOUR, 3600.0),
        (HOUR, GrantWish(1800.0), 1800.0),
        (GrantWish(1800.0), GrantWish(7200.0), 1800.0),
        (HOUR, None, None),
        (None, HOUR, None),
    ],
)
async def test_every_vote_has_to_grant_and_the_shortest_time_holds(
    database_url: str,
    provider: SimulatorHandle,
    first: GrantWish | None,
    second: GrantWish | None,
    seconds: float | None,
) -> None:
    """Of two votes one without a grant approves the change and opens nothing."""
    async with staged(database_url, provider, oncall(votes=2)) as stage:
        change = await held(stage)
        await granted(stage, change, first)
        assert await grants(stage) == []
        assert (await granted(stage, change, second, VOTERS[1])).state is State.SUCCEEDED
        lengths = [(grant.until - grant.opened_at).total_seconds() for grant in await grants(stage)]
        assert lengths == ([] if seconds is None else [seconds])


async def test_the_time_counts_from_the_last_vote(database_url: str, provider: SimulatorHandle) -> None:
    """A grant that waited for its second vote is as long as any."""
    async with staged(database_url, provider, oncall(votes=2)) as stage:
        change = await held(stage)
        await granted(stage, change)
        move(stage, 600)
        before = stage.clock.now()
        await granted(stage, change, HOUR, VOTERS[1])
        (grant,) = await grants(stage)
        assert grant.until - timedelta(hours=1) >= before


@pytest.mark.parametrize(
    "wish",
    [GrantWish(7201.0), GrantWish(0.0), GrantWish(-1.0), GrantWish(float("inf")), GrantWish(3600.0, on_rule=True)],
)
async def test_what_cannot_be_granted_is_refused_and_nothing_is_decided(stage: Stage, wish: GrantWish) -> None:
    """Longer than the cap, no time, for ever, and all servers of a rule that names none."""
    change = await held(stage)
    with pytest.raises(InvalidInputError, match="grant"):
        await stage.gate.vote(change.id, VOTERS[0], Verdict.APPROVE, change.digest, grant=wish, scope=OPERATOR)
    assert (await stage.changes.get(change.id, scope=OPERATOR)).votes == ()


async def test_what_destroys_is_never_granted(stage: Stage) -> None:
    """Its ruling has no terms, so a vote with a grant is refused."""
    stage.server("old01.example.com", Really.STOPPED)
    change = await held(stage, "old01", operation="delete")
    assert change.ruling.grant_terms is None
    with pytest.raises(InvalidInputError, match="No rule lets its approvers grant"):
        await granted(stage, change)


async def test_a_person_is_granted_nothing(stage: Stage) -> None:
    """Grants are for agents: a person's own change has no terms, and uses no agent's grant."""
    await opened(stage)
    change = await stage.ask("reboot", ALICE, server="web01")
    assert change.ruling.grant_terms is None
    assert change.ruling.grant is None


async def test_its_time_ends_it(stage: Stage) -> None:
    """After its time a change is held as usual, and the grant is closed with a record."""
    grant = await opened(stage)
    move(stage, 3601)
    assert isinstance(await ask(stage), Held)
    await stage.database.transact(lambda entry: lifecycle.close_due(entry, grant.ruling.policy, stage.clock.now()))
    (ended,) = await grants(stage)
    assert ended.state is GrantState.EXPIRED
    assert (await stage.events(grant.source)).endswith("grant_ended")


@pytest.mark.parametrize(
    ("actor", "origin", "reason"),
    [
        (replace(AGENT, id="mcp:other", name="other"), MCP, "it is for another agent or client of this person"),
        (AGENT, replace(MCP, credential="token-2"), "the agent's token has changed"),
        (AGENT, replace(MCP, credential=""), "the agent's token has changed"),
        (AGENT, Origin("cli", credential="token-1"), "it is for requests from another place"),
        (replace(AGENT, human="slack:U2"), MCP, ""),
    ],
)
async def test_another_agent_token_or_person_is_held(stage: Stage, actor: Actor, origin: Origin, reason: str) -> None:
    """The human behind the grant reads why; a stranger's agent learns nothing of it."""
    grant = await opened(stage)
    note = await why_held(stage, actor=actor, origin=origin)
    assert note == (f"{grant.id} does not let it through: {reason}." if reason else "")


async def test_another_operation_and_other_arguments_are_held(stage: Stage) -> None:
    """A grant is for one operation, with the arguments that were shown."""
    await opened(stage)
    assert await why_held(stage, operation="stop") == ""
    labels = await held(stage, "web01", operation="label", labels=["team=shop"])
    await granted(stage, labels)
    assert "its arguments are others" in await why_held(stage, operation="label", labels=["team=ops"])


async def test_another_server_is_held(stage: Stage) -> None:
    """Exact ids by default."""
    await opened(stage)
    stage.server("web02.example.com")
    assert "it is for web01.example.com" in await why_held(stage, "web02")


async def test_the_servers_of_a_rule(database_url: str, provider: SimulatorHandle) -> None:
    """With the rule's pattern every server it means is let through, and no other rule's."""
    async with staged(database_url, provider, oncall(server="web*")) as stage:
        stage.server("web02.example.com")
        grant = await opened(stage, wish=GrantWish(3600.0, on_rule=True))
        assert grant.servers == ("web*",)
        assert (await let_through(stage, "web02")).state is State.SUCCEEDED
        outcome = await ask(stage, stage.server("app01.example.com").id)
        assert isinstance(outcome, Refused)  # no rule is about it


async def test_one_vote_for_the_server_alone_narrows_the_grant(database_url: str, provider: SimulatorHandle) -> None:
    """The fewest servers that a voter named hold."""
    async with staged(database_url, provider, oncall(votes=2, server="web*")) as stage:
        change = await held(stage)
        await granted(stage, change, GrantWish(3600.0, on_rule=True))
        await granted(stage, change, GrantWish(3600.0), VOTERS[1])
        (grant,) = await grants(stage)
        assert (grant.servers, grant.servers_text) == ((), "web01.example.com")


async def test_a_state_that_the_rule_excludes_is_held(database_url: str, provider: SimulatorHandle) -> None:
    """`states` is of the live server at each use."""
    async with staged(database_url, provider, oncall(server="off*", more=', states = ["stopped"]')) as stage:
        off = [stage.server(f"off0{n}.example.com", Really.STOPPED) for n in range(3)]
        change = await held(stage, off[0].id, operation="label", labels=["team=shop"])
        await granted(stage, change, GrantWish(3600.0, on_rule=True))
        stopped = await let_through(stage, off[1].id, operation="label", labels=["team=shop"])
        assert stopped.state is State.SUCCEEDED
        await stage.done("start", server=off[2].id)
        note = await why_held(stage, off[2].id, operation="label", labels=["team=shop"])
        assert "the server is running, and it holds while stopped" in note


async def test_a_protected_server_is_refused_whatever_is_granted(stage: Stage) -> None:
    """A limit is what nobody can approve past, and a grant neither."""
    await opened(stage)
    limits = parse_limits('[limits]\nprotected_from_agents = ["web01"]\n', "vpsops.toml")
    backend = replace(stage.backend, policy=replace(stage.policy, loaded_limits=limits))
    guarded = stage_of(stage.provider, stage.process, backend)
    assert isinstance(await ask(guarded), Refused)
    (grant,) = await grants(stage)
    assert grant.used == 0


async def test_a_limit_refuses_a_use_and_does_not_count_it(stage: Stage) -> None:
    """A use is counted with the change that is stored, and with nothing else."""
    await opened(stage)
    limits = parse_limits("[limits]\nmax_changes_per_hour = 1\n", "vpsops.toml")
    backend = replace(stage.backend, policy=replace(stage.policy, loaded_limits=limits))
    assert isinstance(await ask(stage_of(stage.provider, stage.process, backend)), Refused)
    (grant,) = await grants(stage)
    assert (grant.used, grant.state) == (0, GrantState.OPEN)


async def test_a_version_without_grants_leaves_the_change_alone(stage: Stage) -> None:
    """A process of a version before them would take it for one that its rules allow."""
    await opened(stage)
    change = await let_through(stage)
    query = sa.select(CHANGES.c.format).where(CHANGES.c.id == change.id)
    assert await stage.database.read(lambda entry: entry.execute(query).scalar_one()) == FORMAT
