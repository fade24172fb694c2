"""The words of a time mean one moment or none, also where clocks are changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.schedule.time_words import UnclearTimeError, WindowName, read_time

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
SPRING = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
"""The day before Oslo's clocks skip 02:00 to 03:00."""
AUTUMN = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
"""The day before Oslo's clocks show 02:00 to 03:00 twice."""
SYDNEY_SPRING = datetime(2026, 10, 3, 0, 0, tzinfo=UTC)
"""The day before Sydney's clocks skip 02:00 to 03:00."""
SYDNEY_AUTUMN = datetime(2026, 4, 4, 0, 0, tzinfo=UTC)
"""The day before Sydney's clocks show 02:00 to 03:00 twice."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("words", "zone", "moment"),
    [
        ("at 02:00", "UTC", "2026-12-01 02:00"),
        ("at 14:00", "UTC", "2026-11-30 14:00"),
        ("at 02:00", "Europe/Oslo", "2026-12-01 01:00"),
        ("at 2:00", "Europe/Oslo", "2026-12-01 01:00"),
        ("at 02:00 Europe/Oslo", "UTC", "2026-12-01 01:00"),
        ("AT 02:00 europe/oslo", "UTC", "2026-12-01 01:00"),
        ("at 02:00 America/New_York", "UTC", "2026-12-01 07:00"),
        ("at 02:00 us/eastern", "UTC", "2026-12-01 07:00"),
        ("at 02:00 UTC", "Europe/Oslo", "2026-12-01 02:00"),
        ("at 02:00 +05:30", "Europe/Oslo", "2026-11-30 20:30"),
        ("at 02:00 -03:00", "UTC", "2026-12-01 05:00"),
        ("at 2026-12-05 02:00", "Europe/Oslo", "2026-12-05 01:00"),
        ("at 2026-12-05T02:00", "Europe/Oslo", "2026-12-05 01:00"),
        ("at 2026-12-05 02:00 Asia/Kolkata", "UTC", "2026-12-04 20:30"),
        ("in 2h", "UTC", "2026-11-30 14:00"),
        ("in 90m", "Europe/Oslo", "2026-11-30 13:30"),
        ("in 1h30m", "UTC", "2026-11-30 13:30"),
        ("in 1d 2h 5m", "UTC", "2026-12-01 14:05"),
        ("in 30d", "UTC", "2026-12-30 12:00"),
    ],
)
def test_words_mean_a_moment(words: str, zone: str, moment: str) -> None:
    """A time without a day is the next one; one without a zone is in the asker's."""
    assert read_time(words, zone, NOW) == utc(moment)


def test_a_window_is_named() -> None:
    """The window is looked up later, as it depends on the policy and on the server."""
    assert read_time("in window nightly", "UTC", NOW) == WindowName("nightly")
    assert read_time("In  Window  Nightly", "UTC", NOW) == WindowName("nightly")


@pytest.mark.parametrize("words", ["at 02:00", "in 2h", "in window nightly", "at 02:00 Europe/Oslo"])
def test_a_zone_that_is_none_is_refused_whatever_the_words(words: str) -> None:
    """It is stored and shown beside the time, so it has to be one."""
    with pytest.raises(InvalidInputError, match="is no time zone"):
        read_time(words, "Europe/Atlantis", NOW)


def test_a_span_is_as_long_in_every_zone() -> None:
    """Two hours across the end of summer time are two hours by the clock that the provider has."""
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in Oslo, half an hour before the clocks go back
    assert read_time("in 2h", "Europe/Oslo", before) == read_time("in 2h", "UTC", before) == before + timedelta(hours=2)


@pytest.mark.parametrize(
    "words",
    [
        *("", "at", "at 25:00", "at 02:61", "at 02", "02:00", "tonight", "in", "in 2", "in 2 weeks", "in window"),
        *("at 02:00 +02:75", "at 02:00 +05:99", "at 0001-01-01 00:00 +14:00", "at 9999-12-31 23:59 -14:00"),
        *("at \u0660\u0662:\u0660\u0660", "in \uff12h", "at \uff10\uff12:00"),
        *("at 2026-13-01 02:00", "at 2026-02-30 02:00", "at 02:00 Europe/Atlantis", "at 02:00 +25:00", "in window a b"),
        *(
            "at 02:00 localtime",
            "at 02:00 ../../etc/passwd",
            "in 99999d99999d",
            "at 0002:00",
            "at 02:00 02:00",
            "in -2h",
        ),
    ],
)
def test_other_words_mean_no_moment(words: str) -> None:
    """What is not read with certainty is refused, with the forms there are."""
    with pytest.raises(InvalidInputError) as refused:
        read_time(words, "UTC", NOW)
    assert refused.value.hint


@pytest.mark.parametrize("words", ["at 2026-11-30 11:59", "at 2026-11-30 12:00", "at 2020-01-01 00:00", "in 0m"])
def test_the_past_is_refused(words: str) -> None:
    """The present is past as well: nothing could still be decided about it."""
    with pytest.raises(InvalidInputError, match="is past"):
        read_time(words, "UTC", NOW)


@pytest.mark.parametrize("words", ["at 2026-12-30 12:01", "in 30d1m", "at 2030-01-01 00:00", "in " + "99999d" * 32])
def test_nothing_is_further_ahead_than_thirty_days(words: str) -> None:
    """At thirty days it is accepted, and a minute later it is not."""
    with pytest.raises(InvalidInputError, match="more than 30 days ahead"):
        read_time(words, "UTC", NOW)


@pytest.mark.parametrize(
    ("now", "words", "zone", "first", "second"),
    [
        (AUTUMN, "at 02:30", "Europe/Oslo", "at 2026-10-25 02:30 +02:00", "at 2026-10-25 02:30 +01:00"),
        (SPRING, "at 02:30", "Europe/Oslo", "at 2026-03-29 01:30 +01:00", "at 2026-03-29 03:30 +02:00"),
        (SYDNEY_AUTUMN, "at 02:30", "Australia/Sydney", "at 2026-04-05 02:30 +11:00", "at 2026-04-05 02:30 +10:00"),
        (SYDNEY_SPRING, "at 02:00", "Australia/Sydney", "at 2026-10-04 01:00 +10:00", "at 2026-10-04 03:00 +11:00"),
        (SPRING, "at 2026-03-29 02:00 Europe/Oslo", "UTC", "at 2026-03-29 01:00 +01:00", "at 2026-03-29 03:00 +02:00"),
    ],
)
def test_a_time_that_is_shown_twice_or_never_is_asked_about(
    now: datetime, words: str, zone: str, first: str, second: str
) -> None:
    """Both readings are offered, in words that mean one moment each."""
    with pytest.raises(UnclearTimeError) as unclear:
        read_time(words, zone, now)
    assert unclear.value.readings == (first, second)
    moments = [read_time(reading, zone, now) for reading in unclear.value.readings]
    assert all(isinstance(moment, datetime) for moment in moments)
    assert len(set(moments)) == 2
    assert first in unclear.value.hint
    assert second in unclear.value.hint


@pytest.mark.parametrize(
    ("now", "words", "zone", "moment"),
    [
        (AUTUMN, "at 01:59", "Europe/Oslo", "2026-10-24 23:59"),
        (AUTUMN, "at 03:00", "Europe/Oslo", "2026-10-25 02:00"),
        (SPRING, "at 01:59", "Europe/Oslo", "2026-03-29 00:59"),
        (SPRING, "at 03:00", "Europe/Oslo", "2026-03-29 01:00"),
        (SYDNEY_AUTUMN, "at 03:00", "Australia/Sydney", "2026-04-04 17:00"),
        (SYDNEY_SPRING, "at 03:00", "Australia/Sydney", "2026-10-03 16:00"),
    ],
)
def test_the_times_beside_a_clock_change_are_clear(now: datetime, words: str, zone: str, moment: str) -> None:
    """Only the hour itself is unclear."""
    assert read_time(words, zone, now) == utc(moment)


def test_a_reading_that_is_past_is_not_offered() -> None:
    """Between the two hours of autumn only the second is ahead."""
    between = utc("2026-10-25 00:45")  # 02:45, for the first time
    with pytest.raises(UnclearTimeError) as unclear:
        read_time("at 02:30", "Europe/Oslo", between)
    assert unclear.value.readings == ("at 2026-10-25 02:30 +01:00",)


def meanings(words: str, zone: str, now: datetime) -> list[datetime]:
    """Return the moments that words can mean: the one, or each of the readings that are offered."""
    try:
        moment = read_time(words, zone, now)
    except UnclearTimeError as unclear:
        return [moment for reading in unclear.readings for moment in meanings(reading, zone, now)]
    return [moment] if isinstance(moment, datetime) else []


@given(
    st.integers(0, 700 * 24 * 60).map(lambda minutes: SPRING + timedelta(minutes=minutes)),
    st.times(),
    st.sampled_from(["Europe/Oslo", "Australia/Sydney", "America/New_York", "UTC", "Australia/Lord_Howe"]),
)
def test_a_clear_time_is_ahead_and_within_two_days(now: datetime, wall: object, zone: str) -> None:
    """Whatever the date: never the past, and never further than the day after the next clock change."""
    for moment in meanings(f"at {wall:%H:%M}", zone, now):
        assert now < moment <= now + timedelta(hours=26)
