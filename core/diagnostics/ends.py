"""What `vpsops doctor` says of ends: those that passed and were not looked at, and those that no process watches."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from vpsops.core.common.text import count_text, moment
from vpsops.core.common.timings import END_ROUND_SECONDS
from vpsops.core.config.settings import Settings
from vpsops.core.console.checks import DoctorFinding, warn
from vpsops.core.ends.model import EndState, ServerEnd
from vpsops.core.ends.repository import open_ends
from vpsops.core.storage.database import Database
from vpsops.core.storage.leases import alive

NAME: Final = "ends"
LATE: Final = timedelta(seconds=12 * END_ROUND_SECONDS)
"""An end that passed so long ago should have been looked at."""


async def check_ends(database: Database, _: Settings) -> Sequence[DoctorFinding]:
    """Warn of ends that are overdue, that no process watches, or that people were asked about; nothing without any."""
    now, tick = database.clock.now(), database.tick
    ends, watched = await database.read(lambda connection: _read(connection, tick(connection)))
    return [*_overdue(ends, now), *([] if watched else _unwatched(ends)), *_asked(ends)]


def _read(connection: Connection, tick: float) -> tuple[Sequence[ServerEnd], bool]:
    return open_ends(connection), bool(alive(connection, tick))


def _overdue(ends: Sequence[ServerEnd], now: datetime) -> list[DoctorFinding]:
    late = [end for end in ends if end.state is EndState.OPEN and end.ends_at + LATE < now]
    if not late:
        return []
    what = f"{count_text(len(late), 'server')} past the end and still not stopped, since {moment(late[0].ends_at)}"
    return [warn(NAME, what, "The provider does not answer, another change has it, or no process runs: vpsops ends")]


def _unwatched(ends: Sequence[ServerEnd]) -> list[DoctorFinding]:
    coming = [end for end in ends if end.state in {EndState.OPEN, EndState.STOPPING}]
    if not coming:
        return []
    what = f"{count_text(len(coming), 'server')} with an end that no process watches, the next one at "
    return [warn(NAME, f"{what}{moment(coming[0].ends_at)}", "Run `vpsops bot`, `vpsops serve` or `vpsops worker`")]


def _asked(ends: Sequence[ServerEnd]) -> list[DoctorFinding]:
    asked = [end for end in ends if end.state is EndState.ASKED]
    if not asked:
        return []
    what = f"{count_text(len(asked), 'server')} at the end, and people were asked what becomes of it"
    return [warn(NAME, what, "vpsops ends lists them; keep, stop or delete each")]
