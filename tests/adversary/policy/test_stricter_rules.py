"""An old yes does not outlive the rules: what got stricter since is superseded, and nothing is sent."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import pytest
from sqlalchemy.engine import Connection

from tests.adversary.harness import PRIVATE_SCENE, world
from tests.fakes.slack_bot import message_words
from tests.harness.internals import database_of
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, ALICE, POLICY, VOTERS, Setup, Stage, staged
from vpsops.core.authorization.votes import Statement
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.model import Limits
from vpsops.core.policy import Policy, parse_policy
from vpsops.core.policy_register import history
from vpsops.core.policy_register.history import Application
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

NEW: Final = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
READS: Final = '[[rule]]\nid = "reads"\nrisk = "read"\ndecision = "allow"\n'
PEOPLE: Final = '[[rule]]\nid = "people"\nactor = "person"\nrisk = ["change", "disruptive"]\ndecision = "confirm"\n'
AGENTS: Final = (
    '[[rule]]\nid = "agents"\nactor = "agent"\nrisk = ["change", "disruptive"]\ndecision = "approve"\n'
    'votes = {votes}\napprovers = {{ groups = ["{group}"] }}\n'
)


def policy(*more: str, people: str = PEOPLE, votes: int = 2, group: str = "S_OPS") -> Policy:
    return parse_policy(READS + people + AGENTS.format(votes=votes, group=group) + "".join(more), "vpsops.toml")


FREEZE: Final = '[[rule]]\nid = "freeze"\noperation = "stop"\ndecision = "deny"\nreason = "No stops this week."\n'
DEAR: Final = '[[rule]]\nid = "dear"\ncost_above = 1\noperation = "create"\ndecision = "deny"\n'
STRICTER: Final = {
    "a rule added": (Setup(policy=policy(FREEZE)), AGENT, "stop", "No stops this week."),
    "more votes": (Setup(policy=policy(votes=3)), AGENT, "stop", "asks for 3 approvals, and asked for 2"),
    "another group": (Setup(policy=policy(group="S_SRE")), AGENT, "stop", "names other people who may approve it"),
    "others must decide": (Setup(policy=policy(people="")), ALICE, "stop", "refuses it. No rule allows it."),
    "a price": (Setup(policy=policy(DEAR)), ALICE, "create", "refuses it. Rules: dear"),
    "a budget": (Setup(limits=Limits(max_monthly_spend=1)), ALICE, "create", "The limit max_monthly_spend (1 a month)"),
    "a rate": (Setup(limits=Limits(max_changes_per_hour=1)), ALICE, "stop", "The limit max_changes_per_hour (1)"),
    "protection": (Setup(limits=Limits(protected=frozenset({"web*"}))), AGENT, "stop", "The limit protected (web*)"),
}
MILDER: Final = {
    "a vote less": (Setup(policy=policy(votes=1)), AGENT),
    "a group more": (Setup(policy=policy(group='S_OPS", "S_SRE')), AGENT),
    "no confirmation": (Setup(policy=policy(people=PEOPLE.replace("confirm", "allow"))), ALICE),
    "another name": (Setup(policy=policy(people=PEOPLE.replace('"people"', '"folk"'))), ALICE),
}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatorHandle]:
    async with running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as handle:
        yield handle


async def asked(stage: Stage, actor: Actor, operation: str) -> Change:
    """Ask for a change, and for another one before it, which a rate counts."""
    await stage.ask("reboot", actor, server=stage.server("other.example.com").id)
    return await stage.ask(operation, actor, **(NEW if operation == "create" else {"server": "web01"}))


async def agree(stage: Stage, held: Change, *, dies: bool = False) -> Change:
    """Let all required people agree; a process that `dies` records the last yes and does nothing more."""
    if held.actor.kind is ALICE.kind:
        if not dies:
            return await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        word = Statement(ALICE, held.digest)
        return await stage.database.transact(
            lambda connection: stage.gate._votes(OPERATOR).confirm(connection, held.id, word)
        )
    await stage.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    if not dies:
        return await stage.gate.vote(held.id, VOTERS[1], Verdict.APPROVE, held.digest, scope=OPERATOR)
    last = Statement(VOTERS[1], held.digest)
    return await stage.database.transact(
        lambda connection: stage.gate._votes(OPERATOR).vote(connection, held.id, last, Verdict.APPROVE)
    )


async def superseded(stage: Stage, ended: Change, why: str) -> None:
    """Assert that nothing was sent, and that the card, channels and the trail have the reason."""
    assert ended.state is State.SUPERSEDED, ended.note
    assert ended.note.startswith("Nothing was sent. ")
    assert why in ended.note
    assert stage.asked(ended.operation) == 0
    assert (await stage.events(ended.id)).endswith("superseded")
    assert any("superseded" in event.values() for event in await stage.notices())


@pytest.mark.parametrize(("setup", "actor", "operation", "why"), STRICTER.values(), ids=STRICTER)
@pytest.mark.requirement("decided-again")
async def test_the_last_yes_comes_too_late(
    database_url: str, provider: SimulatorHandle, setup: Setup, actor: Actor, operation: str, why: str
) -> None:
    """The last yes is not counted: the change has ended by the transaction that would have recorded it."""
    async with staged(database_url, provider) as before:
        held = await asked(before, actor, operation)
    async with staged(database_url, provider, setup) as now:
        ended = await agree(now, held)
        await superseded(now, ended, why)
        assert len((await now.changes.get(held.id, scope=OPERATOR)).votes) == (actor is AGENT)


@pytest.mark.parametrize(("setup", "actor", "operation", "why"), STRICTER.values(), ids=STRICTER)
@pytest.mark.requirement("decided-again")
async def test_what_was_agreed_to_is_asked_again_before_it_is_sent(
    database_url: str, provider: SimulatorHandle, setup: Setup, actor: Actor, operation: str, why: str
) -> None:
    """The process that took the yes died; the one that comes after it runs under other rules."""
    async with staged(database_url, provider) as before:
        approved = await agree(before, await asked(before, actor, operation), dies=True)
        assert approved.state is State.APPROVED
    async with staged(database_url, provider, setup) as now:
        await now.engine.start()
        now.engine.run(approved.id)
        await superseded(now, await now.rest(approved.id), why)


@pytest.mark.parametrize(("setup", "actor"), MILDER.values(), ids=MILDER)
@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.requirement("decided-again")
async def test_a_milder_rule_changes_nothing(
    database_url: str, provider: SimulatorHandle, setup: Setup, actor: Actor, dies: bool
) -> None:
    """People were asked under the stricter one, and its answer stands; one vote fewer does not start it early."""
    async with staged(database_url, provider) as before:
        held = await asked(before, actor, "stop")
        if dies:
            await agree(before, held, dies=True)
    async with staged(database_url, provider, setup) as now:
        await now.engine.start()
        if dies:
            now.engine.run(held.id)
        else:
            await agree(now, held)
        assert (await now.rest(held.id)).state is State.SUCCEEDED


@pytest.mark.requirement("decided-again")
async def test_a_yes_before_closing_time_sends_nothing_after_it(database_url: str, provider: SimulatorHandle) -> None:
    """The policy is unchanged: the hours of its rule are over when the next process takes the change up."""
    now = VirtualClock().now()
    hours = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(minutes=2):%H:%M}"
    closed = (
        f'[[rule]]\nid = "closed"\nrisk = ["change", "disruptive"]\noutside_hours = "Mon-Sun {hours}"\n'
        'time_zone = "UTC"\ndecision = "deny"\nreason = "Not at night."\n'
    )
    setup = Setup(policy=policy(closed))
    async with staged(database_url, provider, setup) as stage:
        approved = await agree(stage, await asked(stage, ALICE, "stop"), dies=True)
        assert approved.state is State.APPROVED
    await anyio.sleep(180)
    async with staged(database_url, provider, setup) as stage:
        await stage.engine.start()
        stage.engine.run(approved.id)
        await superseded(stage, await stage.rest(approved.id), "Not at night.")


def test_the_table_is_about_the_policy_of_the_stage() -> None:
    assert policy().version == POLICY.version


@pytest.mark.requirement("decided-again")
async def test_a_click_under_a_new_policy_is_answered_in_its_words(tmp_path: Path) -> None:
    """The card was drawn under the old one; the policy was replaced for every process before Bob pressed Approve."""
    async with world(tmp_path, PRIVATE_SCENE) as here:
        await database_of(here.core).transact(frozen)
        await here.stage.slack.click("bob", here.card, "vps:approve")
        card = await here.stage.card("approvals", words="cancelled (outdated)")
        assert "The policy now refuses it. No reboots this week. Rules: freeze, rest." in message_words(card)
        assert (await here.held()).state is State.SUPERSEDED


def frozen(connection: Connection) -> None:
    """Put a policy in force that lets no one reboot anything."""
    before = history.in_force(connection)
    assert before is not None
    freeze = {"id": "freeze", "decision": "deny", "operation": ["reboot"], "reason": "No reboots this week."}
    document = replace(before.document, rules=(freeze, {"id": "rest", "decision": "allow"}), embedded=False)
    history.apply(connection, Application(document, before.number, {"id": "local:ann"}, 5.0, "vpsops.toml"))
