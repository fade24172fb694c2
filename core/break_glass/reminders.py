"""Reminds people of open reviews, in every process that runs changes; each reminder is stored once.

The time of the next reminder and the message of this one are stored in one transaction, by compare-and-set, so that
two processes remind no one twice.
"""

from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.engine import Connection

from vpsops.core.break_glass import repository as reviews
from vpsops.core.break_glass.overrides import REVIEW_REMINDER
from vpsops.core.common import timings
from vpsops.core.common.clock import Clock
from vpsops.core.common.errors import StorageError
from vpsops.core.common.supervision import RoundRecorder, no_record
from vpsops.core.messaging import outbox
from vpsops.core.storage.database import Database

logger = structlog.get_logger(__name__)
EVERY_SECONDS: Final = timings.REVIEW_ROUND_SECONDS
BATCH: Final = 100
"""The most reminders of one round."""


@dataclass(frozen=True, slots=True)
class ReviewReminders:
    """Stores the reminders that are due."""

    database: Database
    clock: Clock

    async def keep(self, record_round: RoundRecorder = no_record) -> None:
        """Remind now and at every round, until cancelled; an unavailable database is left for the next round."""
        while True:
            try:
                count = await self.round()
            except StorageError as error:
                logger.warning("review_reminders_failed", error=error.message, error_id=error.error_id)
            else:
                if count:
                    logger.info("review_reminders_stored", count=count)
                record_round()
            await self.clock.sleep(EVERY_SECONDS)

    async def round(self) -> int:
        """Store what is due, and return how many reminders. Raises `StorageError`."""
        now = self.clock.now()
        if not await self.database.read_along(lambda connection: bool(reviews.due(connection, now, 1))):
            return 0
        return await self.database.transact(self._remind)

    def _remind(self, connection: Connection) -> int:
        now, count = self.clock.now(), 0
        for review in reviews.due(connection, now, BATCH):
            if reviews.take_reminder(connection, review, now):
                event = f"{REVIEW_REMINDER}:{review.reminders + 1}"
                outbox.put_notice(connection, review.change_id, event, now)
                count += 1
        return count
