"""Requests for grants through the gate: who asks for whom, what votes open, and each reason why none is held."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.core.grants.harness import MCP, ask, grants, held, let_through, move, oncall, why_held
from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Stage, stage_of, staged
from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import Change, GrantWish, State, Verdict
from vpsops.core.changes.requests import Held, Outcome, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.grants.model import Grant, GrantState
from vpsops.core.grants.requests import GrantRequest
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.limits.loader import parse_limits
from vpsops.core.storage.tables import GRANTS, PLAN_MEMBERS
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", groups=("S_OPS",), account="U2")
HOUR = 3600.0
NAMED = "assistant"


async def request(
    stage: Stage,
    *servers: str,
    actor: Actor = BOB,
    operation: str = "reboot",
    seconds: float = HOUR,
    agent: str | None = None,
    **more: Any,
) -> Outcome:
    """Ask for a grant: a person for the agent, or the agent for itself."""
    own = actor.kind is ActorKind.AGENT
    asked = Request(operation, {}, actor, MCP if own else SLACK)
    named = ("" if own else NAMED) if agent is None else agent
    grant = GrantRequest(asked, servers or ("web01",), seconds, agent=named, **more)
    return await stage.gate.ask_grant(grant, scope=OPERATOR)


async def known(stage: Stage) -> None:
    """Let the agent ask for something, so that a person can name it."""
    await why_held(stage)


async def asked(stage: Stage, *servers: str, **more: Any) -> Change:
    """Return a request for a grant that is held."""
    outcome = await request(stage, *servers, **more)
    assert isinstance(outcome, Held), outcome
    return outcome.change


async def voted(stage: Stage, change: Change, voter: Actor = VOTERS[0], **more: Any) -> Change:
    """Approve a request."""
    return await stage.gate.vote(change.id, voter, Verdict.APPROVE, change.digest, scope=OPERATOR, **more)


async def opened(stage: Stage, *servers: str, **more: Any) -> Grant:
    """Return the grant that a request opened."""
    change = await asked(stage, *servers, **more)
    assert (await voted(stage, change)).state is State.SUCCEEDED
    (grant,) = await grants(stage, GRANTS.c.source == change.id)
    return grant


@pytest.mark.requirement("grant-requests")
async def test_an_approved_request_lets_the_agent_repeat_an_operation(stage: Stage) -> None:
    """It opens with the last vote, on exactly the servers that were named, and its uses are proven like any."""
    stage.server("web02.example.com")
    stage.server("web03.example.com")
    await known(stage)
    grant = await opened(stage, "web01", "web02", uses=2)
    assert (grant.state, grant.uses, grant.until - grant.opened_at) == (GrantState.OPEN, 2, timedelta(hours=1))
    assert grant.servers_text == "web01.example.com, web02.example.com"
    for server, number in (("web01", 1), ("web02", 2)):
        change = await let_through(stage, server)
        assert change.state is State.SUCCEEDED, change.note
        assert change.ruling.grant is not None
        assert change.ruling.grant.words == f"by grant {grant.id}, {number} of 2"
    assert stage.effects("reboot") == 2
    assert [str(fault) async for fault in discrepancies(stage.database)] == []


async def test_a_server_that_was_not_named_is_held(stage: Stage) -> None:
    """And another operation, and another agent."""
    stage.server("web02.example.com")
    await known(stage)
    grant = await opened(stage)
    assert await why_held(stage, "web02") == f"{grant.id} does not let it through: it is for web01.example.com."
    assert await why_held(stage, operation="stop") == ""
    assert "another agent" in await why_held(stage, actor=replace(AGENT, id="mcp:other", name="other"))
    assert "token has changed" in await why_held(stage, origin=replace(MCP, credential="token-2"))


async def test_nothing_opens_before_the_last_vote(database_url: str, provider: SimulatorHandle) -> None:
    """As many votes as the change would need, by different people; the time counts from the last of them."""
    async with staged(database_url, provider, oncall(votes=2)) as stage:
        await known(stage)
        change = await asked(stage)
        assert (await voted(stage, change)).state is State.HELD
        assert await grants(stage) == []
        with pytest.raises(NotAllowedError, match="voted on this change already"):
            await voted(stage, change)
        move(stage, 600)
        before = stage.clock.now()
        assert (await voted(stage, change, VOTERS[1])).state is State.SUCCEEDED
        (grant,) = await grants(stage)
        assert grant.until >= before + timedelta(hours=1)


@pytest.mark.requirement("grant-requests")
@pytest.mark.parametrize("voter", [BOB, replace(ALICE, groups=("S_OPS",)), AGENT])
async def test_neither_the_asker_nor_the_human_of_the_agent_votes(stage: Stage, voter: Actor) -> None:
    """Bob asks for Ann's agent: others decide."""
    await known(stage)
    change = await asked(stage)
    with pytest.raises(NotAllowedError):
        await voted(stage, change, voter)
    assert (await stage.changes.get(change.id, scope=OPERATOR)).votes == ()


async def test_an_agent_asks_for_itself_and_is_always_held(stage: Stage) -> None:
    """Its own human does not vote; another person does."""
    change = await asked(stage, actor=AGENT)
    assert change.state is State.HELD
    with pytest.raises(NotAllowedError):
        await voted(stage, change, replace(ALICE, groups=("S_OPS",)))
    assert (await voted(stage, change)).state is State.SUCCEEDED
    assert (await let_through(stage)).state is State.SUCCEEDED


async def test_an_agent_asks_for_no_other_agent(stage: Stage) -> None:
    """Nor by its name."""
    await known(stage)
    with pytest.raises(InvalidInputError, match="for itself alone"):
        await request(stage, actor=AGENT, agent="other")


async def test_a_person_names_an_agent_that_is_known(stage: Stage) -> None:
    """One that never asked, or that may be two people's, is not guessed."""
    with pytest.raises(InvalidInputError, match="No agent assistant is known"):
        await request(stage)
    with pytest.raises(InvalidInputError, match="none is named"):
        await request(stage, agent="")
    await known(stage)
    await why_held(stage, actor=replace(AGENT, human="slack:U3"))
    with pytest.raises(InvalidInputError, match="may be several agents"):
        await request(stage)
    assert (await asked(stage, human="U1")).agent.account == "U1"


@pytest.mark.parametrize(
    ("seconds", "uses", "reason"),
    [
        (7201.0, None, "cannot be granted here"),
        (float("inf"), None, "cannot be granted here"),
        (float("nan"), None, "cannot be granted here"),
        (299.0, None, "cannot be granted here"),
        (0.0, None, "That time cannot be granted here"),
        (HOUR, 4, "4 uses cannot be granted here"),
        (HOUR, 0, "0 uses cannot be granted here"),
    ],
)
async def test_more_than_the_rule_lets_is_refused(stage: Stage, seconds: float, uses: int | None, reason: str) -> None:
    """With what can be written; nothing is held."""
    await known(stage)
    with pytest.raises(InvalidInputError, match=reason) as caught:
        await request(stage, seconds=seconds, uses=uses)
    assert "Write" in str(caught.value.hint)
    assert (await request(stage, seconds=7200.0, uses=3)).__class__ is Held


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ("delete", "Delete cannot be granted|delete cannot be granted"),
        ("rollback", "cannot be granted"),
        ("create", "cannot be granted"),
        ("resize", "cannot be granted"),
        ("get", "cannot be granted"),
        ("unheard", "cannot be granted"),
        ("label", "cannot be granted on request"),
    ],
)
async def test_what_cannot_be_granted_is_refused(stage: Stage, operation: str, reason: str) -> None:
    """What destroys, has a price, reads, is unknown, or takes more than a server."""
    await known(stage)
    with pytest.raises(InvalidInputError, match=reason):
        await request(stage, operation=operation)


@pytest.mark.parametrize("servers", [("*",), ("web*",), ("web01", "web*")])
async def test_a_pattern_that_is_no_rules_is_refused(stage: Stage, servers: tuple[str, ...]) -> None:
    """The rule of this policy names no servers."""
    await known(stage)
    with pytest.raises(InvalidInputError, match="No rule lets its approvers grant"):
        await request(stage, *servers)


async def test_the_pattern_of_the_rule_is_for_all_its_servers(database_url: str, provider: SimulatorHandle) -> None:
    """Also for one that is added later; another pattern is refused."""
    async with staged(database_url, provider, oncall(server="web*")) as stage:
        await known(stage)
        grant = await opened(stage, "web*")
        assert (grant.servers, grant.servers_text) == (("web*",), "web*")
        stage.server("web07.example.com")
        assert (await let_through(stage, "web07")).state is State.SUCCEEDED
        for pattern in ("*", "web0*"):
            with pytest.raises(InvalidInputError, match="No rule lets") as caught:
                await request(stage, pattern)
            assert "web*" in caught.value.hint


async def test_the_strictest_rule_over_the_servers_decides(stage: Stage) -> None:
    """A server of which a rule lets nothing be granted refuses the whole, by its name."""
    stage.server("db07.example.com")
    await known(stage)
    with pytest.raises(InvalidInputError, match=r"No grant on db07\.example\.com"):
        await request(stage, "web01", "db07")


async def test_no_vote_grants_more_than_was_asked_for(stage: Stage) -> None:
    """A vote on a request for a grant takes no wish."""
    await known(stage)
    change = await asked(stage)
    with pytest.raises(InvalidInputError):
        await voted(stage, change, grant=GrantWish(7200.0))


async def test_a_denial_and_a_withdrawal_open_nothing(stage: Stage) -> None:
    """A request ends as a change does."""
    await known(stage)
    denied = await asked(stage)
    await stage.gate.vote(denied.id, VOTERS[0], Verdict.DENY, denied.digest, scope=OPERATOR)
    withdrawn = await asked(stage)
    assert (await stage.gate.cancel(withdrawn.id, BOB, scope=OPERATOR)).state is State.CANCELLED
    assert await grants(stage) == []


async def test_a_request_expires(stage: Stage) -> None:
    """Without its votes in time."""
    await known(stage)
    change = await asked(stage)
    move(stage, 4000)
    assert (await stage.rest(change.id)).state is State.EXPIRED
    assert await grants(stage) == []


async def test_the_same_request_waits_once(stage: Stage) -> None:
    """A second one is refused with the first."""
    await known(stage)
    first = await asked(stage)
    outcome = await request(stage)
    assert isinstance(outcome, Refused)
    assert outcome.change is not None
    assert outcome.change.id == first.id
    assert isinstance(await request(stage, seconds=1800.0), Held)


async def test_it_holds_no_server(stage: Stage) -> None:
    """A change of the same server continues beside it."""
    await known(stage)
    await asked(stage)
    assert isinstance(await ask(stage), Held)


async def test_a_pause_stops_requests_and_their_votes(stage: Stage) -> None:
    """Also what a person asked for: it is an agent's."""
    await known(stage)
    change = await asked(stage)
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    with pytest.raises(AgentsPausedError):
        await voted(stage, change)
    outcome = await request(stage, seconds=1800.0)
    assert isinstance(outcome, Refused)
    assert "paused" in outcome.reason


async def test_another_policy_at_the_last_vote_opens_nothing(stage: Stage) -> None:
    """The request is superseded, whatever the difference."""
    await known(stage)
    change = await asked(stage)
    policy = replace(stage.policy.latest(), version="pol_other")
    backend = replace(stage.backend, policy=replace(stage.policy, loaded=policy))
    ended = await voted(stage_of(stage.provider, stage.process, backend), change)
    assert (ended.state, await grants(stage)) == (State.SUPERSEDED, [])
    assert "Another policy is in force" in ended.note


async def test_a_server_that_is_protected_by_then_opens_nothing(stage: Stage) -> None:
    """And one that is protected is refused at once."""
    await known(stage)
    change = await asked(stage)
    limits = parse_limits('[limits]\nprotected_from_agents = ["web01"]\n', "vpsops.toml")
    guarded = stage_of(
        stage.provider, stage.process, replace(stage.backend, policy=replace(stage.policy, loaded_limits=limits))
    )
    ended = await voted(guarded, change)
    assert (ended.state, await grants(stage)) == (State.SUPERSEDED, [])
    assert isinstance(await request(guarded), Refused)


async def test_servers_that_were_altered_behind_it_open_nothing(stage: Stage) -> None:
    """Its digest is over its servers, which are compared before a grant opens."""
    await known(stage)
    change = await asked(stage)
    altered = PLAN_MEMBERS.update().where(PLAN_MEMBERS.c.plan_id == change.id).values(digest="0" * 64)
    await stage.database.transact(lambda entry: entry.execute(altered))
    with pytest.raises(NotAllowedError, match="not as they were shown"):
        await voted(stage, change)
    assert await grants(stage) == []
    assert (await stage.changes.get(change.id, scope=OPERATOR)).state is State.HELD


@pytest.mark.requirement("grant-requests")
@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"until": 9e9}, "until"),
        ({"uses": 90}, "uses"),
        ({"operation": "stop"}, "operation"),
        ({"servers": ["*"]}, "servers"),
    ],
)
async def test_a_grant_that_is_altered_behind_the_trail_sends_nothing(
    stage: Stage, values: dict[str, Any], what: str
) -> None:
    """The sending compares its row with the records of the request."""
    await known(stage)
    await opened(stage)
    await stage.database.transact(lambda entry: entry.execute(GRANTS.update().values(**values)))
    outcome = await ask(stage)
    if isinstance(outcome, Held):  # it does not match any more
        return
    assert not isinstance(outcome, Refused), what
    assert outcome.change is not None
    assert (await stage.rest(outcome.change.id)).state is State.FAILED
    assert stage.effects("reboot") == 0


async def test_what_is_shown_is_what_is_hashed(stage: Stage) -> None:
    """Agent, person, operation, servers, time and uses are facts, and another one of each is another digest."""
    stage.server("web02.example.com")
    await known(stage)
    change = await asked(stage, "web01", uses=2)
    shown = {fact.label: fact.value for fact in change.facts}
    assert shown["Agent"] == "the agent that calls itself “assistant”"
    assert shown["Its person"] == "Slack account U1"
    assert (shown["Operation"], shown["Servers"]) == ("reboot", "web01.example.com")
    assert (shown["Lasts"], shown["Uses"]) == ("1 h from the last vote", "at most 2")
    others = [
        await asked(stage, "web02", uses=2),
        await asked(stage, "web01", uses=3),
        await asked(stage, "web01", uses=2, seconds=1800.0),
        await asked(stage, "web01", uses=2, operation="stop"),
    ]
    assert len({other.digest for other in (change, *others)}) == 5


async def test_a_grant_by_request_ends_as_any(stage: Stage) -> None:
    """By its time, by its approvers, and by a pause."""
    await known(stage)
    grant = await opened(stage)
    await stage.gate.end_grant(grant.id, VOTERS[1], scope=OPERATOR)
    assert isinstance(await ask(stage), Held)
    await opened(stage, seconds=1800.0, operation="stop")
    await stage.gate.pause_agents(VOTERS[0], paused=True, scope=OPERATOR)
    assert {each.state for each in await grants(stage)} == {GrantState.ENDED}


async def test_a_request_is_listed_as_a_change_of_its_asker(stage: Stage) -> None:
    """For the agent that it names, as of the agent's last request."""
    await known(stage)
    change = await asked(stage)
    assert (change.operation, change.actor.id) == ("grant_reboot", "U2")
    assert change.agent == (await held(stage)).agent
