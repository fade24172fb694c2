"""Events read off the audit trail: the changes of every process, in the order they were stored.

The trail's numbers are assigned under one lock, so none appears after a higher one was read. There is no polling:
followers wait for the database's signal.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes import serialization
from vpsops.core.changes.model import State
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.json_types import Json
from vpsops.core.operations.target import Target
from vpsops.core.storage import commit_notifier, rows
from vpsops.core.storage.database import Database
from vpsops.core.storage.rows import UnreadableRow
from vpsops.core.storage.tables import AUDIT, CHANGES

logger = structlog.get_logger(__name__)
PAGE = 500
FALL_BACK: Final = timings.NEWS_SECONDS
TOGETHER = 0.05  # a burst of commits is one read
AWAY: Final = timings.SIGNAL_AWAY_SECONDS
BROKEN: Final = timings.NEWS_BROKEN_SECONDS
SENT = (State.SENDING, State.WATCHING, State.UNKNOWN, State.NEEDS_PERSON, State.SUCCEEDED, State.FAILED)


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One record of the trail, with its subject."""

    seq: int
    change: str = ""  # its id, if it is about one
    target: Target | None = None  # the server, if any
    touched: bool = False  # the server itself may have changed since


def after(connection: Connection, seq: int) -> list[ChangeEvent]:
    """Return the records after the one numbered `seq`, in order, a page at most."""
    query = (
        sa.select(AUDIT.c.seq, AUDIT.c.event, AUDIT.c.change_id, AUDIT.c.record)
        .add_columns(CHANGES.c.state, CHANGES.c.target, CHANGES.c.result)
        .join_from(AUDIT, CHANGES, CHANGES.c.id == AUDIT.c.change_id, isouter=True)
        .where(AUDIT.c.seq > seq)
        .order_by(AUDIT.c.seq)
        .limit(PAGE)
    )
    records = rows.fetch(connection, query, AUDIT.c.seq)
    return [ChangeEvent(int(row.id)) if isinstance(row, UnreadableRow) else _news(row) for row in records]


def _news(row: sa.RowMapping) -> ChangeEvent:
    if row["target"] is not None:
        target = rows.decoded(row, AUDIT.c.seq, _target)
        known = None if isinstance(target, UnreadableRow) else target
        return ChangeEvent(row["seq"], row["change_id"], known, row["state"] in SENT)
    if row["event"] == "drift":
        return ChangeEvent(row["seq"], "", _drifted(row["record"]), touched=True)
    return ChangeEvent(row["seq"], row["change_id"] or "")


def _target(row: sa.RowMapping) -> Target:
    target = serialization.target_of(row["target"])
    return replace(target, id=target.id or str(row["result"].get("id", "")))


def _drifted(text: str) -> Target | None:
    try:
        body: Json = json.loads(text)
    except (ValueError, RecursionError):  # altered from outside; the audit reports that
        return None
    ident = body.get("server") if isinstance(body, dict) else None
    return Target(id=ident, hostname=str(body.get("hostname", ""))) if ident and isinstance(ident, str) else None


async def follow(
    database: Database, clock: Clock, listener: Callable[[Sequence[ChangeEvent]], None], ready: anyio.Event
) -> None:
    """Pass on all that any process stores from now on, until cancelled; `ready` is set once nothing is missed."""
    seq = -1
    while True:
        mark = database.signals.mark(commit_notifier.AUDIT)
        try:
            if seq < 0:
                seq, _ = await database.read(chain.head)
                ready.set()
            news = await database.read(lambda connection: after(connection, seq))  # noqa: B023 - run at once
        except StorageError as error:
            logger.warning("change_feed_unavailable", error=error.message, error_id=error.error_id)
            await clock.sleep(AWAY)
            continue
        except Exception:  # a bug must not end the followers; records read so far are not repeated
            logger.exception("change_feed_failed")
            await clock.sleep(BROKEN)
            continue
        if news:
            seq = news[-1].seq
            listener(news)
        else:
            await database.signals.wait(FALL_BACK, since=mark)
            await clock.sleep(TOGETHER)
