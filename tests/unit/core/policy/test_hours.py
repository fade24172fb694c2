"""Hours are as people mean them: days, nights past midnight, and the clock changes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.policy.hours import DAY, Hours

OSLO = "Europe/Oslo"


def holds(text: str, zone: str, when: str) -> bool:
    return Hours.parse([text], [], zone).hold(datetime.fromisoformat(when))


@pytest.mark.parametrize(
    ("text", "zone", "when", "expected"),
    [
        ("Mon-Fri 08:00-18:00", OSLO, "2026-11-24T07:00:00+00:00", True),
        ("Mon-Fri 08:00-18:00", OSLO, "2026-11-24T06:59:59+00:00", False),
        ("Mon-Fri 08:00-18:00", OSLO, "2026-11-24T17:00:00+00:00", False),
        ("Mon-Fri 08:00-18:00", OSLO, "2026-07-24T06:00:00+00:00", True),
        ("Mon-Fri 08:00-18:00", "Asia/Kolkata", "2026-11-24T02:30:00+00:00", True),
        ("Sat-Sun 00:00-24:00", "UTC", "2026-11-28T23:59:00+00:00", True),
        ("sat-sun", "UTC", "2026-11-28T00:00:00+00:00", True),
        ("Mon,Wed-Fri 08:00-09:00", "UTC", "2026-11-24T08:30:00+00:00", False),
        ("Mon, Wed - Fri 08:00 - 09:00", "UTC", "2026-11-25T08:30:00+00:00", True),
        ("Fri 22:00-06:00", "UTC", "2026-11-28T05:59:00+00:00", True),
        ("Fri 22:00-06:00", "UTC", "2026-11-27T05:00:00+00:00", False),
        ("Sun 22:00-06:00", "UTC", "2026-11-30T05:59:00+00:00", True),
        ("Fri-Mon 10:00-11:00", "UTC", "2026-11-29T10:30:00+00:00", True),
        ("22:00-06:00", "UTC", "2026-11-24T23:00:00+00:00", True),
        ("Mon\N{EN DASH}Fri 08:00\N{EN DASH}18:00", "UTC", "2026-11-24T12:00:00+00:00", True),
    ],
)
def test_hours_follow_the_wall_clock_of_their_zone(text: str, zone: str, when: str, expected: bool) -> None:
    """A night belongs to the day it begins on, and the end is not within."""
    assert holds(text, zone, when) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-10-24T23:59:00+00:00", False),  # 01:59 in summer time
        ("2026-10-25T00:00:00+00:00", True),  # 02:00, the first pass
        ("2026-10-25T01:00:00+00:00", True),  # 02:00 again, in winter time
        ("2026-10-25T02:00:00+00:00", False),  # 03:00
    ],
)
def test_both_passes_of_the_hour_that_autumn_repeats_count(when: str, expected: bool) -> None:
    """02:00-03:00 lasts two hours on that night."""
    assert holds("02:00-03:00", OSLO, when) is expected


def test_the_hour_that_spring_skips_has_no_minute() -> None:
    """From 01:59 the clock continues with 03:00."""
    night = [datetime(2027, 3, 28, 0, 0, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(180)]
    within = Hours.parse(["02:00-03:00"], [], OSLO)
    assert not any(within.hold(moment) for moment in night)


def test_a_night_over_a_clock_change_ends_by_the_wall_clock() -> None:
    """22:00-06:00 ends at six in the morning, an hour later as minutes go."""
    assert holds("Sat 22:00-06:00", OSLO, "2026-10-25T04:59:00+00:00")
    assert not holds("Sat 22:00-06:00", OSLO, "2026-10-25T05:00:00+00:00")


def test_several_spans_join_and_what_is_outside_is_taken_away() -> None:
    """Any of the hours, and none of the outside hours."""
    office = Hours.parse(["Mon-Fri 08:00-12:00", "Mon-Fri 13:00-17:00"], ["Fri 15:00-17:00"], "UTC")
    times = {"2026-11-27T09:00": True, "2026-11-27T12:30": False, "2026-11-27T14:59": True, "2026-11-27T15:00": False}
    assert {when: office.hold(datetime.fromisoformat(f"{when}+00:00")) for when in times} == times
    free = Hours.parse([], ["Mon-Fri 08:00-18:00"], "UTC")
    assert free.hold(datetime(2026, 11, 24, 18, tzinfo=UTC))


@pytest.mark.parametrize(
    ("inside", "outside", "zone", "text"),
    [
        (["noon"], [], "UTC", "'noon' is not a day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun"),
        ([""], [], "UTC", "'' is not like 'Mon-Fri 08:00-18:00'"),
        (["8:00-18:00"], [], "UTC", "'8:00-18:00' is not like 'Mon-Fri 08:00-18:00'"),
        (["Mon-Fry 08:00-18:00"], [], "UTC", "'fry' is not a day: use Mon, Tue, Wed, Thu, Fri, Sat or Sun"),
        (["08:00-08:00"], [], "UTC", "'08:00-08:00' is empty: it ends when it begins"),
        (["08:61-09:00"], [], "UTC", "'08:61' is not a time of day"),
        (["08:00-24:01"], [], "UTC", "'24:01' is not a time of day"),
        (["Mon 08:00-09:00"], ["Mon"], "UTC", "no minute of the week is left, so it never matches"),
        (["Mon"], [], "Mars/Base", "'Mars/Base' is not a time zone such as Europe/Oslo"),
        (["Mon"], [], "../../etc/passwd", "'../../etc/passwd' is not a time zone such as Europe/Oslo"),
        (["Mon"], [], "", "'' is not a time zone such as Europe/Oslo"),
    ],
)
def test_what_is_not_hours_is_said_in_words(inside: list[str], outside: list[str], zone: str, text: str) -> None:
    """Each mistake names the words that are wrong."""
    with pytest.raises(ValueError, match=re.escape(text)):
        Hours.parse(inside, outside, zone)


@given(st.integers(0, DAY - 1), st.integers(0, DAY), st.integers(0, 6), st.integers(0, 7 * DAY - 1))
def test_every_minute_of_the_week_is_counted_as_by_hand(begin: int, end: int, day: int, minute: int) -> None:
    """A span on one day holds exactly from its begin for as long as it lasts, over midnight and the week's end."""
    if begin == end:
        return
    name = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day]
    text = f"{name} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    now = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minute)
    since = (minute - day * DAY - begin) % (7 * DAY)
    assert Hours.parse([text], [], "UTC").hold(now) is (
        since < (end - begin) % DAY or (begin == 0 and end == DAY and since < DAY)
    )


def test_hours_cover_others_only_within_a_zone() -> None:
    """Two zones' clocks are not compared, but the whole week is the whole week everywhere."""
    wide, narrow = Hours.parse(["Mon-Fri"], [], "UTC"), Hours.parse(["Tue 08:00-09:00"], [], "UTC")
    assert wide.cover(narrow)
    assert not narrow.cover(wide)
    assert not wide.cover(Hours.parse(["Tue 08:00-09:00"], [], OSLO))
    assert Hours.parse(["Mon-Sun"], [], OSLO).cover(wide)
