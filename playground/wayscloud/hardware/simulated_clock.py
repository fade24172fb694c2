"""The world's own seconds, which pass `speed` times as fast as the clock and can be moved on by hand."""

from datetime import datetime, timedelta

from vpsops.core.common.clock import Clock


class Timeline:
    """Maps a clock to the world's seconds, counted from the start; stamps stay in the clock's time of day."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._base = 0.0
        self._since = clock.monotonic()
        self._stretches = [
            (0.0, 0.0, 1 / speed)
        ]  # from a world's second: its age, and the seconds of age that each adds

    @property
    def speed(self) -> float:
        """How many of the world's seconds pass in one second of the clock."""
        return self._speed

    def seconds(self) -> float:
        """Return the world's seconds since the start."""
        return self._base + (self._clock.monotonic() - self._since) * self._speed

    def now(self) -> datetime:
        """Return the clock's time of day: what clients compare creation times with."""
        return self._clock.now()

    def after(self, seconds: float) -> datetime:
        """Return the time of day in `seconds` of the world."""
        return self._clock.now() + timedelta(seconds=seconds / self._speed)

    def age(self, moment: float, behind: float = 0.0) -> float:
        """Return how many seconds of the clock passed from a world's second to now, or to `behind` seconds before.

        An uptime counts them: clients compare uptimes with their own clocks, which do not run at the world's speed.
        """
        return self._at(self.seconds() - behind) - self._at(moment)

    def _at(self, moment: float) -> float:
        if moment < 0:  # before the start a moment is its own age
            return moment
        start, age, slope = next(each for each in reversed(self._stretches) if each[0] <= moment)
        return age + (moment - start) * slope

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        here = self.seconds()
        self._stretches.append((here, self._at(here), 1 / speed))
        self._base, self._since = self.seconds(), self._clock.monotonic()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Advance the world by `seconds`; uptimes grow by as much."""
        here, speed = self.seconds(), self._speed
        self._stretches.append((here, self._at(here), 1.0))
        self._stretches.append((here + seconds, self._at(here) + seconds, 1 / speed))
        self._base += seconds


def zulu(moment: datetime) -> str:
    """Return a time as the documentation prints it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
