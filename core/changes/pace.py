"""Spaces writes out across all processes: a burst passes, then one at a time; a Retry-After holds all back."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.storage.leases import HORIZON_SECONDS, held
from core.storage.tables import LEASES
from core.timing import Timing

SPACING = "pace"
HELD_OFF = "held off"


def reserve(connection: Connection, tick: float, timing: Timing) -> float:
    """Reserve the next place for a write and return the seconds to wait for it.

    Generic cell rate algorithm: `write_burst` at once, then one every `write_gap` seconds. Those that are
    held back are spaced from the end of that, so that they do not all come at once.
    """
    first = tick + held_off(connection, tick)
    arrival = max(_until(connection, SPACING, tick), first)
    _set(connection, SPACING, arrival + timing.write_gap)
    return max(arrival - timing.write_gap * (timing.write_burst - 1), first) - tick


def held_off(connection: Connection, tick: float) -> float:
    """Return the seconds for which the provider still wants no writes."""
    return max(_until(connection, HELD_OFF, tick) - tick, 0.0)


def hold_off(connection: Connection, tick: float, seconds: float) -> None:
    """Keep every process from writing for some seconds, as the provider asked."""
    _set(connection, HELD_OFF, max(_until(connection, HELD_OFF, tick), tick + min(seconds, HORIZON_SECONDS)))


def _until(connection: Connection, name: str, tick: float) -> float:
    until = held(connection, name).until
    return until if until <= tick + HORIZON_SECONDS else tick


def _set(connection: Connection, name: str, until: float) -> None:
    connection.execute(sa.update(LEASES).where(LEASES.c.name == name).values(until=until))
