"""Times of facts in the zone of who reads them: the next occurrence of a time of day, and no time that is none."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from vpsops.core.changes.fact_times import local_text, times_in

NOW = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)  # the night before summer time in Oslo
OSLO = ZoneInfo("Europe/Oslo")


def test_a_time_of_day_is_that_of_its_next_occurrence() -> None:
    """So summer time is the one that is in force then."""
    assert local_text(["none → 03:00 UTC"], NOW, OSLO) == "03:00 UTC is 05:00 CEST"
    assert local_text(["none → 22:00 UTC"], NOW, OSLO) == "22:00 UTC is 23:00 CET"
    assert times_in(["12:00 UTC"], NOW) == {"12:00 UTC": NOW + timedelta(days=1)}


def test_a_date_stays_with_its_time_and_seconds_go() -> None:
    """Each once, and six at most."""
    value = "taken 2026-11-29 21:42:48.5 UTC, again 2026-11-29 21:42 UTC"
    assert local_text([value], NOW, OSLO) == "2026-11-29 21:42 UTC is 2026-11-29 22:42 CET"
    assert len(times_in([f"0{hour}:00 UTC" for hour in range(9)], NOW)) == 6


@pytest.mark.parametrize("value", ["", "03:00", "25:00 UTC", "2026-02-30 10:00 UTC", "103:00 UTC", "03:00 UTCX"])
def test_what_is_no_time_is_left_out(value: str) -> None:
    """Nothing is guessed."""
    assert times_in([value], NOW) == {}


def test_in_utc_nothing_is_repeated() -> None:
    """It would say the same twice."""
    assert local_text(["03:00 UTC"], NOW, UTC) == ""
    assert local_text(["03:00 UTC"], NOW, timezone(timedelta(0), "GMT")) == ""
