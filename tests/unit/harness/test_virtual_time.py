"""The tests' own time: it jumps when nothing can run, stands while something does, and is used only on purpose."""

import asyncio
import sys
import threading
from datetime import timedelta

import anyio
import pytest
from anyio import to_thread

from tests.harness import virtual_time
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.virtual_time import RealTimeError, VirtualClock, VirtualLoop, quiet_before
from vpsops.core.common.clock import SystemClock

DAY = 86_400.0
SHORT = 0.01  # virtual seconds: whatever the machine does meanwhile takes none
THREE_SECONDS = 3.0  # it passes at once


async def test_a_day_passes_at_once() -> None:
    """A sleep takes its whole time by both clocks, and none of the machine's."""
    clock = VirtualClock()
    date, steady = clock.now(), clock.monotonic()
    await clock.sleep(DAY)
    assert clock.monotonic() - steady == pytest.approx(DAY, abs=1e-3)
    assert clock.now() - date >= timedelta(seconds=DAY)


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """However long they sleep, the task due first runs first."""
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (300.0, 0.1, 7.0):
            group.start_soon(sleep, seconds)
    assert woken == [0.1, 7.0, 300.0]


async def test_time_stands_while_a_thread_works() -> None:
    """A time limit of a second does not end work that takes the machine longer than the loop needs to check it."""
    go_on = threading.Event()

    async def let_go() -> None:
        await anyio.lowlevel.checkpoint()
        go_on.set()

    with anyio.fail_after(SHORT):
        async with anyio.create_task_group() as group:
            group.start_soon(let_go)
            assert await to_thread.run_sync(go_on.wait, PATIENCE_SECONDS)


async def test_time_stands_while_a_socket_is_read() -> None:
    """What was sent over a socket arrives before any time passes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(4)).upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        for _ in range(20):
            with anyio.fail_after(SHORT):
                async with await anyio.connect_tcp(*server.sockets[0].getsockname()) as stream:
                    await stream.send(b"ping")
                    assert await stream.receive() == b"PING"


async def test_the_machines_clock_is_refused() -> None:
    """A part that was not handed a clock fails its test."""
    with pytest.raises(RealTimeError, match="VirtualClock"):
        SystemClock().monotonic()
    with pytest.raises(RealTimeError, match="VirtualClock"):
        SystemClock().now()


async def test_a_process_is_refused() -> None:
    """What another process does takes the machine's time."""
    with pytest.raises(RealTimeError, match="real_time"):
        await anyio.run_process([sys.executable, "-c", ""])


@pytest.mark.real_time
async def test_a_marked_test_has_the_machines_time() -> None:
    """Both clocks are the machine's there, and processes run."""
    assert VirtualLoop.current is None
    before = SystemClock().monotonic()
    assert VirtualClock().monotonic() >= before
    assert (await anyio.run_process([sys.executable, "-c", ""])).returncode == 0


def test_waiting_for_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test in which nothing can happen any more says so instead of hanging."""
    monkeypatch.setattr(virtual_time, "STALL_SECONDS", 0.01)
    loop = VirtualLoop()
    try:
        with pytest.raises(RealTimeError, match="nothing is left"):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


def test_a_longer_jump_listens_longer() -> None:
    """A time limit that must not fire is given more silence than a short sleep; the silence itself is bounded."""
    assert 0 < quiet_before(0.01) < quiet_before(1) < quiet_before(5) <= quiet_before(DAY) == quiet_before(None)


async def test_two_readings_of_the_date_differ() -> None:
    """Two things that happen one after the other have different dates."""
    clock = VirtualClock()
    assert clock.now() < clock.now()


async def test_a_condition_that_never_holds_says_what_was_seen() -> None:
    """The error shows the last result of the condition."""
    with pytest.raises(AssertionError, match=r"within 3 s; the last look found \[\]"):
        await eventually(list, patience=THREE_SECONDS)
