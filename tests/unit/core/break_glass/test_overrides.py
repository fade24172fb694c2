"""A person runs their own change without votes, and another one reviews it; on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, staged
from vpsops.core.audit import chain
from vpsops.core.authorization.votes import Statement
from vpsops.core.break_glass import repository as reviews
from vpsops.core.break_glass.overrides import OverrideRequest
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR, Scope
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, StaleChangeError
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.limits.model import Limits
from vpsops.core.operations.registry import Risk
from vpsops.core.operations.target import Target
from vpsops.core.policy import Policy, parse_policy
from vpsops.core.policy.context import PolicyContext
from vpsops.core.policy_register.force import PolicyInForce
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

BOB = Actor(ActorKind.PERSON, "U2", "bob", "U2", account="U2")
ON_CALL = replace(ALICE, groups=("S0ONCALL",))
TERMINAL = Origin("cli")
REASON = "The shop is down and no approver answers the phone."
NOTE = "Agreed: the shop was down."
FACTS = PolicyContext(
    "reboot", Risk.DISRUPTIVE, ALICE, "slack", datetime(2026, 11, 24, tzinfo=UTC), Target("s1", "web01")
)
RULES = """
[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "servers"
operation = ["reboot", "stop", "start", "create", "delete"]
decision = "approve"
votes = 2
approvers = { groups = ["S_OPS"] }
override = ["S0ONCALL", "U2"]
"""


APPROVERS = 'approvers = { groups = ["S_OPS"] }'
OVERRIDE = 'override = ["S0ONCALL", "U2"]'


def policy(extra: str = "", *, override: str = OVERRIDE, approvers: str = APPROVERS) -> Policy:
    return parse_policy(RULES.replace(OVERRIDE, override).replace(APPROVERS, approvers) + extra, "vpsops.toml")


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(policy=policy())) as set_stage:
        yield set_stage


async def overridden(
    stage: Stage, change: Change, actor: Actor = ON_CALL, *, scope: Scope = OPERATOR, **more: Any
) -> Change:
    values = {"reason": REASON, "typed_name": change.target.hostname, "origin": SLACK, "digest": change.digest, **more}
    return await stage.gate.override(change.id, OverrideRequest(actor, **values), scope=scope)


async def reviewed(stage: Stage, change: Change, actor: Actor = VOTERS[0], note: str = NOTE) -> Change:
    word = Statement(actor, reason=note, evidence="read just now")
    return await stage.gate.close_review(change.id, word, scope=OPERATOR)


async def now_in_force(stage: Stage, rules: Policy, limits: Limits | None = None) -> None:
    """Put another policy in force for the whole harness."""
    in_force: PolicyInForce = stage.policy
    object.__setattr__(in_force, "loaded", rules)
    if limits is not None:
        object.__setattr__(in_force, "loaded_limits", limits)


@pytest.mark.requirement("override-own-change-alone")
async def test_a_named_person_runs_their_own_change_without_votes(stage: Stage) -> None:
    """It is sent once, is on record with who, why and by which name, and a review of it is open."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    started = await overridden(stage, held)
    assert started.override is not None
    assert (started.override.reason, started.override.among) == (REASON, ("S0ONCALL",))
    done = await stage.rest(held.id)
    assert (done.state, stage.effects("reboot", "web01")) == (State.SUCCEEDED, 1)
    assert (await stage.events(held.id)).split()[:2] == ["requested", "overridden"]
    assert "overridden" in [notice["event"] for notice in await stage.notices()]
    assert [change.id for change in await stage.changes.open_reviews(scope=OPERATOR)] == [held.id]


async def test_a_person_named_by_id_may_as_well(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", BOB, server="web01")
    assert (await overridden(stage, held, BOB)).override is not None
    assert (await stage.rest(held.id)).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("asker", "actor", "words"),
    [
        (ALICE, ALICE, "not among those"),  # in none of the groups, as read now
        (ALICE, replace(BOB, groups=("S0ONCALL",)), "Only the person who asked"),
        (AGENT, ON_CALL, "agent asked for"),
        (AGENT, AGENT, "agent asked for"),
    ],
)
@pytest.mark.requirement("override-own-change-alone")
async def test_others_and_agents_may_not(stage: Stage, asker: Actor, actor: Actor, words: str) -> None:
    """What was refused is on record, and nothing was sent."""
    stage.server("web01")
    held = await stage.ask("reboot", asker, server="web01")
    with pytest.raises(NotAllowedError, match=words):
        await overridden(stage, held, actor)
    assert (await stage.changes.get(held.id, scope=OPERATOR)).state is State.HELD
    records = await stage.database.read(chain.read)
    assert (records[-1].event, records[-1].body["about"]) == ("refused", held.id)
    assert stage.effects("reboot") == 0


@pytest.mark.parametrize(
    ("reason", "typed", "words"),
    [
        ("short", "web01", "too short"),
        ("a  b\n" * 12, "web01", "too short"),  # one sign again and again
        ("spaces    count   once", "web01", "too short"),
        ("exactly twenty signs", "web01", ""),
        ("the disk of web01 is full", "web01", "the reason of the change itself"),
        ("The disk  of web01 IS FULL, so.", "web01", "the reason of the change itself"),
        (REASON, "web0", "full name"),
        (REASON, "", "full name"),
        (REASON, "WEB01", ""),
    ],
)
async def test_reason_and_name_are_checked(stage: Stage, reason: str, typed: str, words: str) -> None:
    """A pasted reason of the change says nothing new; a hostname has no case."""
    stage.server("web01")
    outcome = await stage.gate.submit(
        Request("reboot", {"server": "web01"}, ALICE, SLACK, reason="the disk of web01 is full", can_confirm=True),
        scope=OPERATOR,
    )
    assert isinstance(outcome, Held)
    if not words:
        assert (await overridden(stage, outcome.change, reason=reason, typed_name=typed)).override is not None
        return
    with pytest.raises(InvalidInputError, match=words):
        await overridden(stage, outcome.change, reason=reason, typed_name=typed)
    assert stage.effects("reboot") == 0


async def test_the_last_label_alone_is_not_the_name(stage: Stage) -> None:
    stage.server("shop.example.com")
    held = await stage.ask("reboot", server="shop")
    with pytest.raises(InvalidInputError, match="full name"):
        await overridden(stage, held, typed_name="shop")


async def test_a_denied_change_stays_denied(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await stage.gate.vote(held.id, VOTERS[0], Verdict.DENY, held.digest, scope=OPERATOR)
    with pytest.raises(StaleChangeError, match="denied"):
        await overridden(stage, held)
    assert stage.effects("reboot") == 0


async def test_a_vote_that_came_before_stays_on_record(stage: Stage) -> None:
    """One of two approvals is no hindrance, and the run counts as one without votes all the same."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    await overridden(stage, held)
    done = await stage.rest(held.id)
    assert (done.state, done.approvals, done.override is not None) == (State.SUCCEEDED, 1, True)


async def test_another_digest_is_refused(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    with pytest.raises(StaleChangeError, match="not what was shown"):
        await overridden(stage, held, digest="0" * 64)


async def test_twice_runs_once(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    with pytest.raises(StaleChangeError):
        await overridden(stage, held)
    await stage.rest(held.id)
    assert stage.effects("reboot") == 1
    assert await stage.database.read(reviews.count_open) == 1


async def test_a_server_that_changed_supersedes_it(stage: Stage) -> None:
    """Live state is read again before the send, as after votes."""
    server = stage.server("web01")
    held = await stage.ask("stop", server="web01")
    stage.provider.simulator.world.override(server, Really.STOPPED, None, None)
    await overridden(stage, held)
    done = await stage.rest(held.id)
    assert done.state in {State.SUPERSEDED, State.FAILED}
    assert stage.effects("stop") == 0


@pytest.mark.requirement("override-decided-again")
@pytest.mark.parametrize("override", ["", 'override = ["S0OTHER"]'])
async def test_a_rule_that_names_the_person_no_more_ends_it(stage: Stage, override: str) -> None:
    """The policy in force decides again at the click, in the rule's words; nothing is sent and no review is opened."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await now_in_force(stage, policy(override=override))
    ended = await overridden(stage, held)
    assert ended.state is State.SUPERSEDED
    assert "run it without votes" in ended.note
    assert stage.effects("reboot") == 0
    assert await stage.database.read(reviews.count_open) == 0


async def test_limits_hold(stage: Stage) -> None:
    """A protected server stays protected whoever breaks the glass."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await now_in_force(stage, policy(), replace(stage.policy.loaded_limits, protected=frozenset({"web*"})))
    ended = await overridden(stage, held)
    assert ended.state is State.SUPERSEDED
    assert stage.effects("reboot") == 0


def test_rules_together_let_only_who_is_on_every_list() -> None:
    """A second rule without a list lets no one; with one, its people must be on both."""
    both = '\n[[rule]]\nid = "web"\nserver = "web*"\ndecision = "approve"\napprovers = { groups = ["S_OPS"] }\n'
    ruling = policy(both).decide(FACTS)
    assert ruling.overrides == ()
    listed = policy(both + 'override = ["U1"]\n').decide(FACTS)
    assert listed.override_names == [["U2", "S0ONCALL"], ["U1"]]


@pytest.mark.requirement("override-own-change-alone")
async def test_a_terminal_without_an_account_is_refused(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    local = Actor(ActorKind.PERSON, "local:alice", "alice", "local:alice", groups=("S0ONCALL",))
    with pytest.raises(NotAllowedError, match="no account"):
        await overridden(stage, held, local, origin=TERMINAL)


async def test_a_terminal_with_the_account_of_a_named_person_may(stage: Stage) -> None:
    stage.server("web01")
    person = Actor(ActorKind.PERSON, "slack:U2", "U2", "slack:U2")
    outcome = await stage.gate.submit(
        Request("reboot", {"server": "web01"}, person, TERMINAL, can_confirm=True), scope=OPERATOR
    )
    assert isinstance(outcome, Held)
    await overridden(stage, outcome.change, person, origin=TERMINAL)
    assert (await stage.rest(outcome.change.id)).state is State.SUCCEEDED


async def test_a_policy_that_names_no_one_offers_nothing(stage: Stage) -> None:
    stage.server("web01")
    await now_in_force(stage, policy(override=""))
    held = await stage.ask("reboot", server="web01")
    assert held.ruling.overrides == ()
    with pytest.raises(NotAllowedError, match="No rule lets anyone"):
        await overridden(stage, held)


async def test_a_dry_run_names_who_may(stage: Stage) -> None:
    stage.server("web01")
    run = await stage.gate.dry_run(Request("reboot", {"server": "web01"}, ALICE, SLACK), scope=OPERATOR)
    assert not isinstance(run.refusal, Refused)
    assert run.change.ruling.override_text == "U2, S0ONCALL"


async def test_a_row_that_claims_an_override_is_not_sent(stage: Stage) -> None:
    """Whoever writes the database and not the trail gets nothing sent."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")

    def forge(connection: Connection) -> None:
        stored = {
            "by": {"kind": "person", "id": "U1", "name": "", "human": "U1", "aliases": [], "groups": [], "account": ""},
            "reason": REASON,
            "among": ["S0ONCALL"],
            "at": 0.0,
            "reviewer": None,
            "note": "",
            "reviewed_at": None,
        }
        connection.execute(
            sa.update(CHANGES)
            .where(CHANGES.c.id == held.id)
            .values(state=State.APPROVED.value, overridden=stored, version=held.version + 1)
        )

    await stage.database.transact(forge)
    stage.engine.run(held.id)
    done = await stage.rest(held.id)
    assert (done.state, stage.effects("reboot")) == (State.FAILED, 0)
