"""The life of a review, as a table and frozen values.

    open -> closed

A review is opened in the transaction that runs a change without votes. Another person who may approve the change
closes it with a note; until then people are reminded, at growing intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vpsops.core.changes.model import check_table
from vpsops.core.common import timings

FIRST_SECONDS: Final = timings.REVIEW_SECONDS
MOST_SECONDS: Final = timings.REVIEW_MOST_SECONDS
DOUBLINGS: Final = 16
"""Reminders after which the interval is at its longest in any case; it keeps the power small."""


class ReviewState(StrEnum):
    """Where a review is."""

    OPEN = "open"
    CLOSED = "closed"


REVIEW_STEPS: Final[Mapping[ReviewState, frozenset[ReviewState]]] = {
    ReviewState.OPEN: frozenset({ReviewState.CLOSED}),
    ReviewState.CLOSED: frozenset(),
}


def check_review_step(before: ReviewState, after: ReviewState) -> None:
    """Raise `IllegalStepError` unless the table has this step."""
    check_table(REVIEW_STEPS, before, after)


@dataclass(frozen=True, slots=True)
class Review:
    """The review of one change that ran without votes."""

    change_id: str
    state: ReviewState
    opened_at: datetime
    remind_at: datetime | None
    reminders: int = 0
    closed_at: datetime | None = None


def next_reminder(now: datetime, reminders: int) -> datetime:
    """Return when people are reminded again, after so many reminders: each interval is twice the one before."""
    seconds = min(FIRST_SECONDS * 2 ** min(reminders, DOUBLINGS), MOST_SECONDS)
    return now + timedelta(seconds=seconds)
