"""Virtual time: an event loop with a clock that jumps to the next timer as soon as nothing can run.

Everything that waits on the loop (`anyio.sleep`, `fail_after`, `call_later`) waits in virtual time, so that an hour
of the product takes no time, and a busy machine cannot make anything late: while code runs, time stands still.
Time jumps when no callback is ready, no worker thread is at work, and no socket of this process has anything to read.
What a different process does cannot be seen from here: tests that start processes are marked `real_time`.
"""

import asyncio
import selectors
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, TypeVarTuple, Unpack

import anyio
import pytest
from anyio._backends._asyncio import WorkerThread  # no public way shows whether a worker thread is at work

from tests.harness.exact_seconds import STEPS_PER_SECOND, exact_seconds
from vpsops.core.common.clock import SystemClock

Ts = TypeVarTuple("Ts")

START: Final = 1_000_000.0
"""The loop's first second: large, as a machine's own clock is that has been up for days."""

QUIET_SECONDS: Final = 0.000_2
QUIET_SHARE: Final = 0.000_7
QUIET_LIMIT_SECONDS: Final = 0.01
"""How long sockets stay silent before time jumps: loopback delivers while the sender still sends, unless the kernel
is very busy. A longer jump (it could be a time limit that must not fire) is preceded by a longer silence."""

STUCK_SECONDS: Final = 60.0
"""How long a worker thread may work (in real time) while everything else waits for it."""

STALL_SECONDS: Final = 2.0
"""How long nothing at all may be left to wait for (in real time) before the test is ended."""

READING_SECONDS: Final = 2 / STEPS_PER_SECOND
"""How much virtual time it takes to read the date: two things that happen one after the other differ in their date."""


class RealTimeError(AssertionError):
    """A test in virtual time asked for real time."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that moves its loop's time on instead of waiting."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, or wait for worker threads, or let `timeout` seconds of virtual time pass."""
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if self.loop.is_any_thread_ending():
            return super().select(QUIET_SECONDS)
        if self.loop.is_any_thread_busy():
            ready = super().select(STUCK_SECONDS)
            if not ready:
                raise RealTimeError("a worker thread waits for something that happens only when virtual time passes")
            return ready
        ready = super().select(0 if timeout is not None and self._hears_nobody() else quiet_before(timeout))
        if not ready and timeout is None:
            ready = super().select(STALL_SECONDS)
            if not ready:
                raise RealTimeError("nothing is left that could happen: no timer, no thread, no socket")
        if not ready and timeout is not None:
            self.loop.virtual_now = exact_seconds(self.loop.virtual_now + timeout)
        return ready

    def _hears_nobody(self) -> bool:
        """Return whether only the loop's own pipe is registered: no socket is open that could receive anything."""
        return len(self.get_map()) <= 1


def quiet_before(jump: float | None) -> float:
    """Return the real seconds that all sockets stay silent before time jumps `jump` seconds."""
    return QUIET_LIMIT_SECONDS if jump is None else min(QUIET_SECONDS + jump * QUIET_SHARE, QUIET_LIMIT_SECONDS)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; at most one runs at a time."""

    current: ClassVar["VirtualLoop | None"] = None

    def __init__(self) -> None:
        self.virtual_now = START
        self.began = datetime.now(UTC)  # noqa: TID251 - dates near today's: SDKs compare some with the machine's
        self._calls_in_executor = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual seconds."""
        return self.virtual_now

    def run_forever(self) -> None:
        """Run as the one loop that `VirtualClock` reads."""
        before, VirtualLoop.current = VirtualLoop.current, self
        try:
            super().run_forever()
        finally:
            VirtualLoop.current = before

    def is_any_thread_busy(self) -> bool:
        """Return whether some worker thread of this loop has work that it has not reported the end of."""
        return self._calls_in_executor > 0 or any(
            isinstance(thread, WorkerThread)
            and thread.loop is self
            and not thread.stopping
            and thread not in thread.idle_workers  # where the loop itself puts it with the result
            for thread in threading.enumerate()
        )

    def is_any_thread_ending(self) -> bool:
        """Return whether some worker thread is stopping and still works; its end is not reported."""
        return any(
            isinstance(thread, WorkerThread)
            and thread.loop is self
            and thread.stopping
            and thread.queue.unfinished_tasks > 1
            for thread in threading.enumerate()
        )

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], Any], *args: *Ts) -> "asyncio.Future[Any]":
        """Count the call as work until it ends (asyncio resolves names this way)."""
        self._calls_in_executor += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._executor_done)
        return future

    def _executor_done(self, _: "asyncio.Future[Any]") -> None:
        self._calls_in_executor -= 1

    async def subprocess_exec(self, *_: Any, **__: Any) -> Any:
        """Refuse: what another process does takes real time."""
        raise RealTimeError("a test that starts a process carries pytest.mark.real_time")

    async def getaddrinfo(self, host: Any, port: Any, **kwargs: Any) -> Any:
        """Resolve an address at once: numbers and this machine's name need no thread."""
        return socket.getaddrinfo(host, port, **kwargs)


class VirtualClock:
    """The `Clock` of tests: the virtual loop's time, with today's date; the machine's where the test has real time."""

    _machine: ClassVar = SystemClock()

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        loop = VirtualLoop.current
        if loop is None:
            return self._machine.now()
        loop.virtual_now += READING_SECONDS
        return loop.began + timedelta(seconds=loop.virtual_now - START)

    def monotonic(self) -> float:
        """Return seconds that only go forward."""
        loop = VirtualLoop.current
        return self._machine.monotonic() if loop is None else loop.virtual_now

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`, at least."""
        await anyio.sleep(seconds)


class JumpingClock(VirtualClock):
    """A virtual clock with a time of day that the test moves."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """Return the moved time of day."""
        return super().now() + self.ahead


def guard_machine_clock(patch: pytest.MonkeyPatch) -> None:
    """Make `SystemClock` raise `RealTimeError` while a virtual loop runs: the test forgot to hand a clock in."""

    def refuse() -> None:
        if VirtualLoop.current is not None:
            raise RealTimeError("this test runs in virtual time: hand VirtualClock() in where SystemClock() is used")

    now, monotonic = SystemClock.now, SystemClock.monotonic

    def guarded_now(clock: SystemClock) -> datetime:
        refuse()
        return now(clock)

    def guarded_monotonic(clock: SystemClock) -> float:
        refuse()
        return monotonic(clock)

    patch.setattr(SystemClock, "now", guarded_now)
    patch.setattr(SystemClock, "monotonic", guarded_monotonic)
