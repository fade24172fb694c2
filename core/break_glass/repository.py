"""The rows of reviews. Every function works inside the caller's transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.break_glass.model import Review, ReviewState, check_review_step, next_reminder
from vpsops.core.changes import repository
from vpsops.core.common.errors import StaleChangeError
from vpsops.core.common.stored_values import moment
from vpsops.core.storage.tables import CHANGES, REVIEWS

IS_OPEN = REVIEWS.c.state == ReviewState.OPEN.value


def open_review(connection: Connection, change_id: str, now: datetime) -> None:
    """Store a new review; raises IntegrityError where the change has a review."""
    connection.execute(
        sa.insert(REVIEWS).values(
            change_id=change_id,
            state=ReviewState.OPEN.value,
            opened_at=now.timestamp(),
            remind_at=next_reminder(now, 0).timestamp(),
            reminders=0,
        )
    )


def load(connection: Connection, change_id: str) -> Review | None:
    """Return the review of a change, or None."""
    row = connection.execute(sa.select(REVIEWS).where(REVIEWS.c.change_id == change_id)).mappings().one_or_none()
    return None if row is None else review_of(row)


def close_review(connection: Connection, review: Review, now: datetime) -> None:
    """Close a review; raises `StaleChangeError` where another caller closed it first."""
    check_review_step(review.state, ReviewState.CLOSED)
    closing = sa.update(REVIEWS).where(REVIEWS.c.change_id == review.change_id, IS_OPEN)
    values = {"state": ReviewState.CLOSED.value, "closed_at": now.timestamp(), "remind_at": None}
    if not connection.execute(closing.values(**values)).rowcount:
        raise closed_already(review.change_id)


def closed_already(change_id: str) -> StaleChangeError:
    """Return the error for a review that is closed."""
    return StaleChangeError(f"The review of {change_id} is closed already.", hint="Nothing was done now.")


def due(connection: Connection, now: datetime, limit: int) -> Sequence[Review]:
    """Return the open reviews that people are to be reminded of, the longest waiting first."""
    query = sa.select(REVIEWS).where(IS_OPEN, REVIEWS.c.remind_at <= now.timestamp())
    rows = connection.execute(query.order_by(REVIEWS.c.remind_at, REVIEWS.c.change_id).limit(limit)).mappings()
    return [review_of(row) for row in rows]


def take_reminder(connection: Connection, review: Review, now: datetime) -> int:
    """Set the time of the next reminder; return 0 where another process took this one or the review is closed, or 1."""
    if review.remind_at is None:
        return 0
    count = review.reminders + 1
    mine = sa.update(REVIEWS).where(
        REVIEWS.c.change_id == review.change_id, IS_OPEN, REVIEWS.c.reminders == review.reminders
    )
    values = {"reminders": count, "remind_at": next_reminder(now, count).timestamp()}
    return connection.execute(mine.values(**values)).rowcount


def open_ids(connection: Connection, limit: int, teams: frozenset[str] = frozenset()) -> Sequence[str]:
    """Return the ids of the changes with an open review, the oldest first: of some workspaces, or of all."""
    own = sa.select(CHANGES.c.id).where(*repository.of_teams(teams))
    shown = [REVIEWS.c.change_id.in_(own)] if teams else []
    query = sa.select(REVIEWS.c.change_id).where(IS_OPEN, *shown).order_by(REVIEWS.c.opened_at, REVIEWS.c.change_id)
    return list(connection.scalars(query.limit(limit)))


def count_open(connection: Connection) -> int:
    """Return how many reviews are open."""
    return connection.scalar(sa.select(sa.func.count()).where(IS_OPEN)) or 0


def oldest_open(connection: Connection) -> tuple[int, datetime | None]:
    """Return how many reviews are open, and since when the oldest is; None without any."""
    count, since = connection.execute(sa.select(sa.func.count(), sa.func.min(REVIEWS.c.opened_at)).where(IS_OPEN)).one()
    return count, moment(since)


def review_of(row: sa.RowMapping) -> Review:
    """Return the review that a row holds."""
    return Review(
        change_id=row["change_id"],
        state=ReviewState(row["state"]),
        opened_at=datetime.fromtimestamp(row["opened_at"], UTC),
        remind_at=moment(row["remind_at"]),
        reminders=row["reminders"],
        closed_at=moment(row["closed_at"]),
    )
