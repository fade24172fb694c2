"""Rate limits by the generic cell rate algorithm (GCRA): a burst passes at once, then one turn each `gap` seconds.

Libraries for this (`limits`, `throttled-py`, `aiolimiter`) read a clock of their own; here time is an argument, and
writes to the provider are counted in the database with the same arithmetic (`core/execution/write_rate_limit.py`).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
MANY: Final = 1_000
"""Keys that are kept before the idle ones are dropped."""
DECIMALS: Final = 4
"""A wait under a tenth of a millisecond is the noise of adding up gaps: on a clock of 10⁹ s, some microseconds."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When a turn is, and the theoretical arrival time after it, which is all that a limiter keeps of a key."""

    at: float
    arrival: float


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` turns at once, then one every `gap` seconds."""

    gap: float
    burst: int = 1

    @property
    def slack(self) -> float:
        """The seconds by which a turn may come before its theoretical arrival time."""
        return self.gap * (self.burst - 1)

    def turn(self, arrival: float, earliest: float) -> Turn:
        """Return the next turn after a theoretical arrival time, which is not before `earliest`."""
        arrival = max(arrival, earliest)
        return Turn(max(arrival - self.slack, earliest), arrival + self.gap)


class RateLimiter(Generic[K]):
    """Counts the turns of each key in this process. `now` is in seconds of a steady clock.

    A key is dropped only when it is idle, so that nothing is forgotten that counts against someone.
    """

    def __init__(self) -> None:
        self._arrivals: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    def __contains__(self, key: K) -> bool:
        return key in self._arrivals

    def wait(self, key: K, rate: Rate, now: float) -> float:
        """Return the seconds until a turn is free, 0 where one is; takes none."""
        return round(rate.turn(self._arrivals.get(key, now), now).at - now, DECIMALS)

    def take(self, key: K, rate: Rate, now: float) -> float:
        """Take a turn if one is free now; return 0, or the seconds until one is."""
        wait = self.wait(key, rate, now)
        if wait == 0:
            self.reserve(key, rate, now)
        return wait

    def reserve(self, key: K, rate: Rate, now: float) -> float:
        """Take the next turn, and return the seconds until it."""
        turn = rate.turn(self._arrivals.get(key, now), now)
        self._keep(key, turn.arrival, now)
        return turn.at - now

    def hold(self, key: K, rate: Rate, now: float, seconds: float) -> None:
        """Give no turn for some seconds; those after them are a gap apart."""
        self._keep(key, max(self._arrivals.get(key, now), now + seconds + rate.slack), now)

    def _keep(self, key: K, arrival: float, now: float) -> None:
        if key not in self._arrivals and len(self._arrivals) >= MANY:
            self._arrivals = {name: busy for name, busy in self._arrivals.items() if busy > now}
        self._arrivals[key] = arrival
