"""Scheduled changes through the gate: started once at their time, decided again then, or ended with the reason."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.policies import two_votes_for_agents
from tests.harness.virtual_time import VirtualClock
from tests.unit.core.harness import AGENT, ALICE, SLACK, VOTERS, Setup, Stage, staged
from vpsops.core.authorization.discrepancies import discrepancies
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.requests import Done, Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import InvalidInputError, StaleChangeError
from vpsops.core.execution.reconciler import BATCH
from vpsops.core.identity.actors import Actor
from vpsops.core.limits.model import Limits
from vpsops.core.policy import parse_policy
from vpsops.core.schedule.model import LaterRequest
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


class DatedClock(VirtualClock):
    """The virtual clock with a date that a test sets."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Return the date as it is set."""
        return super().now() + self.ahead


def ahead_by(time: timedelta) -> DatedClock:
    """Return the clock of a process that is started with another date."""
    clock = DatedClock()
    clock.ahead = time
    return clock


@pytest.fixture
def clock() -> DatedClock:
    return DatedClock()


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle, clock: DatedClock) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(clock=clock)) as opened:
        yield opened


def request(words: str, actor: Actor = ALICE, *, operation: str = "reboot", **arguments: Any) -> Request:
    named = arguments or {"server": "web01"}
    return Request(operation, named, actor, SLACK, can_confirm=True, later=LaterRequest(words))


async def scheduled(stage: Stage, words: str = "in 1m", **more: Any) -> Change:
    """Ask for a change later and confirm it."""
    held = await stage.gate.submit(request(words, **more), scope=OPERATOR)
    assert isinstance(held, Held), held
    return await stage.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)


async def pass_time(stage: Stage, wait: timedelta) -> None:
    """Let virtual time pass."""
    await stage.clock.sleep(wait.total_seconds())


async def settled(stage: Stage, change: Change, within: timedelta = 10 * MINUTE) -> Change:
    """Return a change in its final state."""
    return await stage.changes.wait(
        change.id, seconds=within.total_seconds(), until=lambda current: current.state.final, scope=OPERATOR
    )


async def notified(stage: Stage, change: Change) -> list[str]:
    """Return the events of a change that people were notified of."""
    return [str(notice["event"]) for notice in await stage.notices() if notice.get("change") == change.id]


async def consistent(stage: Stage) -> None:
    """Check that every row agrees with the audit trail."""
    assert [difference async for difference in discrepancies(stage.database)] == []


@pytest.mark.requirement("scheduled-once")
async def test_a_confirmed_change_waits_and_is_sent_once_at_its_time(stage: Stage) -> None:
    """Not before, once, with a trail that says what was agreed to and when it was due."""
    change = await scheduled(stage)
    assert change.state is State.SCHEDULED
    assert change.schedule is not None
    assert change.schedule.run_until - change.schedule.run_at == timedelta(minutes=30)
    await pass_time(stage, timedelta(seconds=45))
    assert (await stage.changes.get(change.id, scope=OPERATOR)).state is State.SCHEDULED
    assert stage.effects("reboot") == 0
    done = await settled(stage, change)
    assert (done.state, done.note) == (State.SUCCEEDED, "")
    assert done.sent_at is not None
    assert timedelta() <= done.sent_at - change.schedule.run_at < timedelta(seconds=10)
    await pass_time(stage, MINUTE / 2)
    assert stage.effects("reboot") == 1
    assert await stage.events(change.id) == "requested confirmed due sending sent succeeded"
    await consistent(stage)


async def test_votes_lead_to_the_schedule(stage: Stage) -> None:
    """An agent's change needs its votes before its time, and starts at it."""
    held = await stage.gate.submit(request("in 1m", AGENT), scope=OPERATOR)
    assert isinstance(held, Held)
    change = held.change
    for voter in VOTERS[:2]:
        change = await stage.gate.vote(change.id, voter, Verdict.APPROVE, change.digest, scope=OPERATOR)
    assert change.state is State.SCHEDULED
    assert (await settled(stage, change)).state is State.SUCCEEDED
    await consistent(stage)


async def test_what_needs_no_consent_is_scheduled_as_well(database_url: str, provider: SimulatorHandle) -> None:
    """Allowed now, it runs at its time; the digest covers the time."""
    policy = parse_policy('[[rule]]\nid = "all"\nrisk = "disruptive"\ndecision = "allow"\n', "vpsops.toml")
    async with staged(database_url, provider, Setup(policy=policy)) as stage:
        outcome = await stage.gate.submit(request("in 1m"), scope=OPERATOR)
        assert isinstance(outcome, Done)
        change = outcome.change
        assert change is not None
        assert change.state is State.SCHEDULED
        other = await stage.gate.dry_run(request("in 5m"), scope=OPERATOR)
        assert other.change.digest != change.digest
        assert (await settled(stage, change)).state is State.SUCCEEDED
        await consistent(stage)


async def test_the_server_is_not_reserved_while_a_change_waits(stage: Stage) -> None:
    """Another change of the server is taken and done; the scheduled one runs as well."""
    change = await scheduled(stage)
    await stage.done("reboot", server="web01")
    assert (await settled(stage, change)).state is State.SUCCEEDED
    assert stage.effects("reboot") == 2


async def test_a_server_that_is_different_at_its_time_is_left_alone(stage: Stage) -> None:
    """What was agreed to is about a running server."""
    change = await scheduled(stage)
    await stage.done("stop", server="web01")
    done = await settled(stage, change)
    assert done.state is State.SUPERSEDED
    assert "Nothing was sent" in done.note
    assert stage.effects("reboot") == 0


async def test_a_stricter_policy_at_its_time_supersedes_it_in_the_rules_words(stage: Stage) -> None:
    """The rule's own reason is said."""
    change = await scheduled(stage)
    denies = '[[rule]]\nid = "quiet"\noperation = "reboot"\ndecision = "deny"\nreason = "The fair is on."\n'
    stage.policy.loaded = replace(
        parse_policy(two_votes_for_agents("S_OPS") + denies, "vpsops.toml"), version=stage.policy.loaded.version
    )
    done = await settled(stage, change)
    assert done.state is State.SUPERSEDED
    assert "The fair is on." in done.note
    assert await notified(stage, change) == ["superseded"]


@pytest.mark.requirement("freeze-denies")
async def test_nothing_is_scheduled_into_a_freeze(database_url: str, provider: SimulatorHandle) -> None:
    """It is refused by day in the freeze's words; before the freeze it is taken, and a dry run says the same."""
    begins = VirtualClock().now() + HOUR
    freeze = (
        f'[[freeze]]\nname = "fair"\nfrom = "{begins:%Y-%m-%d %H:%M}"\nto = "2040-01-01"\ntime_zone = "UTC"\n'
        'reason = "The fair is on."\n'
    )
    policy = parse_policy(two_votes_for_agents("S_OPS") + freeze, "vpsops.toml")
    async with staged(database_url, provider, Setup(policy=policy)) as stage:
        refused = await stage.gate.submit(request("in 2h"), scope=OPERATOR)
        assert isinstance(refused, Refused)
        assert "The freeze fair holds" in refused.reason
        assert "The fair is on." in refused.reason
        dry = await stage.gate.dry_run(request("in 2h"), scope=OPERATOR)
        assert dry.refusal == refused
        assert isinstance(await stage.gate.submit(request("in 30m"), scope=OPERATOR), Held)


async def test_limits_of_its_time_hold(stage: Stage) -> None:
    """A server that was protected since is not touched."""
    change = await scheduled(stage)
    stage.policy.loaded_limits = Limits(protected=frozenset({"web01"}))
    done = await settled(stage, change)
    assert done.state is State.SUPERSEDED
    assert "protected" in done.note


async def test_no_more_changes_are_scheduled_for_an_hour_than_may_be_asked_for_in_one(
    stage: Stage, clock: DatedClock
) -> None:
    """However long before they are asked for: what runs together counts together, up to the limit."""
    stage.policy.loaded_limits = Limits(max_changes_per_hour=2)
    for words, server in (("in 300m", "web01"), ("in 185m", "db01")):
        await scheduled(stage, words, server=server)
        clock.ahead += 2 * HOUR
    third = await stage.gate.submit(request("in 60m", operation="stop"), scope=OPERATOR)
    assert isinstance(third, Refused)
    assert "2 changes are asked for or scheduled in the hour around that time" in third.reason
    assert isinstance(await stage.gate.submit(request("in 126m", operation="stop"), scope=OPERATOR), Held)


async def test_what_is_asked_for_now_counts_with_what_runs_in_the_same_hour(stage: Stage, clock: DatedClock) -> None:
    """One clock for both: a change scheduled hours ago and one asked for now run together."""
    stage.policy.loaded_limits = Limits(max_changes_per_hour=1)
    await scheduled(stage, "in 180m", server="web01")
    clock.ahead += 2.5 * HOUR
    now = await stage.gate.submit(Request("reboot", {"server": "db01"}, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    assert isinstance(now, Refused)
    assert "1 change is asked for or scheduled in the hour around that time" in now.reason


async def test_a_busy_server_is_waited_for_and_said(stage: Stage) -> None:
    """Another change has the server at the time; the scheduled one starts as soon as that ends."""
    change = await scheduled(stage)
    first = await stage.ask("reboot", server="web01")
    await pass_time(stage, 2 * MINUTE)
    waiting = await stage.changes.get(change.id, scope=OPERATOR)
    assert waiting.state is State.SCHEDULED
    assert first.id in waiting.note
    assert await notified(stage, change) == ["schedule_conflict"]
    await stage.gate.cancel(first.id, ALICE, scope=OPERATOR)
    done = await settled(stage, change)
    assert (done.state, done.note) == (State.SUCCEEDED, "")
    assert stage.effects("reboot") == 1


async def test_a_server_that_stays_busy_makes_it_expire(
    stage: Stage, database_url: str, provider: SimulatorHandle
) -> None:
    """After the tolerance it has expired, and says what was first."""
    held = await stage.ask("reboot", AGENT, server="web01")  # votes may come within an hour
    change = await scheduled(stage, operation="stop")
    await pass_time(stage, 2 * MINUTE)
    async with staged(database_url, provider, Setup(clock=ahead_by(40 * MINUTE))) as later:
        await later.gate.start_engine()
        done = await settled(later, change)
        assert (done.state, done.missed) == (State.EXPIRED, True)
        assert held.id in done.note
        assert later.effects("stop") == 0
        assert await notified(later, change) == ["schedule_conflict", "expired"]
        await consistent(later)


async def test_the_same_change_is_not_scheduled_twice(stage: Stage) -> None:
    """Within the same time; at another time it may be."""
    change = await scheduled(stage)
    again = await stage.gate.submit(request("in 1m"), scope=OPERATOR)
    assert isinstance(again, Refused)
    assert again.change is not None
    assert again.change.id == change.id
    assert isinstance(await stage.gate.submit(request("in 3h"), scope=OPERATOR), Held)
    assert isinstance(await stage.gate.submit(request("in 1m", server="db01"), scope=OPERATOR), Held)


async def test_it_is_cancelled_until_its_time_by_its_asker_alone(stage: Stage) -> None:
    """Cancelled, it never runs."""
    change = await scheduled(stage)
    with pytest.raises(Exception, match="can cancel"):
        await stage.gate.cancel(change.id, VOTERS[0], scope=OPERATOR)
    cancelled = await stage.gate.cancel(change.id, ALICE, scope=OPERATOR)
    assert cancelled.state is State.CANCELLED
    await pass_time(stage, 2 * MINUTE)
    assert stage.effects("reboot") == 0
    with pytest.raises(StaleChangeError):
        await stage.gate.cancel(change.id, ALICE, scope=OPERATOR)
    await consistent(stage)


async def test_consent_that_comes_after_its_time_is_too_late(stage: Stage) -> None:
    """A hold is open no longer than the change may be sent; within the tolerance it still starts."""
    held = await stage.gate.submit(request("in 1m"), scope=OPERATOR)
    assert isinstance(held, Held)
    assert held.change.schedule is not None
    await pass_time(stage, 2 * MINUTE)
    change = await stage.gate.confirm(held.change.id, ALICE, held.change.digest, scope=OPERATOR)
    assert (await settled(stage, change)).state is State.SUCCEEDED
    late = await stage.gate.submit(request("in 1m", AGENT, server="db01"), scope=OPERATOR)
    assert isinstance(late, Held)
    assert late.change.schedule is not None
    assert late.change.expires_at == late.change.schedule.run_until


@pytest.mark.parametrize("words", ["yesterday", "at 2020-01-01 02:00", "in 31d", "in window nightly"])
async def test_what_is_no_time_is_refused(stage: Stage, words: str) -> None:
    """Nothing is stored, and the message says what to write."""
    with pytest.raises(InvalidInputError) as refused:
        await stage.gate.submit(request(words), scope=OPERATOR)
    assert refused.value.hint
    assert await stage.changes.list(scope=OPERATOR) == []


@pytest.mark.requirement("scheduled-once")
@pytest.mark.parametrize("jump", [3 * HOUR, HOUR, -3 * HOUR, -timedelta(minutes=10)])
async def test_a_date_that_jumps_and_is_set_right_starts_it_once_at_its_time(
    stage: Stage, clock: DatedClock, jump: timedelta
) -> None:
    """Neither early nor twice, whichever way it jumps."""
    change = await scheduled(stage, "in 2m")
    await pass_time(stage, MINUTE / 2)
    clock.ahead = jump
    await pass_time(stage, MINUTE / 2)
    assert stage.effects("reboot") == 0
    clock.ahead = timedelta()
    done = await settled(stage, change)
    assert done.state is State.SUCCEEDED
    assert change.schedule is not None
    assert done.sent_at is not None
    assert done.sent_at >= change.schedule.run_at
    clock.ahead = -2 * MINUTE
    await pass_time(stage, 3 * MINUTE)
    assert stage.effects("reboot") == 1


async def test_what_was_due_while_no_process_ran(database_url: str, provider: SimulatorHandle) -> None:
    """Within the tolerance the next process starts it, once; after it, it expires."""
    async with staged(database_url, provider) as stage:
        late, missed = await scheduled(stage, "in 35m"), await scheduled(stage, "in 5m", server="db01")
    async with staged(database_url, provider, Setup(clock=ahead_by(40 * MINUTE))) as stage:
        await stage.gate.start_engine()
        assert (await settled(stage, late)).state is State.SUCCEEDED
        gone = await settled(stage, missed)
        assert (gone.state, gone.missed) == (State.EXPIRED, True)
        assert "No process" in gone.note
        assert stage.effects("reboot") == 1
        await consistent(stage)


async def test_two_processes_start_it_once(database_url: str, provider: SimulatorHandle) -> None:
    """Each of them reads the table; one takes each step."""
    async with staged(database_url, provider) as first, staged(database_url, provider) as second:
        await second.gate.start_engine()
        changes = [await scheduled(first, server=name) for name in ("web01", "db01")]
        for change in changes:
            assert (await settled(first, change)).state is State.SUCCEEDED
        await pass_time(first, MINUTE)
        assert first.effects("reboot") == 2
        await consistent(first)


async def test_a_start_is_asked_for_when_it_makes_sense(stage: Stage) -> None:
    """A server that is off now is started later."""
    stage.server("off01.example.com", Really.STOPPED)
    change = await scheduled(stage, "in 1m", operation="start", server="off01")
    assert (await settled(stage, change)).state is State.SUCCEEDED


async def test_many_that_wait_for_their_servers_delay_no_other(stage: Stage) -> None:
    """More than a round takes were due before it, and cannot start: it starts at its time all the same."""
    waiting = await scheduled(stage, operation="stop")
    await stage.ask("reboot", AGENT, server="web01")  # has the server until it is voted on
    other = stage.server("other.example.com")
    change = await scheduled(stage, server=other.hostname)

    def copy(connection: Connection) -> None:
        row = dict(connection.execute(sa.select(CHANGES).where(CHANGES.c.id == waiting.id)).mappings().one())
        rows = [{**row, "id": f"{waiting.id}_{number}", "key": None} for number in range(BATCH)]
        connection.execute(sa.insert(CHANGES), rows)

    await stage.database.transact(copy)
    await pass_time(stage, timedelta(seconds=70))
    assert (await stage.changes.get(change.id, scope=OPERATOR)).state is State.SUCCEEDED
    assert (await stage.changes.get(waiting.id, scope=OPERATOR)).state is State.SCHEDULED
