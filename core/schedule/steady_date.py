"""The date as a process may act on it: one that was set forward is believed once it has stood for a quarter of an hour.

A date that is set back is followed at once, as it only makes things later, and so is its way back. Without this a date
that jumps forward, for example in a guest that was resumed before it was synchronised, would start scheduled changes
early. A module of its own because it keeps state; the decision on it is in `model`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import DATE_BELIEVED_SECONDS, DATE_SLACK_SECONDS


@dataclass(slots=True)
class SteadyDate:
    """Follows a clock's date by its steady seconds; read it every few seconds.

    Offsets are of a date to the steady seconds.
    """

    clock: Clock
    _trusted: float | None = field(default=None, init=False)  # the offset that stood for long, or the first one
    _latest: tuple[float, float] = field(default=(0.0, 0.0), init=False)  # the offset as it is set, and since when

    def read(self) -> datetime:
        """Return the believed date, aware."""
        steady = self.clock.monotonic()
        offset = self.clock.now().timestamp() - steady
        if self._trusted is None:
            self._trusted, self._latest = offset, (offset, steady)
        if abs(offset - self._latest[0]) > DATE_SLACK_SECONDS:
            self._latest = offset, steady
        if steady - self._latest[1] >= DATE_BELIEVED_SECONDS:
            self._trusted = offset
        believed = offset if offset <= self._trusted + DATE_SLACK_SECONDS else self._trusted
        return datetime.fromtimestamp(steady + believed, UTC)
