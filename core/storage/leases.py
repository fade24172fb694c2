"""Living processes, and work for one process at a time: heartbeats and leases, in the lease clock.

A process sends a heartbeat every second. One without a heartbeat for five seconds is dead to the others, and
it knows by itself that it may be: after three and a half seconds without a stored beat it starts nothing.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import anyio
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import RoundRecorder, no_record
from vpsops.core.storage.batches import Rider, carry
from vpsops.core.storage.capability import Capability
from vpsops.core.storage.database import Database
from vpsops.core.storage.lease_clock import LATEST
from vpsops.core.storage.tables import LEASES, PROCESSES

BEAT_SECONDS: Final = timings.BEAT_SECONDS
DEAD_SECONDS: Final = timings.DEAD_SECONDS
CERTAIN_SECONDS: Final = timings.CERTAIN_SECONDS
HORIZON_SECONDS: Final = timings.HORIZON_SECONDS
LONGEST_SECONDS: Final = timings.LONGEST_SECONDS


def ahead(column: sa.ColumnElement[Any], tick: float) -> sa.ColumnElement[bool]:
    """The condition that a stored tick lies ahead; one beyond ten minutes is from before a reboot."""
    return sa.and_(column.is_not(None), column > tick, column <= tick + HORIZON_SECONDS)


def alive(connection: Connection, tick: float) -> set[str]:
    """Return the ids of the processes that beat within the last seconds."""
    near = PROCESSES.c.beat.between(tick - DEAD_SECONDS, tick + DEAD_SECONDS)
    return set(connection.scalars(sa.select(PROCESSES.c.id).where(near)))


def dead(connection: Connection, tick: float) -> set[str]:
    """Return the ids of the processes that beat once and have stopped; one that never beat is not known dead."""
    near = PROCESSES.c.beat.between(tick - DEAD_SECONDS, tick + DEAD_SECONDS)
    return set(connection.scalars(sa.select(PROCESSES.c.id).where(~near)))


async def observe(database: Database) -> None:
    """Determine whether any process beats, for a reader; on PostgreSQL one query is not enough.

    The lease clock stands still while no process lives, so the last to beat would appear alive. Raises `StorageError`.
    """
    if database.sqlite:
        return
    before = await database.read(latest_beat)
    await database.read(database.tick)
    with anyio.move_on_after(2 * BEAT_SECONDS):
        await anyio.sleep_forever()
    if await database.read(latest_beat) == before:
        database.lease_clock.skip(DEAD_SECONDS + BEAT_SECONDS)


def latest_beat(connection: Connection) -> float | None:
    """Return the last stored heartbeat of all processes."""
    beat: float | None = connection.exec_driver_sql(LATEST).scalar_one()
    return beat


def front_alive(connection: Connection, tick: float, front: str) -> bool:
    """Return whether a process of that front end beats."""
    near = PROCESSES.c.beat.between(tick - DEAD_SECONDS, tick + DEAD_SECONDS)
    return connection.execute(sa.select(PROCESSES.c.id).where(near, PROCESSES.c.front == front)).first() is not None


def lock_lease(connection: Connection, name: str) -> sa.Row[tuple[str, str, float]]:
    """Return the lease `name`, created free if missing, and locked until the commit."""
    locked = sa.select(LEASES).where(LEASES.c.name == name).with_for_update()
    row = connection.execute(locked).one_or_none()
    if row is not None:
        return row
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    free = insert(LEASES).values(name=name, owner="", until=0.0).on_conflict_do_nothing()  # two may be the first
    connection.execute(free)
    return connection.execute(locked).one()


def acquire_lease(connection: Connection, name: str, owner: str, tick: float) -> bool:
    """Take or keep the lease `name`; return False while another living process holds it."""
    row = lock_lease(connection, name)
    if row.owner != owner and row.owner in alive(connection, tick):
        return False
    connection.execute(sa.update(LEASES).where(LEASES.c.name == name).values(owner=owner, until=tick))
    return True


def lease_holder(connection: Connection, name: str) -> str:
    """Return the owner of the lease `name`, alive or not; empty without an owner."""
    return connection.scalar(sa.select(LEASES.c.owner).where(LEASES.c.name == name)) or ""


def release_lease(connection: Connection, name: str, owner: str) -> None:
    """Release a lease."""
    connection.execute(sa.delete(LEASES).where(LEASES.c.name == name, LEASES.c.owner == owner))


@dataclass(slots=True)
class Process:
    """This process among the others: its id, and whether it may still count itself alive."""

    database: Database
    clock: Clock
    front: str
    id: str = ""
    last_beat: float = float("-inf")
    can: Capability = field(default_factory=Capability)
    policy: Callable[[Connection], tuple[str, str]] = lambda _: ("", "")
    """Returns the version of the policy that this process was started with, and its source."""

    def __post_init__(self) -> None:
        self.id = self.id or f"{self.front}-{os.getpid()}-{secrets.token_hex(4)}"

    @property
    def certain(self) -> bool:
        """Return whether no process can have taken this one for dead, and its beats are stored for others."""
        database = self.database
        current = database.in_place and not database.outdated.is_set()
        return self.clock.monotonic() - self.last_beat < CERTAIN_SECONDS and current

    async def beat(self) -> None:
        """Store a heartbeat; raises `StorageError`."""
        begun, riders = self.clock.monotonic(), self.database.riders()
        failure: Exception | None = StorageError("The process was stopped.")
        try:
            await self.database.transact(partial(self._beat, riders), durable=False, wake=False, heart=True)
            self.last_beat, failure = begun, None
        except StorageError as error:
            failure = error
            raise
        finally:
            for rider in riders:
                rider.arrive(failure)

    def _beat(self, riders: Sequence[Rider[Any]], connection: Connection) -> None:
        tick = self.database.tick(connection)
        version, source = self.policy(connection)
        values = {"beat": tick, "policy": version, "policy_source": source}
        changed = connection.execute(sa.update(PROCESSES).where(PROCESSES.c.id == self.id).values(**values))
        if changed.rowcount == 0:
            now = self.clock.now().timestamp()
            own = {"id": self.id, "front": self.front, "started_at": now, **self.can.columns}
            connection.execute(sa.insert(PROCESSES).values(**own, **values))
            beat = PROCESSES.c.beat
            before_reboot = sa.update(PROCESSES).where(beat > tick + DEAD_SECONDS)  # no clock of this boot was there
            connection.execute(before_reboot.values(beat=-HORIZON_SECONDS))  # known dead, and later than no other beat
            long_ago = beat < tick - 3600
            connection.execute(sa.delete(PROCESSES).where(PROCESSES.c.started_at < now - 86400, long_ago))
        carry(connection, riders)

    async def beat_on(self, record_round: RoundRecorder = no_record) -> None:
        """Beat once a second until cancelled; a beat that cannot be stored is tried again."""
        self.database.heart_beats = True
        while True:
            with suppress(StorageError):  # `certain` turns false by itself; the next beat resets it
                await self.beat()
                record_round()
            await self.clock.sleep(BEAT_SECONDS)

    async def leave(self) -> None:
        """Sign off, so that others take over at once."""
        with anyio.move_on_after(timings.LEAVE_SECONDS, shield=True):
            try:
                await self.database.transact(self._leave, wake=True)
            except StorageError:
                return

    def _leave(self, connection: Connection) -> None:
        connection.execute(sa.delete(PROCESSES).where(PROCESSES.c.id == self.id))
        connection.execute(sa.delete(LEASES).where(LEASES.c.owner == self.id))
