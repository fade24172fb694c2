"""The pauses between attempts to open the Socket Mode connection."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.bot.ingress.connection_pace import AGAIN_SECONDS, STEADY_SECONDS, WITHHELD_SECONDS, ConnectionPace
from vpsops.core.common import timings

STEPS = st.lists(
    st.one_of(
        st.floats(0, STEADY_SECONDS, exclude_max=True).map(lambda seconds: ("ended", seconds)), st.just(("", 0.0))
    ),
    max_size=40,
)


@settings(max_examples=examples(100))
@given(STEPS, st.floats(0, 1e6))
def test_lines_that_end_young_never_make_more_than_one_attempt_a_second(
    steps: list[tuple[str, float]], retry_after: float
) -> None:
    """Whatever fails, in any order: a second at least between two attempts, and less than half a minute at most."""
    pace = ConnectionPace()
    assert pace.next_pause() == 0.0
    for kind, seconds in steps:
        if kind:
            pace.ended(seconds)
        pause = pace.next_pause()
        assert 1.0 <= pause < 30.0
    withheld = pace.next_pause(retry_after)
    assert min(retry_after, WITHHELD_SECONDS) <= withheld <= 1.25 * max(WITHHELD_SECONDS, AGAIN_SECONDS[-1])


def test_the_pauses_grow_and_are_spread() -> None:
    """Up to a quarter is added to each, so that processes that lost their lines together do not come back together."""
    shortest, longest = ConnectionPace(lambda low, _: low), ConnectionPace(lambda _, high: high)
    assert [shortest.next_pause() for _ in range(7)] == [0.0, *AGAIN_SECONDS, AGAIN_SECONDS[-1]]
    assert [longest.next_pause() for _ in range(3)] == [0.0, AGAIN_SECONDS[0] * 1.25, AGAIN_SECONDS[1] * 1.25]
    assert len({ConnectionPace(attempts=1).next_pause() for _ in range(20)}) > 1


@pytest.mark.parametrize(("open_seconds", "pause"), [(STEADY_SECONDS - 0.1, 1.0), (STEADY_SECONDS, 0.0)])
def test_a_line_that_was_open_for_long_is_replaced_at_once(open_seconds: float, pause: float) -> None:
    """Slack closes each of them every few hours."""
    pace = ConnectionPace(lambda low, _: low)
    pace.next_pause()
    pace.ended(open_seconds)
    assert pace.next_pause() == pause


def test_a_token_that_is_right_again_is_tried_within_half_a_minute() -> None:
    """The longest pause with its addition, and the time that an attempt takes, against the time of being red."""
    assert 1.25 * AGAIN_SECONDS[-1] < timings.TOKEN_CHECK_SECONDS
