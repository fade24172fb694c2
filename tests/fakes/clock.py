"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import anyio

from tests.harness.exact_seconds import exact_seconds

START = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)


class _Sleeper(NamedTuple):
    due: float
    woken: anyio.Event
    task: str


class FakeClock:
    """A `Clock` for tests: sleepers wake only when `advance` reaches their time."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[_Sleeper] = []

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds the test has let pass."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has let `seconds` pass."""
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        sleeper = _Sleeper(self._elapsed + exact_seconds(seconds), woken, anyio.get_current_task().name or "")
        self._sleepers.append(sleeper)
        try:
            await woken.wait()
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass and wake the sleepers that are due."""
        self._elapsed += exact_seconds(seconds)
        for sleeper in [each for each in self._sleepers if each.due <= self._elapsed]:
            self._sleepers.remove(sleeper)
            sleeper.woken.set()

    def is_sleeping(self, task: str) -> bool:
        """Return whether a task of that name waits for time to pass."""
        return any(sleeper.task == task for sleeper in self._sleepers)
