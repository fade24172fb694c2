"""The one rate limiter: bursts, gaps, holds, and no key forgotten that still counts."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.core.common.rate_limiter import MANY, Rate, RateLimiter

STEPS = st.lists(st.integers(0, 40), max_size=40)


@settings(max_examples=examples(100))
@given(st.integers(1, 10), st.integers(1, 6), STEPS)
def test_it_admits_what_a_bucket_of_tokens_admits(gap: int, burst: int, steps: list[int]) -> None:
    """Counted in whole numbers beside it: `burst` tokens, one more every `gap` seconds."""
    limiter, rate, now = RateLimiter[str](), Rate(gap, burst), 0
    tokens, filled_at = burst * gap, 0
    for step in steps:
        now += step
        tokens, filled_at = min(tokens + now - filled_at, burst * gap), now
        wait = limiter.take("key", rate, now)
        assert wait == max(gap - tokens, 0)
        tokens -= gap if wait == 0 else 0


@settings(max_examples=examples(50))
@given(st.integers(1, 59), st.integers(0, 10**9))
@example(56, 268_435_423)  # its sum is a microsecond off
def test_the_noise_of_adding_up_is_no_wait(per_minute: int, now: int) -> None:
    """A caller that keeps to the rate is never refused, whatever the gap is as a floating-point number."""
    limiter, rate = RateLimiter[str](), Rate(60 / per_minute, per_minute)
    for _ in range(per_minute):
        assert limiter.take("key", rate, now) == 0
    assert limiter.take("key", rate, now) > 0
    assert limiter.take("key", rate, now + 60 / per_minute) == 0


def test_a_refusal_takes_nothing() -> None:
    """Repeated requests do not extend the wait."""
    limiter, rate = RateLimiter[str](), Rate(2.0)
    assert [limiter.take("key", rate, now) for now in (0.0, 1.0, 1.5, 2.0)] == [0, 1.0, 0.5, 0]


def test_reserved_turns_are_a_gap_apart_after_the_burst() -> None:
    """Each caller gets the wait for its own turn."""
    limiter, rate = RateLimiter[str](), Rate(1.5, 2)
    assert [limiter.reserve("key", rate, 10.0) for _ in range(4)] == [0, 0, 1.5, 3.0]
    assert limiter.reserve("other", rate, 10.0) == 0


@pytest.mark.parametrize("burst", [1, 5])
def test_a_hold_ends_with_one_turn_and_no_burst(burst: int) -> None:
    """Those who waited do not all come at once; a shorter hold shortens nothing."""
    limiter, rate = RateLimiter[str](), Rate(1.0, burst)
    limiter.hold("key", rate, 0.0, 30.0)
    limiter.hold("key", rate, 0.0, 10.0)
    assert limiter.wait("key", rate, 5.0) == 25.0
    assert [limiter.reserve("key", rate, 5.0) for _ in range(3)] == [25.0, 26.0, 27.0]


def test_only_the_idle_are_dropped() -> None:
    """A caller that used its turn up keeps that against it, however many there are."""
    limiter, rate = RateLimiter[int](), Rate(60.0)
    for key in range(MANY):
        assert limiter.take(key, rate, 0.0) == 0
    assert limiter.take(-1, rate, 30.0) == 0
    assert (len(limiter), limiter.take(0, rate, 30.0)) == (MANY + 1, 30.0)
    assert limiter.take(-2, rate, 60.0) == 0
    assert (len(limiter), -1 in limiter, 0 in limiter) == (2, True, False)


def test_holds_alone_do_not_pile_up() -> None:
    """A channel that was posted to a second ago is idle."""
    limiter, rate = RateLimiter[int](), Rate(1.0)
    for key in range(3 * MANY):
        limiter.hold(key, rate, float(key), 1.0)
    assert len(limiter) <= MANY
