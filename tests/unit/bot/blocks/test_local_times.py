"""Times in UTC, repeated in each reader's own time zone."""

from datetime import UTC, datetime

import pytest

from vpsops.bot.blocks.local_times import local_times

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("none → 10:30 UTC", datetime(2027, 1, 4, 10, 30, tzinfo=UTC)),
        ("03:00 UTC", datetime(2027, 1, 5, 3, 0, tzinfo=UTC)),
        ("09:00 UTC", datetime(2027, 1, 5, 9, 0, tzinfo=UTC)),
        ("2027-01-03 03:00:59.25 UTC", datetime(2027, 1, 3, 3, 0, tzinfo=UTC)),
        ("all written since 2027-01-03 03:00 UTC", datetime(2027, 1, 3, 3, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_repeated_by_its_moment(value: str, at: datetime) -> None:
    """Slack shows it in the reader's zone; a time of day is its next occurrence."""
    (block,) = local_times([value], NOW)
    assert f"<!date^{int(at.timestamp())}^" in block["elements"][0]["text"]


def test_each_time_is_repeated_once() -> None:
    """Before and after, in their order."""
    (block,) = local_times(["03:00 UTC → 04:30 UTC", "04:30 UTC"], NOW)
    text = block["elements"][0]["text"]
    assert text.count("<!date^") == 2
    assert text.index("03:00") < text.index("04:30")


@pytest.mark.parametrize("value", ["", "daily", "25:00 UTC", "03:00", "2027-13-41 03:00 UTC", "1903:00 UTC"])
def test_what_is_no_time_is_left(value: str) -> None:
    """No line where there is nothing to repeat."""
    assert local_times([value], NOW) == []
