"""Policies that follow one another between a card or form and its sending: the last one decides."""

import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.engine import Connection

from tests.adversary.forms.forgery import chosen, opened, send, shown
from tests.e2e.bot_messages import test_bot_grants as grants
from tests.e2e.break_glass import test_bot_overrides as overrides
from tests.fakes.slack_bot import BotHarness, Scene, stage
from tests.harness.internals import database_of
from vpsops.core.app import Core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.policy_register import history
from vpsops.core.policy_register.history import Application
from vpsops.playground.slack.workspace.entities import Message

Rule = Mapping[str, Any]
Rules = Callable[[Sequence[Rule]], Sequence[Rule]]
DENIED: Final = {"id": "freeze", "decision": "deny", "operation": ["reboot"], "reason": "No reboots this week."}


def changed(ident: str, **keys: Any) -> Rules:
    """Return a policy with other keys in one rule; a key without a value is taken away."""

    def change(rules: Sequence[Rule]) -> Sequence[Rule]:
        whole = [{**rule, **keys} if rule["id"] == ident else rule for rule in rules]
        return [{name: value for name, value in rule.items() if value is not None} for rule in whole]

    return change


def by(person: str) -> Rules:
    return changed("reboots", approvers={"people": [person]})


def denied(rules: Sequence[Rule]) -> Sequence[Rule]:
    return [DENIED, *rules]


def removed(rules: Sequence[Rule]) -> Sequence[Rule]:
    return [rule for rule in rules if rule["id"] == "reads"]


def as_it_was(rules: Sequence[Rule]) -> Sequence[Rule]:
    return [rule for rule in rules if rule["id"] != "freeze"]


async def apply(core: Core, *chain: Rules) -> None:
    """Put policies in force, one after another, for every process."""
    for number, rules in enumerate(chain, 1):
        await database_of(core).transact(partial(_apply, rules, float(number)))


def _apply(rules: Rules, at: float, connection: Connection) -> None:
    before = history.in_force(connection)
    assert before is not None
    document = replace(before.document, rules=tuple(rules(before.document.rules)), embedded=False)
    history.apply(connection, Application(document, before.number, {"id": "local:ann"}, at, "vpsops.toml"))


@asynccontextmanager
async def ruled(directory: Path, rules: str) -> AsyncIterator[tuple[BotHarness, Core]]:
    """Run a bot without rules of its own, which follows the policy in force."""
    workspace = replace(overrides.WORKSPACE, groups=(*overrides.WORKSPACE.groups, overrides.ON_CALL))
    scene = Scene(workspace=workspace, settings={"VPSOPS_APPROVAL_CHANNEL": "C0APPROVALS"})
    async with stage(directory, scene) as world, world.bot() as (_, core):
        await world.slack.command("alice", "ops", "/vps", "start web01")  # it runs: the first to ask for the policy
        await world.private("alice", "web01")
        await apply(core, lambda _: tomllib.loads(rules)["rule"])
        yield world, core


@asynccontextmanager
async def asked(directory: Path) -> AsyncIterator[tuple[BotHarness, Core, Message]]:
    """Have Alice ask for a reboot that she may run without approval."""
    rules = overrides.RULES.format(override='override = ["S0ONCALL"]')
    async with ruled(directory, rules) as (world, core):
        await world.slack.command("alice", "ops", "/vps", "reboot web01 because it hangs")
        yield world, core, await world.card("ops", words="waiting for approval")


@asynccontextmanager
async def held(directory: Path) -> AsyncIterator[tuple[BotHarness, Core, Message, Change]]:
    """Have an agent ask for a reboot that may be granted."""
    async with ruled(directory, grants.POLICY) as (world, core):
        outcome = await grants.request(core)
        assert isinstance(outcome, Held), outcome
        yield world, core, await world.card("approvals", words="waiting for approval"), outcome.change


OVERRIDES: Final[Mapping[str, tuple[tuple[Rules, ...], State]]] = {
    "denied": ((denied,), State.SUPERSEDED),
    "the rule is gone": ((removed,), State.SUPERSEDED),
    "no one may override": ((changed("reboots", override=None),), State.SUPERSEDED),
    "others may override": ((changed("reboots", override=["S0APPROVERS"]),), State.SUPERSEDED),
    "denied, and as it was": ((denied, as_it_was), State.SUCCEEDED),
    "milder": ((changed("reboots", decision="confirm", approvers=None, override=None),), State.SUCCEEDED),
}


@pytest.mark.parametrize(("chain", "state"), OVERRIDES.values(), ids=OVERRIDES)
async def test_a_run_without_approval_is_by_the_policy_in_force(
    tmp_path: Path, chain: tuple[Rules, ...], state: State
) -> None:
    async with asked(tmp_path) as (world, core, card):
        view = await opened(world, "alice", card, "vps:override")
        await apply(core, *chain)
        await send(world, "alice", view, {"reason": overrides.REASON, "name": "web01.example.com"})
        ident = (await overrides.the_change(core)).id
        ended = await core.changes.wait(ident, seconds=60, scope=OPERATOR)
        assert (ended.state, world.effects("reboot")) == (state, state is State.SUCCEEDED), ended.note
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == (state is State.SUCCEEDED)


@pytest.mark.parametrize(
    ("chain", "closes"),
    [
        ((by("U0CAROL"),), False),
        (
            (
                changed("reboots", approvers={"people": ["U0CAROL"]}),
                changed("reboots", approvers={"people": ["U0BOB"]}),
            ),
            True,
        ),
        ((removed,), True),
    ],
    ids=["others", "others, and bob again", "without the rule"],
)
async def test_a_review_is_closed_by_the_approvers_in_force(
    tmp_path: Path, chain: tuple[Rules, ...], closes: bool
) -> None:
    """Without votes in force, the change's own rules say who."""
    async with asked(tmp_path) as (world, core, card):
        await overrides.run_by_form(world, card)
        call = await world.card("approvals", words="un without approval: ")
        view = await opened(world, "bob", call, "vps:review")
        await apply(core, *chain)
        await send(world, "bob", view, {"reason": overrides.NOTE})
        await world.slack.wait_for(lambda: "review is closed" in shown(world, "bob") or "err_" in shown(world, "bob"))
        assert len(await core.changes.open_reviews(scope=OPERATOR)) == (not closes), shown(world, "bob")


GRANTS: Final[Mapping[str, tuple[tuple[Rules, ...], State, int]]] = {
    "denied": ((denied,), State.SUPERSEDED, 0),
    "the rule is gone": ((removed,), State.SUPERSEDED, 0),
    "no grants": ((changed("agents", grant=None),), State.SUCCEEDED, 0),
    "a shorter grant": ((changed("agents", grant={"max": "10m", "uses": 1}),), State.SUCCEEDED, 0),
    "another name": ((changed("agents", id="robots"),), State.SUCCEEDED, 0),
    "denied, and as it was": ((denied, as_it_was), State.SUCCEEDED, 1),
}


@pytest.mark.parametrize(("chain", "state", "count"), GRANTS.values(), ids=GRANTS)
async def test_a_grant_opens_under_the_policy_that_it_was_asked_under(
    tmp_path: Path, chain: tuple[Rules, ...], state: State, count: int
) -> None:
    async with held(tmp_path) as (world, core, card, change):
        view = await opened(world, "bob", card, "vps:approve_grant")
        await apply(core, *chain)
        await send(world, "bob", view, {"grant_time": chosen("3600"), "grant_servers": chosen("server")})
        ended = await core.changes.wait(change.id, seconds=60, scope=OPERATOR)
        assert ended.state is state, ended.note
        assert len(await core.grants.list_open(scope=OPERATOR)) == count
        if state is State.SUCCEEDED:
            assert isinstance(await grants.request(core), Held) is (count == 0)


async def test_the_rest_of_a_plan_is_not_begun_under_a_stricter_policy(tmp_path: Path) -> None:
    """Between two of its servers the rules get stricter; what has begun is followed to its end."""
    rules = f'{grants.POLICY}\n[[rule]]\nid = "people"\nactor = "person"\ndecision = "confirm"\n'
    async with ruled(tmp_path, rules) as (world, core):
        await world.slack.command("alice", "ops", "/vps", "reboot web01 db01 pause=1m")
        await world.slack.click("alice", await world.card(words="waiting for confirmation"), "vps:confirm")
        await world.card(words="1 of 2 done")
        await apply(core, denied)
        (plan,) = await core.changes.list(scope=OPERATOR)
        ended = await core.changes.wait(plan.id, seconds=600, scope=OPERATOR)
        assert (ended.state, world.effects("reboot")) == (State.FAILED, 1)
        assert "1 of 2 done" in ended.note
        assert "The policy now refuses it. No reboots this week." in ended.note
