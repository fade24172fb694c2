"""Monitor state that survives its process: the servers' states, and the alarms that people were notified of.

Each is one row of the switches, which hold a JSON value by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.common.json_types import Json
from vpsops.core.storage import rows
from vpsops.core.storage.rows import UnreadableRow
from vpsops.core.storage.tables import SWITCHES
from vpsops.core.wayscloud.answers.models import Server

FLEET: Final = "seen_fleet"
AWAY: Final = "seen_away"
ALARMS: Final = "seen_alarms"
KEEP_SECONDS: Final = timings.FLEET_KEPT_SECONDS
"""A fleet that was not polled for longer is not compared with: changes since then are not reported."""
FRESH_SECONDS: Final = timings.FLEET_FRESH_SECONDS
"""The row of an unchanged fleet gets a new time no more often than this."""


@dataclass(frozen=True, slots=True)
class FleetState:
    """The servers' states at the last poll."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def states(self) -> dict[str, Json]:
        """The servers as they are stored: only the fields that their state follows from."""
        return {server.id: [server.hostname, server.status, server.power_state] for server in self.servers.values()}


def read_fleet(connection: Connection, now: datetime) -> FleetState:
    """Return the stored fleet, or an empty one where it is too old or cannot be read."""
    row = _row(connection, FLEET)
    if row is None or not 0 <= now.timestamp() - row["at"] <= KEEP_SECONDS or not isinstance(row["value"], dict):
        return FleetState()
    try:
        servers = [
            Server(id=ident, hostname=entry[0], status=entry[1], power_state=entry[2])
            for ident, entry in row["value"].items()
        ]
    except (ValidationError, LookupError, TypeError):
        return FleetState()
    return FleetState({server.id: server for server in servers}, datetime.fromtimestamp(row["at"], UTC))


def write_fleet(connection: Connection, fleet: FleetState, now: datetime) -> None:
    """Store the servers' current states."""
    write(connection, FLEET, fleet.states, now)


def read(connection: Connection, name: str) -> dict[str, Json]:
    """Return the stored value, or an empty dict."""
    row = _row(connection, name)
    return dict(row["value"]) if row is not None and isinstance(row["value"], dict) else {}


def write(connection: Connection, name: str, value: Mapping[str, Json], now: datetime) -> None:
    """Store a value under a name, in place of the one before."""
    values = {"value": dict(value), "by": {}, "at": now.timestamp()}
    done = connection.execute(sa.update(SWITCHES).where(SWITCHES.c.name == name).values(**values))
    if done.rowcount == 0:
        connection.execute(sa.insert(SWITCHES).values(name=name, **values))


def _row(connection: Connection, name: str) -> sa.RowMapping | None:
    query = sa.select(SWITCHES.c.name, SWITCHES.c.value, SWITCHES.c.at).where(SWITCHES.c.name == name)
    row = next(iter(rows.fetch(connection, query, SWITCHES.c.name)), None)
    if isinstance(row, UnreadableRow):
        rows.note(row)
        return None
    return row


def chunks(values: Sequence[Json], size: int) -> list[Sequence[Json]]:
    """Cut a list into pieces of at most `size`."""
    return [values[at : at + size] for at in range(0, len(values), size)]
