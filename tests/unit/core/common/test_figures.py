"""Spans, moments and prices are written in one way, for people and for models."""

from datetime import UTC, datetime

import pytest

from vpsops.core.common.text import duration, moment, money, monthly


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (93, "1 min 33 s"),
        (3_600, "1 h"),
        (3_725, "1 h 2 min"),
        (86_401, "1 d 1 s"),
        (273_600, "3 d 4 h"),
        (262_800, "3 d 1 h"),
    ],
)
def test_a_span_has_its_two_largest_units(seconds: float, words: str) -> None:
    """Two units suffice; a span that has not passed is not counted."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (None, "EUR", ""),
        (0.0, "EUR", "0 EUR"),
        (12.0, "EUR", "12 EUR"),
        (12.5, "NOK", "12.50 NOK"),
        (99.999, None, "100.00"),
        (5.0, "E\u202eUR\n", "5 EUR"),
    ],
)
def test_a_price_has_decimals_where_it_needs_them(amount: float | None, currency: str | None, words: str) -> None:
    """A currency comes from outside; an unknown amount is no price of nothing."""
    assert money(amount, currency) == words
    assert monthly(amount, currency) == (f"{words} a month" if words else "")


def test_a_moment_is_in_utc_to_the_minute() -> None:
    """The text names the zone."""
    assert moment(datetime(2026, 1, 2, 3, 4, 59, tzinfo=UTC)) == "2026-01-02 03:04 UTC"
