"""What `vpsops doctor` says of the destinations that the audit trail is shipped to."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.common.text import duration
from vpsops.core.common.timings import SHIP_LATE_SECONDS
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, ok, warn
from vpsops.core.shipment.shipper import ShipPosition, positions
from vpsops.core.storage import Database
from vpsops.core.storage.tables import AUDIT


async def check_shipment(database: Database, settings: Settings) -> Sequence[DoctorFinding]:
    """Return how far each destination is, and whether it lacks records for long."""
    now = database.clock.now().timestamp()
    lags = await database.read(
        lambda connection: [(each, *_lag(connection, each, now)) for each in positions(connection)]
    )
    if not lags and settings.ship_url is not None:
        what = "VPSOPS_AUDIT_SHIP_URL is set, and nothing was shipped yet"
        return [warn("ship", what, "Start vpsops audit ship")]
    return [_finding(*lag) for lag in lags]


def _lag(connection: Connection, position: ShipPosition, now: float) -> tuple[int, float]:
    """Return how many records a destination lacks, and the age of the oldest of them."""
    query = sa.select(sa.func.count(), sa.func.min(AUDIT.c.at)).where(AUDIT.c.seq > position.seq)
    count, oldest = connection.execute(query).one()
    return count, now - oldest if count else 0.0


def _finding(position: ShipPosition, count: int, age: float) -> DoctorFinding:
    where = f"{position.shown or 'a destination'} has the trail up to record {position.seq}"
    if age <= SHIP_LATE_SECONDS:
        return ok("ship", where)
    what = f"{where} and lacks {count}, the oldest for {duration(age)}"
    return warn("ship", what, "Start vpsops audit ship, or search its log for audit_ship_failed")
