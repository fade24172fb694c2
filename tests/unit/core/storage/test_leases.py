"""Heartbeats and leases: who is alive, and who may do what only one may."""

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.clock import FakeClock
from tests.harness.patience import LOOK_SECONDS, PATIENCE_SECONDS
from vpsops.core.common.errors import StorageError
from vpsops.core.common.timings import DEFAULT_TIMING
from vpsops.core.execution import write_rate_limit
from vpsops.core.storage import Database, leases, open_database
from vpsops.core.storage.leases import Process
from vpsops.core.storage.tables import LEASES, OUTBOX, PROCESSES

BOUND = PATIENCE_SECONDS
NOW = 1000.0


@pytest.fixture
def processes(database: Database, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> tuple[Process, Process]:
    """Two processes on a lease clock that the test moves, on either database."""
    monkeypatch.setattr(database, "tick", lambda _: clock.monotonic())
    return Process(database, clock, "slack"), Process(database, clock, "mcp")


def beats(connection: Connection, **ticks: float) -> None:
    """Store processes by the tick of their last beat."""
    rows = [{"id": name, "front": name[:3], "started_at": 0.0, "beat": tick} for name, tick in ticks.items()]
    connection.execute(sa.insert(PROCESSES), rows)


async def alive(database: Database) -> set[str]:
    """Return who is alive now."""
    return await database.read(lambda connection: leases.alive(connection, database.tick(connection)))


async def test_a_process_is_alive_for_five_seconds_after_its_beat(database: Database) -> None:
    """Older heartbeats are of dead processes, and far younger ones of those that died before the machine restarted."""
    await database.transact(lambda c: beats(c, just=NOW, old=NOW - 4.9, dead=NOW - 5.1, future=NOW + 4.9, reboot=9e6))
    result = await database.read(lambda connection: leases.alive(connection, NOW))
    assert result == {"just", "old", "future"}


async def test_heartbeats_of_before_a_reboot_hide_no_later_ones(
    database: Database, processes: tuple[Process, Process], clock: FakeClock
) -> None:
    """The lease clock of SQLite begins again with the machine: the last heartbeat of all is one of since then.

    Who beat before stays known, and known dead.
    """
    tick = clock.monotonic()
    await database.transact(lambda c: beats(c, dead=tick - 60, reboot=tick + 36_000, soon=tick + 6))
    await processes[0].beat()
    assert await database.read(leases.latest_beat) == tick
    assert await database.read(lambda connection: leases.dead(connection, tick)) == {"dead", "reboot", "soon"}
    assert await database.read(lambda connection: leases.alive(connection, tick)) == {processes[0].id}


async def test_a_front_end_is_known_by_its_living_processes(database: Database) -> None:
    """A heartbeat, not a row, shows that a bot can ask people."""
    await database.transact(lambda connection: beats(connection, mcp=NOW, bot=NOW - 60))
    fronts = await database.read(
        lambda connection: [leases.front_alive(connection, NOW, front) for front in ("mcp", "bot", "cli")]
    )
    assert fronts == [True, False, False]


async def test_a_tick_from_before_a_reboot_lies_not_ahead(database: Database) -> None:
    """The lease clock restarts with the machine: what lies beyond ten minutes was never meant for now."""

    def work(connection: Connection) -> list[str]:
        stored = {"past": 999.0, "near": 1001.0, "far": 1600.0, "reboot": 1601.0}
        connection.execute(
            sa.insert(LEASES), [{"name": name, "owner": "", "until": tick} for name, tick in stored.items()]
        )
        return list(connection.scalars(sa.select(LEASES.c.name).where(leases.ahead(LEASES.c.until, NOW))))

    assert sorted(await database.transact(work)) == ["far", "near"]


async def test_nothing_stored_is_not_ahead(database: Database) -> None:
    """A column without a value is neither ahead nor anything but due."""

    def work(connection: Connection) -> int:
        connection.execute(
            sa.insert(OUTBOX).values(
                topic="t",
                kind="card",
                payload={},
                state="waiting",
                created_at=0.0,
                not_before=0.0,
                attempts=0,
                error="",
            )
        )
        return len(connection.execute(sa.select(OUTBOX.c.id).where(~leases.ahead(OUTBOX.c.until, NOW))).all())

    assert await database.transact(work) == 1


async def test_a_lease_is_with_one_living_process(database: Database) -> None:
    """The holder keeps it by taking it again; others get it once the holder is dead, or gave it up."""

    def take(owner: str, tick: float) -> Callable[[Connection], bool]:
        def work(connection: Connection) -> bool:
            connection.execute(sa.delete(PROCESSES))
            beats(connection, ann=NOW, ben=tick)
            return leases.acquire_lease(connection, "watcher", owner, tick)

        return work

    assert await database.transact(take("ann", NOW))
    assert await database.transact(take("ann", NOW + 1))
    assert not await database.transact(take("ben", NOW + 4))
    assert await database.transact(take("ben", NOW + 6))
    assert not await database.transact(take("ann", NOW + 6))
    await database.transact(lambda connection: leases.release_lease(connection, "watcher", "ann"))  # not hers any more
    assert not await database.transact(take("ann", NOW + 6))
    await database.transact(lambda connection: leases.release_lease(connection, "watcher", "ben"))
    assert await database.transact(take("ann", NOW + 6))


async def test_of_many_that_take_a_new_lease_at_once_one_gets_it(database_url: str, clock: FakeClock) -> None:
    """The first takers of a lease that never was meet in the same instant, and none of them fails."""
    won: list[bool] = []

    async def take(database: Database, owner: str) -> None:
        def work(connection: Connection) -> bool:
            return leases.acquire_lease(connection, "watcher", owner, NOW)

        won.append(await database.transact(work))

    async with open_database(database_url, clock) as first, open_database(database_url, clock) as second:
        await first.transact(lambda connection: beats(connection, **{f"p{number}": NOW for number in range(12)}))
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                for number in range(12):
                    group.start_soon(take, (first, second)[number % 2], f"p{number}")
    assert sorted(won) == [False] * 11 + [True]


async def test_the_first_writes_of_all_processes_are_spaced(database_url: str, clock: FakeClock) -> None:
    """Reservations that meet in the same instant get places of their own, in any process."""
    delays: list[float] = []

    async def reserve(database: Database) -> None:
        delays.append(
            await database.transact(lambda connection: write_rate_limit.reserve(connection, NOW, DEFAULT_TIMING))
        )

    async with open_database(database_url, clock) as first, open_database(database_url, clock) as second:
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                for number in range(14):
                    group.start_soon(reserve, (first, second)[number % 2])
    assert sorted(delays) == [0.0] * 10 + [0.25, 0.5, 0.75, 1.0]


async def test_a_beating_process_is_certain_until_others_may_doubt(
    database: Database, clock: FakeClock, processes: tuple[Process, Process]
) -> None:
    """It stops counting itself alive well before any other process may take over."""
    mine, other = processes
    assert not mine.certain
    await mine.beat()
    assert mine.certain
    clock.advance(3.4)
    assert mine.certain
    clock.advance(0.2)
    await other.beat()
    assert not mine.certain
    assert await alive(database) == {mine.id, other.id}
    clock.advance(1.5)
    assert await alive(database) == {other.id}
    await mine.beat()
    assert mine.certain


async def test_a_beat_counts_from_before_it_was_stored(
    database: Database, clock: FakeClock, processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat that took long to store proves nothing about the time it took."""
    mine, _ = processes

    def slow(_: Connection) -> float:
        clock.advance(4)
        return clock.monotonic()

    monkeypatch.setattr(database, "tick", slow)
    await mine.beat()
    assert not mine.certain


async def test_beating_goes_on_when_a_beat_fails(
    clock: FakeClock, processes: tuple[Process, Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is away for a moment does not silence a process for good."""
    mine, _ = processes
    tried: list[float] = []

    async def beat(_: Process) -> None:
        tried.append(clock.monotonic())
        raise StorageError("away")

    monkeypatch.setattr(Process, "beat", beat)
    with anyio.fail_after(BOUND):
        async with anyio.create_task_group() as group:
            group.start_soon(mine.beat_on)
            while len(tried) < 3:
                clock.advance(0.5)
                await anyio.sleep(LOOK_SECONDS)
            group.cancel_scope.cancel()


async def test_leaving_gives_up_all_at_once(database: Database, processes: tuple[Process, Process]) -> None:
    """A process that signs off is dead in the same transaction, and what it held is free."""
    mine, other = processes
    await mine.beat()
    await other.beat()

    def take(process: Process) -> Callable[[Connection], bool]:
        return lambda connection: leases.acquire_lease(connection, "watcher", process.id, database.tick(connection))

    assert await database.transact(take(mine))
    await mine.leave()
    assert await alive(database) == {other.id}
    assert await database.transact(take(other))


async def test_old_processes_are_forgotten(
    database: Database, clock: FakeClock, processes: tuple[Process, Process]
) -> None:
    """Rows of processes that were killed long ago, or before a reboot, go when a new one arrives; recent ones stay."""
    clock.advance(5000)
    long_ago, lately = clock.now().timestamp() - 2 * 86400, clock.now().timestamp() - 60
    rows = {"killed": (long_ago, 10.0), "reboot": (long_ago, 9e6), "late": (lately, 10.0), "long": (long_ago, 4990.0)}

    def store(connection: Connection) -> None:
        for name, (started, beat) in rows.items():
            connection.execute(sa.insert(PROCESSES).values(id=name, front="mcp", started_at=started, beat=beat))

    await database.transact(store)
    await processes[0].beat()
    left = await database.read(lambda connection: set(connection.scalars(sa.select(PROCESSES.c.id))))
    assert left == {"late", "long", processes[0].id}


async def test_processes_share_the_clock_of_their_machine(tmp_path: Path, clock: FakeClock) -> None:
    """Two processes with one SQLite file see each other alive without asking the time of day."""
    url = f"sqlite:///{tmp_path / 'v.sqlite3'}"
    async with open_database(url, clock) as first, open_database(url, clock) as second:
        mine, other = Process(first, clock, "slack"), Process(second, clock, "mcp")
        await mine.beat()
        await other.beat()
        assert await alive(first) == await alive(second) == {mine.id, other.id}
