"""Servers with an end through the gate: reminders, one stop at the end, and people asked where it may not be."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.fakes.policies import two_votes_for_agents
from tests.unit.core.harness import ALICE, SLACK, VOTERS, Setup, Stage, staged
from tests.unit.core.scheduler.test_due_changes import DatedClock, consistent, pass_time
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Refused, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.changes.serialization import ruling_values
from vpsops.core.common.errors import InvalidInputError, NotAllowedError
from vpsops.core.ends import lifecycle
from vpsops.core.ends import repository as ends
from vpsops.core.ends.model import EndState, ServerEnd, next_look
from vpsops.core.limits.model import Limits
from vpsops.core.policy import parse_policy
from vpsops.core.policy.decision import Decision
from vpsops.playground.wayscloud.serve import SimulatorHandle

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
ORDER: dict[str, Any] = {"plan": "vps-4gb-2cpu", "region": "NO", "os_template": "debian-12"}
FREEZE = """
[[freeze]]
name = "holiday"
from = "2026-01-01 00:00"
to = "2036-01-01 00:00"
time_zone = "UTC"
reason = "No changes."
server = ["load*"]
"""


@pytest.fixture
def clock() -> DatedClock:
    return DatedClock()


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle, clock: DatedClock) -> AsyncIterator[Stage]:
    async with staged(database_url, provider, Setup(clock=clock)) as opened:
        yield opened


async def made(stage: Stage, lifetime: str = "2h", hostname: str = "load01.example.com") -> Change:
    """Make a server with an end."""
    change = await stage.done("create", hostname=hostname, lifetime=lifetime, **ORDER)
    assert change.state is State.SUCCEEDED, change.note
    return change


async def end_of(stage: Stage, change: Change) -> ServerEnd:
    end = await stage.database.read(lambda connection: ends.of_change(connection, change.id))
    assert end is not None
    return end


async def bring(stage: Stage, change: Change, nearer: timedelta = 2 * HOUR - 10 * SECOND) -> None:
    """Let an end be nearer by so much, as if that time had passed: hours of virtual time are slow."""

    def work(connection: Connection) -> None:
        end = ends.of_change(connection, change.id)
        assert end is not None
        since, ends_at = end.since - nearer, end.ends_at - nearer
        next_at = next_look(since, ends_at, stage.clock.now() - 2 * SECOND)
        ends.alter(connection, end, since=since, ends_at=ends_at, next_at=next_at)
        body = {"server": end.server_id, "turn": end.turn, "ends_at": ends_at.timestamp()}
        chain.append(connection, stage.clock.now().timestamp(), lifecycle.KEPT, change.id, body)

    await stage.database.transact(work)


async def look_now(stage: Stage, change: Change) -> None:
    """Let the next look at a server be now."""

    def work(connection: Connection) -> None:
        end = ends.of_change(connection, change.id)
        assert end is not None
        ends.alter(connection, end, next_at=stage.clock.now())

    await stage.database.transact(work)


async def reach(stage: Stage, change: Change, state: EndState) -> ServerEnd:
    """Return an end once it is in a state."""
    begun = stage.clock.monotonic()
    while (end := await end_of(stage, change)).state is not state:
        assert stage.clock.monotonic() - begun < MINUTE.total_seconds(), end
        await pass_time(stage, SECOND)
    return end


async def notified(stage: Stage, change: Change) -> list[str]:
    """Return the kinds of notices about an end, in order."""
    names = [str(notice["event"]) for notice in await stage.notices() if notice.get("change") == change.id]
    return [name.partition(":")[0] for name in names if name.startswith(lifecycle.NOTICES)]


def keep(lifetime: str, actor: Any = ALICE, server: str = "load01.example.com") -> Request:
    return Request("keep", {"server": server, "lifetime": lifetime}, actor, SLACK, can_confirm=True)


@pytest.mark.requirement("end-stops-once")
async def test_a_server_is_stopped_once_at_its_end_after_its_owner_was_asked(stage: Stage) -> None:
    change = await made(stage)
    end = await end_of(stage, change)
    assert (end.state, end.ends_at - end.since) == (EndState.OPEN, 2 * HOUR)
    assert "Its end is at" in change.note
    await bring(stage, change, HOUR)
    await pass_time(stage, 15 * SECOND)
    assert await notified(stage, change) == ["end_reminder"]
    assert stage.effects("stop") == 0
    await bring(stage, change, HOUR - 25 * SECOND)
    end = await reach(stage, change, EndState.STOPPED)
    stop = await stage.changes.get(end.stop_id, scope=OPERATOR)
    assert (stop.state, stop.actor.id, stop.ruling.end) == (State.SUCCEEDED, ALICE.id, change.id)
    assert stop.sent_at is not None
    assert timedelta() <= stop.sent_at - end.ends_at < MINUTE
    await look_now(stage, change)
    await pass_time(stage, 15 * SECOND)
    assert stage.effects("stop") == 1
    assert await notified(stage, change) == ["end_reminder", "end_stopped"]
    await consistent(stage)


async def test_a_create_without_a_time_has_no_end(stage: Stage) -> None:
    change = await stage.done("create", hostname="web09.example.com", **ORDER)
    assert await stage.database.read(lambda connection: ends.of_change(connection, change.id)) is None


async def test_the_end_is_part_of_what_is_agreed_to(stage: Stage) -> None:
    digests = set()
    for lifetime in ("2h", "3h", None):
        arguments = {**ORDER, **({"lifetime": lifetime} if lifetime else {})}
        held = await stage.ask("create", ALICE, hostname="load01.example.com", **arguments)
        digests.add(held.digest)
        shown = [fact.value for fact in held.facts if fact.label == "End"]
        assert shown == ([f"{lifetime[0]} h after it is there: it is stopped then"] if lifetime else [])
        await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)
    assert len(digests) == 3


@pytest.mark.parametrize("lifetime", ["", "3", "soon", "14m", "367d", "-1d", "1w"])
async def test_what_is_no_lifetime_is_refused(stage: Stage, lifetime: str) -> None:
    with pytest.raises(InvalidInputError):
        await stage.ask("create", ALICE, hostname="load01.example.com", lifetime=lifetime, **ORDER)


async def test_a_server_that_is_stopped_already_gets_no_stop(stage: Stage) -> None:
    change = await made(stage)
    await stage.done("stop", server="load01.example.com")
    await bring(stage, change)
    end = await reach(stage, change, EndState.STOPPED)
    assert end.stop_id == ""
    assert end.note.startswith("It was stopped already.")
    assert stage.effects("stop") == 1


async def test_a_server_that_is_gone_ends_its_end(stage: Stage) -> None:
    change = await made(stage)
    end = await end_of(stage, change)
    world = stage.provider.simulator.world
    world.remove(next(server for server in world.servers() if server.id == end.server_id))
    await bring(stage, change)
    end = await reach(stage, change, EndState.GONE)
    assert end.next_at is None
    assert stage.effects("stop") == 0


async def test_a_server_that_was_started_again_is_asked_about_and_not_stopped_again(stage: Stage) -> None:
    change = await made(stage)
    await bring(stage, change)
    await reach(stage, change, EndState.STOPPED)
    await stage.done("start", server="load01.example.com")
    await look_now(stage, change)
    end = await reach(stage, change, EndState.ASKED)
    assert "Nothing is done by itself" in end.note
    await look_now(stage, change)
    await pass_time(stage, 15 * SECOND)
    assert stage.effects("stop") == 1


@pytest.mark.requirement("end-never-silent")
async def test_a_server_that_was_changed_behind_vpsops_is_asked_about(stage: Stage) -> None:
    change = await made(stage)
    end = await end_of(stage, change)
    world = stage.provider.simulator.world
    server = next(item for item in world.servers() if item.id == end.server_id)
    world._keep(replace(server, plan="vps-8gb-4cpu"))
    await bring(stage, change)
    end = await reach(stage, change, EndState.ASKED)
    assert "Its plan is vps-8gb-4cpu now" in end.note
    assert stage.effects("stop") == 0
    assert (await notified(stage, change))[-1] == "end_asked"


async def test_a_policy_that_refuses_leaves_the_server_running(database_url: str, provider: SimulatorHandle) -> None:
    text = two_votes_for_agents("S_OPS") + FREEZE
    async with staged(database_url, provider, Setup(policy=parse_policy(two_votes_for_agents("S_OPS"), "a"))) as stage:
        change = await made(stage)
        stage.backend.policy.loaded = parse_policy(text, "vpsops.toml")
        await bring(stage, change)
        end = await reach(stage, change, EndState.ASKED)
        assert "The policy refuses to stop it" in end.note
        assert stage.effects("stop") == 0


async def test_a_protected_server_is_asked_about(stage: Stage) -> None:
    change = await made(stage)
    stage.backend.policy.loaded_limits = Limits(protected=frozenset({"load*"}))
    await bring(stage, change)
    end = await reach(stage, change, EndState.ASKED)
    assert "protected" in end.note
    assert stage.effects("stop") == 0


async def test_a_missed_end_is_asked_about(stage: Stage) -> None:
    """After hours without a process nothing that was due meanwhile is done by itself."""
    change = await made(stage)
    await bring(stage, change, 3 * HOUR)
    end = await reach(stage, change, EndState.ASKED)
    assert "Its end passed" in end.note
    assert stage.effects("stop") == 0


async def test_a_date_that_is_set_forward_for_a_moment_stops_nothing(stage: Stage, clock: DatedClock) -> None:
    change = await made(stage)
    clock.ahead = 2 * HOUR + MINUTE
    await pass_time(stage, 15 * SECOND)
    clock.ahead = timedelta()
    await pass_time(stage, 15 * SECOND)
    assert (await end_of(stage, change)).state is EndState.OPEN
    assert stage.effects("stop") == 0


async def test_a_store_that_went_back_asks_about_every_end(stage: Stage) -> None:
    change = await made(stage)
    await stage.database.transact(lambda connection: lifecycle.ask_about_all(connection, stage.clock.now()))
    await bring(stage, change)
    await look_now(stage, change)
    await pass_time(stage, 20 * SECOND)
    assert (await end_of(stage, change)).state is EndState.ASKED
    assert stage.effects("stop") == 0


@pytest.mark.requirement("end-kept")
async def test_the_owner_keeps_a_server(stage: Stage) -> None:
    change = await made(stage)
    before = await end_of(stage, change)
    after = await stage.gate.keep_server(keep("2h"), scope=OPERATOR)
    assert (after.ends_at, after.turn) == (before.ends_at + 2 * HOUR, 2)
    await bring(stage, change)
    await pass_time(stage, 20 * SECOND)
    assert stage.effects("stop") == 0
    await bring(stage, change)
    await reach(stage, change, EndState.STOPPED)
    assert stage.effects("stop") == 1
    kept = await stage.gate.keep_server(keep("1h"), scope=OPERATOR)
    assert kept.state is EndState.OPEN
    assert kept.ends_at > stage.clock.now() + 59 * MINUTE
    await consistent(stage)


async def test_others_do_not_keep_it(stage: Stage) -> None:
    await made(stage)
    stranger = replace(VOTERS[0], groups=())
    stage.backend.policy.loaded_stewards = replace(stage.backend.policy.loaded_stewards, people=("V3",))
    with pytest.raises(NotAllowedError, match="not among those who may keep"):
        await stage.gate.keep_server(keep("2h", stranger), scope=OPERATOR)
    await stage.gate.keep_server(keep("2h", VOTERS[3]), scope=OPERATOR)


async def test_a_server_without_an_end_is_not_kept(stage: Stage) -> None:
    with pytest.raises(InvalidInputError, match="has no end"):
        await stage.gate.keep_server(keep("2h", server="web01"), scope=OPERATOR)


@pytest.mark.requirement("max-life")
async def test_max_life_bounds_a_create_and_its_extensions(stage: Stage) -> None:
    stage.backend.policy.loaded_limits = Limits(max_life=(("load*", 3 * 3600),))
    for lifetime in (None, "4h"):
        arguments = {**ORDER, "hostname": "load01.example.com", **({"lifetime": lifetime} if lifetime else {})}
        refused = await stage.gate.submit(Request("create", arguments, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
        assert isinstance(refused, Refused)
        assert "max_life (load*=3h)" in refused.reason
    await made(stage, "3h")
    with pytest.raises(NotAllowedError, match="max_life"):
        await stage.gate.keep_server(keep("1h"), scope=OPERATOR)
    others = {**ORDER, "hostname": "web09.example.com"}
    outcome = await stage.gate.submit(Request("create", others, ALICE, SLACK, can_confirm=True), scope=OPERATOR)
    assert isinstance(outcome, Held)


async def test_an_end_that_two_processes_see_stops_its_server_once(
    database_url: str, provider: SimulatorHandle, clock: DatedClock
) -> None:
    async with (
        staged(database_url, provider, Setup(clock=clock)) as stage,
        staged(database_url, provider, Setup(clock=clock)) as other,
    ):
        await other.engine.start()
        change = await made(stage)
        await bring(stage, change, HOUR)
        await pass_time(stage, 15 * SECOND)
        await bring(stage, change, HOUR - 25 * SECOND)
        await reach(stage, change, EndState.STOPPED)
        await pass_time(stage, 15 * SECOND)
        assert stage.effects("stop") == 1
        assert await notified(stage, change) == ["end_reminder", "end_stopped"]


async def test_a_stop_without_its_end_in_the_trail_is_not_sent(stage: Stage) -> None:
    """A row that claims to be the stop of an end is not enough."""
    change = await made(stage)
    held = await stage.ask("stop", ALICE, server="load01.example.com")

    def forge(connection: Connection, stored: Change) -> None:
        ruling = replace(stored.ruling, decision=Decision.ALLOW, end=change.id)
        repository.step(
            connection, stored, State.APPROVED, stored.created_at, event="approved", ruling=ruling_values(ruling)
        )

    await stage.change(held.id, forge)
    ended = await stage.rest(held.id)
    assert ended.state is State.FAILED
    assert stage.effects("stop") == 0
