"""Ships records in their order, at least once each: what was taken is stored in the database for each destination."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import anyio
import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import GENESIS, TrailRecord
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import error_id_of
from vpsops.core.shipment.address import ShipTarget
from vpsops.core.shipment.batch import MOST_RECORDS, Batch, ShipmentError, batch_of
from vpsops.core.storage import commit_notifier
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import AUDIT, SWITCHES

logger = structlog.get_logger(__name__)
PREFIX: Final = "audit_ship_"
VERIFY: Final = "Run vpsops audit verify. If that was meant, ship from a record on: --after NUMBER."


class RewrittenTrailError(StorageError):
    """The trail does not hold the record that was shipped last."""


@dataclass(frozen=True, slots=True)
class ShipPosition:
    """The last record that a destination took."""

    seq: int = 0
    hash: str = GENESIS
    shown: str = ""
    at: float = 0.0


def position_from(stored: object) -> ShipPosition:
    """Return a stored position; the trail's beginning for anything else."""
    value: Mapping[str, object] = stored if isinstance(stored, dict) else {}
    seq, digest, at = value.get("seq"), value.get("hash"), value.get("at")
    if not (isinstance(seq, int) and isinstance(digest, str) and isinstance(at, int | float)):
        return ShipPosition()
    return ShipPosition(seq, digest, str(value.get("to", "")), float(at))


def positions(connection: Connection) -> Sequence[ShipPosition]:
    """Return the positions of all destinations that ever took something."""
    query = sa.select(SWITCHES.c.value).where(SWITCHES.c.name.startswith(PREFIX)).order_by(SWITCHES.c.name)
    return [position_from(value) for value in connection.scalars(query)]


@dataclass(slots=True)
class Shipper:
    """Ships the trail of one database to one destination."""

    database: Database
    clock: Clock
    target: ShipTarget
    secrets: tuple[str, ...] = ()
    shipped: int = 0
    _failures: int = field(default=0, init=False)

    async def begin_after(self, seq: int) -> None:
        """Let the next record be the one after a number; raises `RewrittenTrailError` where there is no such record."""
        await self.database.transact(partial(self._set, seq), wake=False)

    async def ship(self, *, attempts: int = timings.SHIP_ATTEMPTS) -> None:
        """Ship what there is; raises `ShipmentError` once so many attempts in a row failed, and `StorageError`."""
        while await self._ships_next(attempts):
            continue

    async def follow(self) -> None:
        """Ship what there is and what comes, until cancelled; raises `RewrittenTrailError`, `MovedOnError`."""
        while True:
            mark = self.database.signals.mark(commit_notifier.AUDIT)
            try:
                more = await self._ships_next(None)
                if not more:
                    await self.database.signals.wait(timings.SHIP_LOOK_SECONDS, since=mark)
            except RewrittenTrailError:
                raise
            except StorageError as error:
                if self.database.outdated.is_set():
                    raise
                await self._pause(error)

    async def _ships_next(self, attempts: int | None) -> bool:
        """Ship one batch; return whether there was anything to ship."""
        position, batch = await self.database.read(self._next)
        if not batch:
            return False
        while not await self._delivers(batch, position, attempts):
            continue
        return True

    async def _delivers(self, batch: Batch, position: ShipPosition, attempts: int | None) -> bool:
        """Send a batch once and store whether it was taken, also where the process is to end meanwhile."""
        try:
            with anyio.CancelScope(shield=True):
                await self.target.destination.send(batch)
                await self.database.transact(partial(self._store, position, batch[-1].record), wake=False)
        except ShipmentError as error:
            if attempts is not None and self._failures + 1 >= attempts:
                raise
            await self._pause(error)
            return False
        if self._failures:
            logger.info("audit_ship_recovered", to=self.target.shown, failures=self._failures)
        self._failures = 0
        self.shipped += len(batch)
        return True

    async def _pause(self, error: ShipmentError | StorageError) -> None:
        self._failures += 1
        doubled = timings.SHIP_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 16)
        pause = min(doubled, timings.SHIP_LONGEST_PAUSE_SECONDS)
        logger.warning(
            "audit_ship_failed",
            to=self.target.shown,
            error=error.message,
            error_id=error_id_of(error),
            failures=self._failures,
            again_in=pause,
        )
        await self.clock.sleep(pause)

    def _next(self, connection: Connection) -> tuple[ShipPosition, Batch]:
        position = self._position(connection)
        _check_carried(connection, position)
        records = chain.read(connection, after=position.seq, limit=MOST_RECORDS)
        if records and records[0].seq != position.seq + 1:
            logger.error("audit_ship_gap", to=self.target.shown, after=position.seq, next=records[0].seq)
        return position, batch_of(records, self.secrets)

    def _position(self, connection: Connection, *, lock: bool = False) -> ShipPosition:
        query = sa.select(SWITCHES.c.value).where(SWITCHES.c.name == self.target.name)
        return position_from(connection.scalar(query.with_for_update() if lock else query))

    def _store(self, before: ShipPosition, last: TrailRecord, connection: Connection) -> None:
        """Store a position, unless another process that ships to the same place stored one in between."""
        _insert_empty(connection, self.target.name)
        if self._position(connection, lock=True).seq == before.seq:
            self._write(connection, last.seq, last.hash)

    def _set(self, seq: int, connection: Connection) -> None:
        digest = connection.scalar(sa.select(AUDIT.c.hash).where(AUDIT.c.seq == seq)) if seq else GENESIS
        if digest is None:
            raise RewrittenTrailError(
                f"There is no record {seq}.", hint=f"The last one is {chain.head(connection)[0]}."
            )
        _insert_empty(connection, self.target.name)
        self._write(connection, seq, digest)

    def _write(self, connection: Connection, seq: int, digest: str) -> None:
        at = self.clock.now().timestamp()
        value = {"seq": seq, "hash": digest, "to": self.target.shown, "at": at}
        mine = sa.update(SWITCHES).where(SWITCHES.c.name == self.target.name)
        connection.execute(mine.values(value=value, at=at))


def _insert_empty(connection: Connection, name: str) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    empty = insert(SWITCHES).values(name=name, value={}, by={}, at=0.0)
    connection.execute(empty.on_conflict_do_nothing())  # two may be the first


def _check_carried(connection: Connection, position: ShipPosition) -> None:
    if not position.seq:
        return
    digest = connection.scalar(sa.select(AUDIT.c.hash).where(AUDIT.c.seq == position.seq))
    if digest != position.hash:
        raise RewrittenTrailError(
            f"The trail does not hold record {position.seq} as it was shipped: it was cut or rewritten.", hint=VERIFY
        )
