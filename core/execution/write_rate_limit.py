"""Spaces writes out across all processes: a burst passes, then one at a time; a Retry-After holds all back."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.rate_limiter import Rate
from vpsops.core.common.timings import Timing
from vpsops.core.storage.leases import HORIZON_SECONDS, LONGEST_SECONDS, lock_lease
from vpsops.core.storage.tables import LEASES

SPACING = "pace"
HELD_OFF = "held off"


@dataclass(frozen=True, slots=True)
class WriteSlot:
    """A place among all writes: the seconds to wait for it, and those for which the provider wants no writes."""

    delay: float
    unwanted: float


def reserve(connection: Connection, tick: float, timing: Timing) -> WriteSlot:
    """Reserve the next place for a write.

    Generic cell rate algorithm: `write_burst` at once, then one every `write_gap` seconds. Those that are
    held back are spaced from the end of that, so that they do not all come at once. Where the provider wants
    none for longer than is waited for, nothing is reserved.
    """
    spaced, unwanted = _both(connection, tick)
    first = max(unwanted, tick)
    if first - tick > timing.longest_hold_off:
        return WriteSlot(0.0, first - tick)
    turn = Rate(timing.write_gap, timing.write_burst).turn(spaced, first)
    _set(connection, SPACING, turn.arrival)
    return WriteSlot(turn.at - tick, first - tick)


def _both(connection: Connection, tick: float) -> tuple[float, float]:
    """Return until when places are taken, and until when no write is wanted; both stay so until the commit."""
    query = sa.select(LEASES).where(LEASES.c.name.in_((SPACING, HELD_OFF))).order_by(LEASES.c.name).with_for_update()
    until = {row.name: row.until for row in connection.execute(query)}
    for name in (HELD_OFF, SPACING):
        if name not in until:
            until[name] = lock_lease(connection, name).until
    spaced, unwanted = (each if each <= tick + HORIZON_SECONDS else tick for each in (until[SPACING], until[HELD_OFF]))
    return spaced, unwanted


def held_off(connection: Connection, tick: float) -> float:
    """Return the seconds for which the provider still wants no writes."""
    return max(_until(connection, HELD_OFF, tick) - tick, 0.0)


def hold_off(connection: Connection, tick: float, seconds: float) -> None:
    """Keep every process from writing for some seconds, as the provider asked."""
    _set(connection, HELD_OFF, max(_until(connection, HELD_OFF, tick), tick + min(seconds, LONGEST_SECONDS)))


def _until(connection: Connection, name: str, tick: float) -> float:
    until = lock_lease(connection, name).until
    return until if until <= tick + HORIZON_SECONDS else tick


def _set(connection: Connection, name: str, until: float) -> None:
    connection.execute(sa.update(LEASES).where(LEASES.c.name == name).values(until=until))
