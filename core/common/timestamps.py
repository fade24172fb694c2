"""Times as the database holds them: UTC seconds since 1970."""

from datetime import UTC, datetime


def seconds(moment: datetime | None) -> float | None:
    """Return UTC seconds since 1970, as stored."""
    return None if moment is None else moment.timestamp()


def moment(value: float | None) -> datetime | None:
    """Return the aware UTC time of stored seconds."""
    return None if value is None else datetime.fromtimestamp(value, UTC)
