"""Between the click and the provider: whatever meets there, one effect or none, and a defined end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio
import pytest
import sqlalchemy as sa
from anyio.abc import SocketAttribute, SocketListener, SocketStream
from sqlalchemy.engine import Connection

from tests.fakes.timing import QUICK
from tests.unit.core.harness import AGENT, ALICE, BOUND, VOTERS, Setup, Stage, said_yes, staged, until
from vpsops.core.authorization import hold_offs
from vpsops.core.authorization.attempts import SendCheck
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State, Verdict
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.errors import NotAllowedError, StaleChangeError, VpsopsError
from vpsops.core.execution.runner import Runner
from vpsops.core.execution.send_deadline import SendDeadline
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import PROCESSES
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.hardware.model import ServerState as Really
from vpsops.playground.wayscloud.serve import SimulatorHandle

NEW = {"hostname": "new.example.com", "plan": "vps-4gb-2cpu", "region": "oslo", "os_template": "ubuntu-24.04"}
Two = tuple[Stage, Stage]


@pytest.fixture
async def stage(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Stage]:
    async with staged(database_url, provider) as made:
        yield made


@pytest.fixture
async def two(database_url: str, provider: SimulatorHandle) -> AsyncIterator[Two]:
    """Two processes' worth of core on one database, both running."""
    async with (
        staged(database_url, provider, Setup(front="slack")) as first,
        staged(database_url, provider, Setup(front="mcp")) as second,
    ):
        await first.engine.start()
        await second.engine.start()
        yield first, second


async def at_once(*clicks: Callable[[], Awaitable[Change]]) -> list[str]:
    """Click in the same instant; return the state each click saw, or the kind of its refusal."""
    seen: list[str] = []

    async def click(call: Callable[[], Awaitable[Change]]) -> None:
        try:
            seen.append((await call()).state.value)
        except VpsopsError as error:
            seen.append(type(error).__name__)

    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            for entry in clicks:
                group.start_soon(click, entry)
    return sorted(seen)


@pytest.mark.requirement("sent-once")
async def test_clicks_in_the_same_instant_are_one(two: Two) -> None:
    """Of eight confirmations in two processes one counts, and the provider is asked once."""
    first, second = two
    held = await first.ask("reboot", server=first.server("web.example.com").id)
    gates = (first.gate, second.gate) * 4
    clicks = [lambda gate=gate: gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR) for gate in gates]
    assert await at_once(*clicks) == ["StaleChangeError"] * 7 + ["approved"]
    assert (await first.rest(held.id)).state is State.SUCCEEDED
    assert (first.effects("reboot"), first.asked("reboot")) == (1, 1)


async def test_votes_in_the_same_instant_are_counted_once_each(two: Two) -> None:
    """Three people, each clicking in both processes: two votes were wanted, two are stored, one effect."""
    first, second = two
    held = await first.ask("stop", AGENT, server=first.server("web.example.com").id)
    clicks = [
        lambda gate=gate, voter=voter: gate.vote(held.id, voter, Verdict.APPROVE, held.digest, scope=OPERATOR)
        for voter in VOTERS[:3]
        for gate in (first.gate, second.gate)
    ]
    seen = await at_once(*clicks)
    assert [item for item in seen if item.islower()] == ["approved", "held"]
    ended = await first.rest(held.id)
    assert (ended.state, len({vote.voter.id for vote in ended.votes}), len(ended.votes)) == (State.SUCCEEDED, 2, 2)
    assert first.effects("stop") == 1


async def test_an_approval_and_a_denial_in_the_same_instant_agree(two: Two) -> None:
    """Whichever comes first, the change is denied or done and never both."""
    first, second = two
    held = await first.ask("stop", AGENT, server=first.server("web.example.com").id)
    await first.gate.vote(held.id, VOTERS[0], Verdict.APPROVE, held.digest, scope=OPERATOR)
    await at_once(
        lambda: first.gate.vote(held.id, VOTERS[1], Verdict.APPROVE, held.digest, scope=OPERATOR),
        lambda: second.gate.vote(held.id, VOTERS[2], Verdict.DENY, held.digest, scope=OPERATOR),
        lambda: second.gate.cancel(held.id, ALICE, scope=OPERATOR),
    )
    ended = await first.rest(held.id)
    assert first.effects("stop") == (1 if ended.state is State.SUCCEEDED else 0)
    assert ended.state in {State.SUCCEEDED, State.DENIED, State.CANCELLED}


async def test_a_run_started_in_every_process_sends_once(two: Two) -> None:
    """Both keepers and both clicks may start a run: the claim lets one of them through."""
    first, second = two
    held = await first.ask("reboot", server=first.server("web.example.com").id)
    await first.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    for _ in range(3):
        first.engine.run(held.id)
        second.engine.run(held.id)
    assert (await second.rest(held.id)).state is State.SUCCEEDED
    assert first.asked("reboot") == 1


async def test_the_same_request_in_the_same_instant_is_one_change(two: Two) -> None:
    """A redelivered command in two processes is one change; another request for the server is refused."""
    first, second = two
    server = first.server("web.example.com").id
    seen = await at_once(
        lambda: first.ask("stop", server=server, key="trigger-1"),
        lambda: second.ask("stop", server=server, key="trigger-1"),
    )
    assert seen == ["held", "held"]
    assert len(await first.changes.list(scope=OPERATOR)) == 1


async def test_an_unreachable_provider_fails_before_anything_is_sent(stage: Stage) -> None:
    """Without a second check nothing is sent."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    stage.fault("drop_before", "get")
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    ended = await stage.rest(held.id)
    assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
    assert ended.note.startswith("Nothing was sent")


@pytest.mark.parametrize("really", [Really.STOPPED, Really.ERROR, Really.TERMINATED])
@pytest.mark.requirement("stale-is-superseded")
async def test_a_server_in_another_state_supersedes(stage: Stage, really: Really) -> None:
    """The approval was for a running server; the note states the present state."""
    server = stage.server("web.example.com")
    held = await stage.ask("reboot", server=server.id)
    stage.provider.simulator.world.override(server, really, None, None)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    ended = await stage.rest(held.id)
    assert (ended.state, stage.asked("reboot")) == (State.SUPERSEDED, 0)
    assert ended.note.startswith("Nothing was sent")


async def test_a_server_under_another_name_supersedes(stage: Stage) -> None:
    """The approval was for the name as well as the id."""
    server = stage.server("web.example.com")
    held = await stage.ask("stop", server=server.id)
    stage.provider.simulator.world.override(server, None, "database.example.com", None)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    ended = await stage.rest(held.id)
    assert (ended.state, stage.asked("stop")) == (State.SUPERSEDED, 0)
    assert "hostname was web.example.com, is database.example.com" in ended.note


async def test_a_server_that_is_gone_is_not_asked_for_anything(stage: Stage) -> None:
    """A removed server ends the change with nothing sent."""
    server = stage.server("web.example.com")
    held = await stage.ask("stop", server=server.id)
    stage.provider.simulator.world.remove(server)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    assert ((await stage.rest(held.id)).state, stage.asked("stop")) == (State.FAILED, 0)


async def test_a_hostname_taken_meanwhile_supersedes_a_create(stage: Stage) -> None:
    """No second server of a name is paid for."""
    held = await stage.ask("create", ALICE, **NEW)
    order = Order("NEW.example.com", "by hand", "vps-4gb-2cpu", "NO", "debian-12")
    stage.provider.simulator.world.create(order)
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    assert ((await stage.rest(held.id)).state, stage.asked("create")) == (State.SUPERSEDED, 0)


async def test_two_new_servers_of_one_name_are_shown_to_a_person(stage: Stage) -> None:
    """An unclear create that finds two servers adopts neither, and a person can settle it."""
    held = await stage.ask("create", ALICE, **NEW)
    stage.fault("drop_after", "create")
    stage.fault("slow", "list", seconds=0.5, after=1, times=1)  # the check after the answer was lost
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    await until(lambda: stage.effects("create", "new.example.com") == 1)
    stage.provider.simulator.world.create(Order("new.example.com", "by hand", "vps-4gb-2cpu", "NO", "debian-12"))
    ended = await stage.rest(held.id)
    assert ended.state is State.NEEDS_PERSON
    assert "2 new servers" in ended.note
    with pytest.raises(NotAllowedError):
        await stage.gate.resolve(held.id, AGENT, happened=True, scope=OPERATOR)
    assert (await stage.gate.resolve(held.id, ALICE, happened=True, scope=OPERATOR)).state is State.SUCCEEDED
    assert [item["event"] for item in await stage.notices()] == ["needs_person"]


@asynccontextmanager
async def closing_door(port: int) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """A route to the provider that can be closed: open connections stay, new ones are refused."""
    (door,) = (await anyio.create_tcp_listener(local_host="127.0.0.1")).listeners
    assert isinstance(door, SocketListener)

    async def carry(source: SocketStream, target: SocketStream) -> None:
        async for data in source:
            await target.send(data)
        await target.send_eof()

    async def serve(client: SocketStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", port) as server, anyio.create_task_group() as group:
            group.start_soon(carry, client, server)
            group.start_soon(carry, server, client)

    async def welcome() -> None:
        with suppress(anyio.ClosedResourceError):
            while True:
                group.start_soon(serve, await door.accept())

    async with anyio.create_task_group() as group:
        group.start_soon(welcome)
        here = door.extra(SocketAttribute.local_port)  # noqa: S610 - a socket, not a database
        yield f"http://127.0.0.1:{here}", door.aclose
        group.cancel_scope.cancel()


async def test_a_refused_connection_is_no_send(database_url: str, provider: SimulatorHandle) -> None:
    """A write that could not connect to the provider was certainly not sent: failed, without a query."""
    async with (
        closing_door(provider.port) as (url, shut),
        staged(database_url, provider, url=url) as stage,
    ):
        held = await stage.ask("stop", server=stage.server("web.example.com").id)
        await shut()  # reads continue over the connection they have; a write gets one of its own
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
        ended = await stage.rest(held.id)
        assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
        assert "unknown" not in await stage.events(held.id)


async def test_a_cancelled_change_that_waits_for_its_turn_is_not_sent(stage: Stage) -> None:
    """Until the intention is stored its asker can take it back."""
    held = await stage.ask("stop", server=stage.server("web.example.com").id)
    now = stage.clock.now().timestamp()
    await stage.database.transact(lambda connection: hold_offs.hold_off(connection, held, now, 30.0))
    await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    await stage.changes.wait(held.id, seconds=BOUND, until=lambda change: change.deferred, scope=OPERATOR)
    assert (await stage.gate.cancel(held.id, ALICE, scope=OPERATOR)).state is State.CANCELLED
    await until(lambda: not stage.engine._runs)
    assert stage.asked("stop") == 0
    with pytest.raises(StaleChangeError):
        await stage.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)


async def left_sending(stage: Stage, change: Change) -> None:
    """Leave a change as a process that died between the intention and the answer does."""

    def work(connection: Connection, approved: Change) -> None:
        now = stage.clock.now()
        repository.step(
            connection, approved, State.SENDING, now, event="sending", owner="slack-1-dead", sent_at=now.timestamp()
        )

    await stage.change(change.id, work)


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("operation", ["stop", "create"])
@pytest.mark.requirement("unknown-is-looked-up")
async def test_what_a_dead_process_was_sending_is_looked_up(
    database_url: str, provider: SimulatorHandle, operation: str, *, done: bool
) -> None:
    """It is unknown whether it was sent: it is queried and not sent again."""
    async with staged(database_url, provider) as stage:
        server = stage.server("web.example.com")
        held = await (stage.ask("stop", server=server.id) if operation == "stop" else stage.ask("create", ALICE, **NEW))
        await stage.change(
            held.id,
            lambda connection, entry: repository.step(connection, entry, State.APPROVED, held.created_at, event="x"),
        )
        await left_sending(stage, held)
        world = provider.simulator.world
        if done and operation == "stop":
            world.override(server, Really.STOPPED, None, None)
        elif done:
            world.create(Order("new.example.com", "new", "vps-4gb-2cpu", "NO", "debian-12"))
        ended = await stage.rest(held.id)
        assert ended.state is (State.SUCCEEDED if done else State.FAILED), ended.note
        assert stage.asked(operation) == 0


async def test_what_a_dead_process_was_about_to_run_is_run(two: Two) -> None:
    """Nothing had been sent: a living process runs it."""
    first, _ = two
    held = await first.ask("stop", server=first.server("web.example.com").id)

    def work(connection: Connection, change: Change) -> None:
        said_yes(connection, change, owner="slack-1-dead")

    await first.change(held.id, work)
    assert (await first.rest(held.id)).state is State.SUCCEEDED
    assert first.asked("stop") == 1


async def freeze(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process beat no more, for the others and in its own eyes."""
    beat = Process.beat

    async def beat_unless_frozen(process: Process) -> None:
        if process is not stage.process:
            await beat(process)

    monkeypatch.setattr(Process, "beat", beat_unless_frozen)
    stage.process.last_beat = float("-inf")
    gone = sa.update(PROCESSES).where(PROCESSES.c.id == stage.process.id).values(beat=PROCESSES.c.beat - 60.0)
    await stage.database.transact(lambda connection: connection.execute(gone))


@pytest.mark.requirement("late-process-sends-nothing")
async def test_a_frozen_process_that_wakes_up_late_sends_nothing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen between the intention and the send: another process has queried it by the time it wakes: not sent."""
    frozen, other = two
    intended, woken = anyio.Event(), anyio.Event()
    intend = Runner._intend

    async def late(
        runner: Runner, change: Change, checked: SendCheck, uptime: int | None
    ) -> tuple[Change, SendDeadline]:
        stored = await intend(runner, change, checked, uptime)
        intended.set()
        await woken.wait()
        return stored

    monkeypatch.setattr(Runner, "_intend", late)
    held = await frozen.ask("reboot", server=frozen.server("web.example.com").id)
    await frozen.gate.confirm(held.id, ALICE, held.digest, scope=OPERATOR)
    with anyio.fail_after(BOUND):
        await intended.wait()
    await freeze(frozen, monkeypatch)
    await other.reach(held.id, State.UNKNOWN)
    woken.set()
    await until(lambda: not frozen.engine._runs)
    ended = await other.rest(held.id)
    assert (ended.state, other.asked("reboot")) == (State.FAILED, 0)
    assert "sending outcome_unknown failed" in await other.events(held.id)


async def test_an_uncertain_process_holds_its_writes_back(
    database_url: str, provider: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a stored heartbeat it may count as dead: it retries for a bounded time, then reports the reason."""
    async with staged(database_url, provider, Setup(replace(QUICK, late_limit=0.5))) as stage:
        await stage.engine.start()
        await freeze(stage, monkeypatch)
        ended = await stage.done("stop", server=stage.server("web.example.com").id)
        assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
        assert "held back" in ended.note
        assert "could not store yet that it is alive" in ended.note


async def test_a_write_that_is_always_late_ends_with_the_reason(database_url: str, provider: SimulatorHandle) -> None:
    """Held back repeatedly with growing pauses: the end states that nothing was sent, and by how much it was late."""
    timing = replace(QUICK, send_window=-1.0, late_limit=0.5)
    async with staged(database_url, provider, Setup(timing)) as stage:
        ended = await stage.done("stop", server=stage.server("web.example.com").id)
        assert (ended.state, stage.asked("stop")) == (State.FAILED, 0)
        assert "this process was late by 1." in ended.note
        assert 1 <= (await stage.events(ended.id)).count("held_back") <= timing.late_limit / timing.late_pause


async def test_a_process_told_to_stop_before_the_send_leaves_it_to_others(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shut down in good order between the intention and the first byte: not sent, so it is run and not queried."""
    first, second = two
    scope, intend = anyio.CancelScope(), Runner._intend

    async def intend_and_cancel(
        runner: Runner, change: Change, checked: SendCheck, uptime: int | None
    ) -> tuple[Change, SendDeadline]:
        stored = await intend(runner, change, checked, uptime)
        if runner.process is first.process:
            scope.cancel()
        return stored

    monkeypatch.setattr(Runner, "_intend", intend_and_cancel)
    held = await first.ask("reboot", server=first.server("web.example.com").id)
    await first.change(held.id, said_yes)
    with scope:
        await first.engine._runner.run(held.id)
    await first.engine.stop()
    monkeypatch.setattr(Runner, "_intend", intend)
    assert (await second.rest(held.id)).state is State.SUCCEEDED
    assert first.asked("reboot") == 1
    assert "sending not_processed sending sent succeeded" in await first.events(held.id)
