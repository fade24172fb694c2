"""Spaces writes out across all processes: a burst passes, then one at a time."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.rate_limiter import Rate
from vpsops.core.common.timings import Timing
from vpsops.core.storage.leases import HORIZON_SECONDS, lock_lease
from vpsops.core.storage.tables import LEASES

SPACING = "pace"


def reserve(connection: Connection, tick: float, timing: Timing) -> float:
    """Reserve the next place for a write, and return the seconds until it comes.

    Generic cell rate algorithm: `write_burst` at once, then one every `write_gap` seconds.
    """
    until = lock_lease(connection, SPACING).until
    spaced = until if until <= tick + HORIZON_SECONDS else tick  # beyond, it is from before a reboot
    turn = Rate(timing.write_gap, timing.write_burst).turn(spaced, tick)
    connection.execute(sa.update(LEASES).where(LEASES.c.name == SPACING).values(until=turn.arrival))
    return turn.at - tick
