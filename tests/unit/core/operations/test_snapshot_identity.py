"""What tells two snapshots of one name apart, in words for people."""

from datetime import UTC, datetime

from vpsops.core.operations.families.snapshots import identity_text
from vpsops.core.wayscloud.server_parts.snapshot_answers import Snapshot


def test_when_a_snapshot_was_taken_is_a_time_of_day() -> None:
    """To the second, and below it where the provider says so."""
    at = datetime(2027, 1, 4, 6, 0, 7, tzinfo=UTC)
    texts = [identity_text(Snapshot(name="a", created_at=at.replace(microsecond=below))) for below in (0, 250_000, 3)]
    assert texts == ["2027-01-04 06:00:07 UTC", "2027-01-04 06:00:07.25 UTC", "2027-01-04 06:00:07.000003 UTC"]
    assert identity_text(Snapshot(name="a")) == "not known"
