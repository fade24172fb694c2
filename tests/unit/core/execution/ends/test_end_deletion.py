"""The deletion that a server's end asks for: once, held for people, and withdrawn as the server is kept."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.policies import two_votes_for_agents
from tests.unit.core.execution.ends.test_end_worker import (
    HOUR,
    ORDER,
    SECOND,
    bring,
    end_of,
    keep,
    look_now,
    made,
    notified,
    reach,
)
from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, consistent, pass_time
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.execution.ends.end_deletion import BY_END
from vpsops.core.identity.accounts import AccountAnswer, DirectoryUnavailableError, Names
from vpsops.core.limits.model import Limits
from vpsops.core.policy import parse_policy
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

APPROVED_DELETION = """
[[rule]]
id = "what-destroys"
risk = "destructive"
decision = "approve"
approvers = { groups = ["S_OPS"] }
override = ["S_OPS"]
"""
OWN_DELETION = """
[[rule]]
id = "own-servers"
risk = "destructive"
decision = "%s"
actor = "person"
destructive_without_approval = true
"""
POLICY = parse_policy(two_votes_for_agents("S_OPS") + APPROVED_DELETION, "a")


class AnsweringAccounts:
    """A directory of accounts with what it says of each one, and of everyone while it cannot be asked."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.is_away = False

    async def find(self, names: Names) -> AccountAnswer:
        """Return the account of the first name, or what is the matter with it."""
        if self.is_away:
            raise DirectoryUnavailableError("Slack did not return this account.")
        account = names[0].removeprefix("slack:")
        problem = self.problems.get(account, "")
        return AccountAnswer("" if problem else account, problem)


@pytest.fixture
def clock() -> DatedClock:
    return DatedClock()


@pytest.fixture
def directory() -> AnsweringAccounts:
    return AnsweringAccounts()


@pytest.fixture
async def stage(
    database_url: str, provider: SimulatorHandle, clock: DatedClock, directory: AnsweringAccounts
) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(clock=clock, policy=POLICY, accounts=directory)) as opened:
        yield opened


async def stopped(stage: Stage) -> tuple[Change, ServerEnd]:
    """Make a server with an end, and let that stop it."""
    change = await made(stage)
    await bring(stage, change)
    return change, await reach(stage, change, EndState.STOPPED)


async def deletion_of(stage: Stage, end: ServerEnd) -> Change:
    assert end.delete_id, end
    return await stage.changes.get(end.delete_id, scope=OPERATOR)


async def request_record(stage: Stage, change_id: str) -> Mapping[str, Any]:
    records = await stage.database.read(lambda connection: chain.read(connection, change_id=change_id))
    return next(record.body for record in records if record.event == "requested")


async def vote(stage: Stage, change: Change, verdict: Verdict = Verdict.APPROVE) -> Change:
    return await stage.gate.vote(change.id, VOTERS[0], verdict, change.digest, scope=OPERATOR)


@pytest.mark.requirement("end-asks-for-deletion")
async def test_an_end_asks_for_the_deletion_of_its_server_and_people_decide(stage: Stage) -> None:
    made_by, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    assert (deletion.operation, deletion.state, deletion.target.id) == ("delete", State.HELD, end.server_id)
    assert (deletion.actor.id, deletion.origin) == (ALICE.id, made_by.origin)
    assert (deletion.ruling.overrides, deletion.ruling.grant_terms, deletion.ruling.end) == ((), None, "")
    assert "its end asks for this" in deletion.reason
    assert f"Its deletion is asked for ({deletion.id})" in end.note
    record = await request_record(stage, deletion.id)
    assert (record[BY_END], record["decision"]) == (made_by.id, "approve")
    await pass_time(stage, 30 * SECOND)
    assert stage.effects("delete") == 0
    await vote(stage, deletion)
    assert (await stage.rest(deletion.id)).state is State.SUCCEEDED
    await look_now(stage, made_by)
    await reach(stage, made_by, EndState.GONE)
    assert stage.effects("delete") == 1
    await consistent(stage)


async def test_its_card_shows_what_that_of_any_deletion_shows(stage: Stage) -> None:
    _, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    await vote(stage, deletion, Verdict.DENY)
    asked = Request("delete", {"server": end.server_id}, ALICE, SLACK, can_confirm=True)
    outcome = await stage.gate.submit(asked, scope=OPERATOR)
    assert isinstance(outcome, Held)
    other = outcome.change
    assert [(fact.label, fact.value) for fact in deletion.facts] == [(fact.label, fact.value) for fact in other.facts]
    assert (deletion.effect, deletion.target, deletion.digest) == (other.effect, other.target, other.digest)
    assert deletion.expires_at is not None
    assert other.expires_at is not None
    assert deletion.expires_at - deletion.created_at == other.expires_at - other.created_at


async def test_the_owner_does_not_approve_it(stage: Stage) -> None:
    _, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    own = replace(ALICE, groups=("S_OPS",))
    with pytest.raises(Exception, match="others must decide"):
        await stage.gate.vote(deletion.id, own, Verdict.APPROVE, deletion.digest, scope=OPERATOR)


async def test_a_denied_deletion_is_told_and_not_asked_for_again(stage: Stage) -> None:
    made_by, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    await vote(stage, deletion, Verdict.DENY)
    await look_now(stage, made_by)
    end = await reach(stage, made_by, EndState.ASKED)
    assert f"Its deletion is denied ({deletion.id}), and is not asked for again" in end.note
    for _ in range(2):
        await look_now(stage, made_by)
        await pass_time(stage, 15 * SECOND)
    end = await end_of(stage, made_by)
    assert (end.state, end.delete_id) == (EndState.ASKED, deletion.id)
    assert await notified(stage, made_by) == ["end_stopped", "end_asked"]
    assert stage.effects("delete") == 0


async def test_a_deletion_that_nobody_decided_is_told_and_not_asked_for_again(stage: Stage) -> None:
    made_by, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    over = (stage.clock.now() - SECOND).timestamp()
    await stage.change(
        deletion.id, lambda connection, held: repository.amend(connection, held, held.created_at, expires_at=over)
    )
    await stage.reach(deletion.id, State.EXPIRED)
    await look_now(stage, made_by)
    end = await reach(stage, made_by, EndState.ASKED)
    assert f"Its deletion is expired ({deletion.id})" in end.note


async def test_keeping_the_server_withdraws_its_deletion(stage: Stage) -> None:
    made_by, end = await stopped(stage)
    kept = await stage.gate.keep_server(keep("2h"), scope=OPERATOR)
    assert (kept.state, kept.delete_id) == (EndState.OPEN, "")
    deletion = await stage.changes.get(end.delete_id, scope=OPERATOR)
    assert (deletion.state, deletion.note) == (State.CANCELLED, "Its server is kept for longer. Nothing was sent.")
    await bring(stage, made_by, 2 * HOUR)
    again = await reach(stage, made_by, EndState.STOPPED)
    assert again.delete_id not in {"", end.delete_id}
    await consistent(stage)


async def test_a_server_whose_deletion_left_is_not_kept(stage: Stage) -> None:
    _, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    stage.fault("slow", "delete", seconds=30)
    await vote(stage, deletion)
    await stage.reach(deletion.id, State.SENDING)
    with pytest.raises(StaleChangeError, match="is on its way"):
        await stage.gate.keep_server(keep("2h"), scope=OPERATOR)
    await stage.rest(deletion.id)


async def test_a_server_that_was_started_again_is_not_deleted(stage: Stage) -> None:
    """It is in use again, and people are asked."""
    made_by, end = await stopped(stage)
    deletion = await deletion_of(stage, end)
    world = stage.provider.simulator.world
    server = next(item for item in world.servers() if item.id == end.server_id)
    world._keep(world.override(server, Really.RUNNING, None, None))
    await look_now(stage, made_by)
    end = await reach(stage, made_by, EndState.ASKED)
    assert "Nothing is done by itself" in end.note
    after = await stage.changes.get(deletion.id, scope=OPERATOR)
    assert (after.state, "started again" in after.note) == (State.SUPERSEDED, True)
    assert stage.effects("delete") == 0
    await consistent(stage)


async def test_a_server_that_was_stopped_before_asks_too(stage: Stage) -> None:
    change = await made(stage)
    await stage.done("stop", server="load01.example.com")
    await bring(stage, change)
    end = await reach(stage, change, EndState.STOPPED)
    assert (await deletion_of(stage, end)).state is State.HELD


async def test_a_server_that_people_stopped_after_a_missed_end_does_not_ask(stage: Stage) -> None:
    """Who was asked what becomes of it decides that."""
    change = await made(stage)
    await bring(stage, change, 3 * HOUR)
    await reach(stage, change, EndState.ASKED)
    await stage.done("stop", server="load01.example.com")
    await look_now(stage, change)
    end = await reach(stage, change, EndState.STOPPED)
    assert (end.delete_id, end.note) == ("", "It is stopped.")


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("", "the policy refuses it"),
        (OWN_DELETION % "allow", "the policy asks no one to approve it"),
        (OWN_DELETION % "confirm", "the policy asks no one to approve it"),
    ],
)
async def test_without_approvers_nothing_is_asked_for(
    database_url: str, provider: SimulatorHandle, clock: DatedClock, rules: str, why: str
) -> None:
    """A person's own word about what is theirs is not the word of an end."""
    policy = parse_policy(two_votes_for_agents("S_OPS") + rules, "a")
    async with staged(database_url, provider, Setup(clock=clock, policy=policy)) as stage:
        change, end = await stopped(stage)
        assert (end.delete_id, f"Its deletion is not asked for by itself: {why}" in end.note) == ("", True)
        assert (await notified(stage, change))[-1] == "end_stopped"
        assert stage.effects("delete") == 0


async def test_it_can_be_switched_off(stage: Stage) -> None:
    stage.backend.policy.loaded_limits = Limits(deletion_at_end=False)
    _, end = await stopped(stage)
    assert (end.delete_id, end.note) == ("", "It was stopped at its end.")


@pytest.mark.parametrize("problem", ["that account is deactivated", "that account is a guest's"])
async def test_an_owner_who_left_asks_for_nothing(stage: Stage, directory: AnsweringAccounts, problem: str) -> None:
    directory.problems[ALICE.id] = problem
    _, end = await stopped(stage)
    assert end.delete_id == ""
    assert problem in end.note


async def test_limits_hold_for_it(stage: Stage) -> None:
    stage.backend.policy.loaded_limits = Limits(undocumented=False)
    _, end = await stopped(stage)
    assert end.delete_id == ""
    assert "undocumented" in end.note


async def test_the_limit_of_changes_an_hour_is_about_what_people_ask_for(stage: Stage) -> None:
    stage.backend.policy.loaded_limits = Limits(max_changes_per_hour=3)
    _, end = await stopped(stage)
    assert (await deletion_of(stage, end)).state is State.HELD


async def test_what_is_not_known_now_is_asked_again(stage: Stage, directory: AnsweringAccounts) -> None:
    change = await made(stage)
    directory.is_away = True
    await bring(stage, change)
    await reach(stage, change, EndState.STOPPING)
    await pass_time(stage, 60 * SECOND)
    assert (await end_of(stage, change)).state is EndState.STOPPING
    directory.is_away = False
    end = await reach(stage, change, EndState.STOPPED)
    assert (await deletion_of(stage, end)).state is State.HELD
    assert stage.effects("stop") == 1


async def test_ends_that_are_tried_again_later_hold_up_no_other(
    stage: Stage, directory: AnsweringAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round is full of ends whose owners cannot be looked up: the next server is stopped in time all the same."""
    monkeypatch.setattr("vpsops.core.execution.ends.worker.BATCH", 1)
    first, second = await made(stage), await made(stage, hostname="load02.example.com")
    directory.is_away = True
    await bring(stage, first)
    await reach(stage, first, EndState.STOPPING)
    await pass_time(stage, 10 * SECOND)
    await bring(stage, second, 2 * HOUR - 30 * SECOND)
    await reach(stage, second, EndState.STOPPING)


async def test_what_stays_unknown_is_left_to_people(stage: Stage, directory: AnsweringAccounts) -> None:
    change = await made(stage)
    directory.is_away = True
    await bring(stage, change)
    await reach(stage, change, EndState.STOPPING)
    await bring(stage, change, HOUR)
    await look_now(stage, change)
    end = await reach(stage, change, EndState.STOPPED)
    assert end.delete_id == ""
    assert "Slack did not return this account" in end.note


async def test_a_changed_server_asks_for_nothing(stage: Stage) -> None:
    change = await made(stage)
    world = stage.provider.simulator.world
    server_id = (await end_of(stage, change)).server_id
    await stage.done("stop", server="load01.example.com")
    server = next(item for item in world.servers() if item.id == server_id)
    world._keep(replace(server, hostname="shop01.example.com"))
    await bring(stage, change)
    end = await reach(stage, change, EndState.ASKED)
    assert (end.delete_id, "It is called shop01.example.com now" in end.note) == ("", True)


async def test_an_agents_server_asks_in_the_agents_name(stage: Stage) -> None:
    agent = replace(AGENT, account="U1")
    asked = Request("create", {**ORDER, "hostname": "load02.example.com", "lifetime": "2h"}, agent, SLACK)
    outcome = await stage.gate.submit(asked, scope=OPERATOR)
    assert isinstance(outcome, Held)
    for voter in VOTERS[:2]:
        await stage.gate.vote(outcome.change.id, voter, Verdict.APPROVE, outcome.change.digest, scope=OPERATOR)
    change = await stage.rest(outcome.change.id)
    assert change.state is State.SUCCEEDED, change.note
    with pytest.raises(NotAllowedError, match="A person has to keep this server"):
        await stage.gate.keep_server(keep("1h", agent, "load02.example.com"), scope=OPERATOR)
    await bring(stage, change)
    end = await reach(stage, change, EndState.STOPPED)
    deletion = await deletion_of(stage, end)
    assert (deletion.actor.id, deletion.ruling.decision.value) == (AGENT.id, "approve")
