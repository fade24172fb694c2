"""How many calls to the provider watching takes, for one change and for a thousand."""

from contextlib import AsyncExitStack
from typing import Final

import anyio

from tests.bench.change_requests import decide, hold_create
from tests.bench.children import environment, running, vpsops
from tests.bench.plan import BenchPlan, Section, Table
from tests.bench.provider import Arrived, BenchProvider, provider
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import open_core
from vpsops.core.changes.model import State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.timings import Timing

AT_ONCE: Final = 8
AT_ONCE_WRITES: Final = 100_000
NEVER: Final = 0.0001  # the provider's seconds in one real second: nothing settles


async def measure(plan: BenchPlan) -> Section:
    """Count the calls for each number of watches, all at the same time."""
    sizes, seconds = plan.pick(((1, 10, 100, 1000), 120.0), ((1, 10, 100), 15.0))
    results: dict[int, list[str]] = {}

    async def count(size: int) -> None:
        results[size] = await _count(plan, size, seconds)

    async with anyio.create_task_group() as group:
        for size in sizes:
            group.start_soon(count, size)
    minutes = [f"calls in minute {number + 1}" for number in range(int(seconds // 60))] or [f"calls in {seconds:.0f} s"]
    head = ["watches", *minutes, "kinds of call", "one call for each watch would be, in minute 1"]
    rows = [[f"{size:,}", *results[size], f"{size * 20:,}"] for size in sizes]
    return Section(
        "Watching",
        "Creates that never settle, sent through the gate; then one `vpsops worker` with the default timing"
        " watches them"
        f" for {seconds:.0f} real seconds (SQLite), and the simulated provider counts what comes in. The"
        " changes are a few"
        " seconds old at the start, so the interval is 3 s with a jitter of a fifth in the first minute, 10 s from then"
        " to the tenth, 30 s later.",
        [Table(head, rows)],
        ["A reboot that the list shows as done needs its uptime as well: one read more, for that server alone."],
    )


async def _count(plan: BenchPlan, size: int, seconds: float) -> list[str]:
    """Return the calls in each whole minute (or in all), and their kinds."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder, speed=NEVER))
        url = f"sqlite:///{plan.folder / f'watch{size}.sqlite3'}"
        await _send(there, url, size)
        env = environment(plan.folder, **there.environ(url))
        since = await there.total()
        child = await stack.enter_async_context(running(vpsops("worker"), env))
        await child.line("worker:")
        begun = clock.now().timestamp()
        await clock.sleep(seconds)
        calls = await there.arrived(since)
    windows = int(seconds // 60) or 1
    length = min(seconds, 60.0)
    return [*(str(within(calls, begun + length * number, length)) for number in range(windows)), kinds(calls)]


def within(calls: list[Arrived], begun: float, seconds: float) -> int:
    """Return how many calls came in a window."""
    return sum(begun <= call.at < begun + seconds for call in calls)


def kinds(calls: list[Arrived]) -> str:
    """Return the operations that were called."""
    return ", ".join(sorted({call.operation for call in calls})) or "none"


async def _send(there: BenchProvider, url: str, size: int) -> None:
    """Have so many creates accepted by the provider, without the pace that is kept with a real one."""
    numbers = iter(range(size))
    timing = Timing(write_gap=0.0, write_burst=AT_ONCE_WRITES)
    async with open_core(there.settings(url), front="cli", timing=timing, accounts=EVERYBODY) as core:

        async def ask() -> None:
            for number in numbers:
                change = await hold_create(core, number)
                await decide(core, change)
                sent = await core.changes.wait(
                    change.id, seconds=60, until=lambda current: current.state is not State.APPROVED, scope=OPERATOR
                )
                sent = await core.changes.wait(
                    change.id, seconds=60, until=lambda current: current.state is not State.SENDING, scope=OPERATOR
                )
                if sent.state is not State.WATCHING:
                    raise RuntimeError(f"{change.id} is {sent.state}: {sent.note}")

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(ask)
