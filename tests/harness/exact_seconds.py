"""Seconds that add up exactly: the tests' clocks count in steps of a power of two.

A sum of decimal fractions is rounded: after a sleep of 60 s begun at 7.8 s a clock could show that 59.99999999999999 s
had passed, so whether a limit of 60 s was reached depended on the moment at which the sleep began.
"""

from math import ceil
from typing import Final

STEPS_PER_SECOND: Final = 2**20
"""A step is a little under a microsecond, and a clock can count 2^33 seconds in them without rounding."""


def exact_seconds(seconds: float) -> float:
    """Round up to whole steps, so that sums and differences of results are exact."""
    return ceil(seconds * STEPS_PER_SECOND) / STEPS_PER_SECOND
