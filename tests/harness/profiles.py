"""How many examples property tests draw: few and always the same in `make test`, many and new ones in `make test-deep`.

No profile has a deadline: how long an example takes depends on the machine, not on the product.
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings

DEEP: Final = os.environ.get("TEST_DEEP") == "1"
DEEP_FACTOR: Final = 20
EXAMPLES: Final = 50


def examples(number: int) -> int:
    """Return how many examples a test that asks for `number` draws in the profile in force."""
    return number * DEEP_FACTOR if DEEP else number


def load_profile() -> None:
    """Put the profile in force for every property test of this run."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large] if DEEP else [HealthCheck.too_slow]
    settings.register_profile(
        "vpsops",
        deadline=None,
        max_examples=examples(EXAMPLES),
        derandomize=not DEEP,
        print_blob=True,
        suppress_health_check=slow,
    )
    settings.load_profile("vpsops")
