"""An attempt to send a change: its place among all writes, its last check, and when the first attempt began."""

from dataclasses import dataclass

from sqlalchemy.engine import Connection

from vpsops.core.authorization.agent_pause import AgentsPausedError
from vpsops.core.authorization.authorization import UnauthorizedError, read_records
from vpsops.core.authorization.hold_offs import HeldOffError
from vpsops.core.authorization.recheck import StricterError
from vpsops.core.changes.model import Change
from vpsops.core.changes.preview import Preview
from vpsops.core.common.errors import StaleChangeError, StorageError
from vpsops.core.grants.trail import EVENTS as GRANT_EVENTS
from vpsops.core.limits.model import AccountSnapshot
from vpsops.core.limits.quotas import LimitReachedError
from vpsops.core.outcomes.twins import TwinError
from vpsops.core.schedule.model import MissedError

RUN_EVENTS = frozenset({"sending", "held_back", "not_processed"})


class SupersededError(Exception):
    """The change ended while its write was being prepared, and its end is stored."""


UNPREPARED = (
    AgentsPausedError,
    HeldOffError,
    LimitReachedError,
    MissedError,
    StricterError,
    SupersededError,
    TwinError,
    UnauthorizedError,
    StaleChangeError,
    StorageError,
)
"""The errors of storing the intention: nothing left."""


@dataclass(frozen=True, slots=True)
class WriteTurn:
    """A place among all writes."""

    at: float = 0.0  # when it comes, by the steady clock
    barrier: Exception | None = None  # why the barrier is missing; raised where it is waited for


@dataclass(frozen=True, slots=True)
class ClaimedChange:
    """A change that this process is to run, and its first turn."""

    change: Change
    turn: WriteTurn


@dataclass(frozen=True, slots=True)
class SendCheck:
    """The result of the last check before sending: the resulting preview and, where a limit needs it, the account."""

    seen: Preview
    account: AccountSnapshot | None
    at: float  # by the steady clock


def attempted_since(change: Change, connection: Connection) -> float:
    """Return when the first attempt to send an approved change was stored, in UTC seconds, by any process.

    Raises `UnauthorizedError` where the change has more records than are read.
    """
    begun = 0.0
    for record in read_records(connection, change.id):
        if record.event in GRANT_EVENTS:
            continue
        if record.event not in RUN_EVENTS:
            begun = 0.0
        elif begun == 0.0:
            begun = record.at
    return begun
