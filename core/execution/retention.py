"""Retention: deletes messages that were delivered or never will be, never a change and never a record of the trail."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import RoundRecorder, no_record
from vpsops.core.messaging.subscriptions import forget_ended
from vpsops.core.storage.database import Database
from vpsops.core.storage.tables import ACCOUNTS, COPIES, INBOX, OUTBOX

logger = structlog.get_logger(__name__)
DAY: Final = timings.DAY_SECONDS
INBOX_DAYS: Final = timings.INBOX_DAYS
WAITING_DAYS: Final = timings.WAITING_DAYS
DEAD_DAYS: Final = timings.DEAD_DAYS
COPIES_DAYS: Final = timings.COPIES_DAYS
EVERY_SECONDS: Final = timings.RETENTION_SECONDS


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """How long is kept what an operator may decide about."""

    dead: int = DEAD_DAYS
    copies: int = COPIES_DAYS


DEFAULT_DAYS: Final = RetentionDays()


def forget(connection: Connection, now: float, days: RetentionDays = DEFAULT_DAYS) -> int:
    """Delete old rows, in the caller's transaction, and return how many; `now` in seconds since 1970."""
    old = (
        sa.delete(INBOX).where(INBOX.c.done_at < now - INBOX_DAYS * DAY),
        sa.delete(OUTBOX).where(OUTBOX.c.state == "waiting", OUTBOX.c.created_at < now - WAITING_DAYS * DAY),
        sa.delete(OUTBOX).where(OUTBOX.c.state == "dead", OUTBOX.c.created_at < now - days.dead * DAY),
        sa.delete(COPIES).where(COPIES.c.at < now - days.copies * DAY),
        sa.delete(ACCOUNTS).where(ACCOUNTS.c.asked_at < now - INBOX_DAYS * DAY),
    )
    return sum(connection.execute(statement).rowcount for statement in old) + forget_ended(connection, now)


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes old rows once an hour; several processes that do so harm nothing."""

    database: Database
    clock: Clock
    days: RetentionDays = DEFAULT_DAYS

    async def keep(self, record_round: RoundRecorder = no_record) -> None:
        """Delete now and every hour, until cancelled; an unavailable database is left for the next time."""
        while True:
            work = partial(forget, now=self.clock.now().timestamp(), days=self.days)
            try:
                count = await self.database.transact(work, durable=False, wake=False)
            except StorageError as error:
                logger.warning("retention_failed", error=error.message, error_id=error.error_id)
            else:
                logger.debug("rows_deleted", rows=count)
                record_round()
            await self.clock.sleep(EVERY_SECONDS)
