"""What to do with a scheduled change at a moment, whatever is done to the date."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.schedule.model import DueAction, MissedError, Schedule, check_in_time, due_action
from vpsops.core.schedule.steady_date import SteadyDate

AT = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SCHEDULE = Schedule(AT, AT + timedelta(minutes=30), "at 02:00 UTC")


class AdjustableClock:
    """A clock with a date that a test sets, beside steady seconds."""

    def __init__(self) -> None:
        self.steady = 5_000.0
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the date as it is set."""
        return datetime.fromtimestamp(1_800_000_000 + self.steady, UTC) + self.ahead

    def monotonic(self) -> float:
        """Return the steady seconds."""
        return self.steady

    async def sleep(self, seconds: float) -> None:
        """Let steady seconds pass."""
        self.steady += seconds

    @property
    def true(self) -> datetime:
        """The date as it would be without having been set."""
        return self.now() - self.ahead


@pytest.mark.parametrize(
    ("at", "action"),
    [
        (AT - SECOND, DueAction.WAIT),
        (AT, DueAction.START),
        (AT + timedelta(minutes=30), DueAction.START),
        (AT + timedelta(minutes=30) + SECOND, DueAction.EXPIRE),
    ],
)
def test_a_change_starts_within_its_schedule_and_expires_after_it(at: datetime, action: DueAction) -> None:
    """Both ends belong to it."""
    assert due_action(SCHEDULE, at, at) is action


@pytest.mark.parametrize("jump", [timedelta(hours=3), timedelta(minutes=10)])
def test_a_date_that_is_ahead_of_what_is_believed_starts_nothing_early(jump: timedelta) -> None:
    """What is due by the date alone waits."""
    before = AT - timedelta(minutes=5)
    assert due_action(SCHEDULE, before + jump, before) is DueAction.WAIT


def test_nothing_starts_after_its_time_by_the_date() -> None:
    """Due by what is believed, over by the date: it waits until both agree, or both say that it is over."""
    assert due_action(SCHEDULE, AT + timedelta(hours=3), AT) is DueAction.WAIT


def test_a_schedule_is_in_time_until_its_end() -> None:
    """The last check before a send."""
    check_in_time(SCHEDULE, SCHEDULE.run_until)
    with pytest.raises(MissedError, match="2026-12-01 02:30 UTC"):
        check_in_time(SCHEDULE, SCHEDULE.run_until + SECOND)


def test_a_schedule_is_read_as_it_was_stored() -> None:
    """What is no schedule is an unreadable row."""
    full = Schedule(AT, AT + SECOND, "in window nightly", "Europe/Oslo", "nightly")
    assert Schedule.from_stored(full.stored) == full
    assert Schedule.from_stored(None) is None
    with pytest.raises(UnreadableValueError):
        Schedule.from_stored("soon")


def test_a_date_that_is_set_forward_is_believed_after_a_quarter_of_an_hour() -> None:
    """Until then the date goes on as before; at exactly a quarter it is the date that is set."""
    clock = AdjustableClock()
    date = SteadyDate(clock)
    assert date.read() == clock.now()
    clock.ahead = timedelta(hours=2)
    assert date.read() == clock.true
    clock.steady += 899
    assert date.read() == clock.true
    clock.steady += 1
    assert date.read() == clock.now()


def test_a_date_that_is_set_back_is_believed_at_once() -> None:
    """It only makes things later."""
    clock = AdjustableClock()
    date = SteadyDate(clock)
    date.read()
    clock.ahead = -timedelta(hours=2)
    assert date.read() == clock.now()


def test_a_date_that_is_set_back_and_right_again_is_believed_at_once() -> None:
    """The way back to the date that was believed before is no jump ahead."""
    clock = AdjustableClock()
    date = SteadyDate(clock)
    date.read()
    clock.ahead = -timedelta(hours=2)
    date.read()
    clock.ahead = timedelta()
    assert date.read() == clock.now()
    clock.ahead = timedelta(hours=1)
    assert date.read() == clock.true


def test_a_date_that_stood_corrected_is_the_one_to_jump_from() -> None:
    """An hour ahead at the start, set right, and an hour ahead again: that is a jump."""
    clock = AdjustableClock()
    clock.ahead = timedelta(hours=1)
    date = SteadyDate(clock)
    date.read()
    clock.ahead = timedelta()
    date.read()
    clock.steady += 900
    assert date.read() == clock.true
    clock.ahead = timedelta(hours=1)
    assert date.read() == clock.true


def test_a_date_that_drifts_is_followed() -> None:
    """A slow correction is no jump, however far it goes."""
    clock = AdjustableClock()
    date = SteadyDate(clock)
    for _ in range(2_000):
        date.read()
        clock.steady += 2
        clock.ahead += timedelta(milliseconds=10)
    assert date.read() == clock.now()


@given(st.lists(st.tuples(st.integers(1, 600), st.integers(-7200, 7200)), max_size=30))
def test_jumps_that_are_set_right_again_start_nothing_early(jumps: list[tuple[int, int]]) -> None:
    """Whatever the date shows for less than a quarter of an hour, the believed date is never ahead of the true one."""
    clock = AdjustableClock()
    date = SteadyDate(clock)
    date.read()
    for seconds, ahead in jumps:
        clock.ahead = timedelta(seconds=ahead)
        date.read()
        clock.steady += seconds
        assert date.read() <= clock.true + timedelta(seconds=5)
        clock.ahead = timedelta()
        date.read()
        clock.steady += 2
