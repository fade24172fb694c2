"""The world's own seconds, which pass `speed` times as fast as the clock and can be moved on by hand."""

from datetime import datetime, timedelta

from core.clock import Clock


class Timeline:
    """Maps a clock to the world's seconds, counted from the start; stamps stay in the clock's time of day."""

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._base = 0.0
        self._since = clock.monotonic()

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

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        self._base, self._since = self.seconds(), self._clock.monotonic()
        self._speed = speed

    def advance(self, seconds: float) -> None:
        """Let `seconds` of the world pass at once."""
        self._base += seconds
