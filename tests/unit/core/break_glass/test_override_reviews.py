"""Reviews of overrides: who may close one, with what words, and once; on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.unit.core.break_glass.test_overrides import (
    BOB,
    NOTE,
    ON_CALL,
    now_in_force,
    overridden,
    policy,
    reviewed,
)
from tests.unit.core.harness import AGENT, VOTERS, Setup, Stage, staged
from vpsops.core.break_glass import repository as reviews
from vpsops.core.break_glass.model import ReviewState
from vpsops.core.changes.scope import OPERATOR, Scope, ServerFilter
from vpsops.core.common.errors import InvalidInputError, NotAllowedError, StaleChangeError, UnknownChangeError
from vpsops.core.identity.actors import Actor
from vpsops.core.policy import parse_policy
from vpsops.core.policy.context import ServerPatterns
from vpsops.playground.wayscloud.serve import SimulatorHandle


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(policy=policy())) as set_stage:
        yield set_stage


@pytest.mark.requirement("override-reviewed")
async def test_another_approver_closes_the_review(stage: Stage) -> None:
    """The note is on the change and on record; the second one who closes it is refused."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    await stage.rest(held.id)
    closed = await reviewed(stage, held)
    assert closed.override is not None
    assert (closed.override.note, closed.override.reviewer) == (NOTE, VOTERS[0])
    assert await stage.changes.open_reviews(scope=OPERATOR) == []
    assert (await stage.events(held.id)).split()[-1] == "review_closed"
    with pytest.raises(StaleChangeError, match="closed already"):
        await reviewed(stage, held, VOTERS[1])


@pytest.mark.requirement("override-reviewed")
@pytest.mark.parametrize(
    ("actor", "words"),
    [
        (replace(ON_CALL, groups=("S_OPS", "S0ONCALL")), "another person"),
        (BOB, "not among those"),
        (replace(AGENT, groups=("S_OPS",)), "Only people"),
    ],
)
async def test_no_one_else_closes_it(stage: Stage, actor: Actor, words: str) -> None:
    """Neither who overrode, though an approver, nor a stranger, nor an agent."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    with pytest.raises(NotAllowedError, match=words):
        await reviewed(stage, held, actor)
    assert await stage.database.read(reviews.count_open) == 1


NEW_APPROVER = replace(BOB, groups=("S_NEW",))


@pytest.mark.requirement("override-reviewed")
async def test_the_policy_in_force_says_who_closes_it(stage: Stage) -> None:
    """Who was an approver when it ran and is none now is refused, also by the lists; who is one now may."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    await now_in_force(stage, policy(approvers='approvers = { groups = ["S_NEW"] }'))
    with pytest.raises(NotAllowedError, match="not among those who may approve"):
        await reviewed(stage, held)
    (listed,) = await stage.changes.for_review(await stage.changes.open_reviews(scope=OPERATOR))
    assert listed.ruling.approvers.groups == ("S_NEW",)
    closed = await reviewed(stage, held, NEW_APPROVER)
    assert closed.override is not None
    assert closed.override.reviewer == NEW_APPROVER
    assert closed.ruling == held.ruling


@pytest.mark.parametrize("decision", ["allow", "confirm", "deny"])
async def test_without_votes_in_force_its_own_rules_say_who_closes_it(stage: Stage, decision: str) -> None:
    """A policy that asks no one for approval names no one who could close it."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    rules = f'[[rule]]\nid = "all"\noperation = "reboot"\ndecision = "{decision}"\n'
    await now_in_force(stage, parse_policy(rules, "vpsops.toml"))
    with pytest.raises(NotAllowedError, match="not among those"):
        await reviewed(stage, held, NEW_APPROVER)
    assert (await reviewed(stage, held)).override is not None


async def test_a_review_needs_words(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    with pytest.raises(InvalidInputError, match="too short"):
        await reviewed(stage, held, note="ok")


async def test_a_change_that_had_its_votes_has_no_review(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    with pytest.raises(NotAllowedError, match="nothing to review"):
        await reviewed(stage, held)


async def test_another_workspace_sees_neither(stage: Stage) -> None:
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    hidden = Scope(servers=ServerFilter((ServerPatterns.of(["db*"]),)))
    with pytest.raises(UnknownChangeError):
        await overridden(stage, held, scope=hidden)
    await overridden(stage, held)
    assert await stage.changes.open_reviews(scope=hidden) == []


async def test_a_review_row_closes_once(stage: Stage) -> None:
    """Two who read it as open close it once: the second finds it closed."""
    stage.server("web01")
    held = await stage.ask("reboot", server="web01")
    await overridden(stage, held)
    now = stage.clock.now()
    first = await stage.database.read(lambda connection: reviews.load(connection, held.id))
    assert first is not None
    await stage.database.transact(lambda connection: reviews.close_review(connection, first, now))
    with pytest.raises(StaleChangeError, match="closed already"):
        await stage.database.transact(lambda connection: reviews.close_review(connection, first, now))
    again = await stage.database.read(lambda connection: reviews.load(connection, held.id))
    assert again is not None
    assert (again.state, again.remind_at) == (ReviewState.CLOSED, None)
