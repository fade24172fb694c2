"""What a process costs while a thousand changes wait for people."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio

from tests.bench.change_requests import hold_create
from tests.bench.children import Child, cpu_seconds, environment, rss_mib, running, vpsops
from tests.bench.databases import NAMES, databases
from tests.bench.plan import BenchPlan, Section, Table, median
from tests.bench.provider import BenchProvider, provider
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import open_core
from vpsops.core.common.clock import SystemClock

AT_ONCE: Final = 8
TO_BEAT: Final = {
    "sqlite": "DBOS workflows 19 to 64 %, 71 to 100 MiB; bare leases 0.4 %, 55 MiB",
    "postgresql": "DBOS workflows 3.4 %, 69 MiB; absurd 0.35 %, 41 MiB; bare leases 0.4 %, 63 MiB",
}


@dataclass(slots=True)
class Worker:
    """A process that waits, and what it used in each window."""

    kind: str
    holds: int
    child: Child
    provider: BenchProvider
    percent: list[float] = field(default_factory=list)
    calls: int = 0


async def measure(plan: BenchPlan) -> Section:
    """Watch processes with and without holds do nothing."""
    holds, seconds, windows = plan.pick((1000, 20.0, 3), (100, 5.0, 1))
    async with AsyncExitStack() as stack:
        made = stack.enter_context(databases(plan))
        workers: list[Worker] = []
        for count in (0, holds):
            for kind, url in made.each().items():
                there = await stack.enter_async_context(provider(plan.folder))
                await _fill(there, url, count)
                env = environment(plan.folder, **there.environ(url))
                child = await stack.enter_async_context(running(vpsops("worker"), env))
                await child.line("worker:")
                workers.append(Worker(kind, count, child, there))
        await SystemClock().sleep(3)
        for _ in range(windows):
            await _window(workers, seconds)
        rows = [_row(worker) for worker in workers]
    return Section(
        "A thousand holds",
        f"`vpsops worker` with its engine running, for {windows} windows of {seconds:.0f} s (the median):"
        " processor time of"
        " that process as the kernel counts it, as a share of one core, its resident memory, and the requests that the"
        " simulated provider got. The holds were made through the gate; all the processes wait at the same time.",
        [
            Table(
                ["database", "holds", "CPU %", "RSS MiB", "provider calls", "target", "to beat, with 1,000 waiting"],
                rows,
            )
        ],
        ["The figures to beat are of workflows that wait, one for each change. Here who waits is a row."],
    )


async def _fill(there: BenchProvider, url: str, count: int) -> None:
    """Make holds through the gate, a few at once."""
    numbers = iter(range(count))

    async with open_core(there.settings(url), front="cli", accounts=EVERYBODY) as core:

        async def ask() -> None:
            for number in numbers:
                await hold_create(core, number)

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(ask)


async def _window(workers: list[Worker], seconds: float) -> None:
    clock = SystemClock()
    calls = [await worker.provider.total() for worker in workers]
    begun, before = clock.monotonic(), [cpu_seconds(worker.child.pid) for worker in workers]
    await clock.sleep(seconds)
    taken, after = clock.monotonic() - begun, [cpu_seconds(worker.child.pid) for worker in workers]
    for number, worker in enumerate(workers):
        worker.percent.append((after[number] - before[number]) / taken * 100)
        worker.calls += await worker.provider.total() - calls[number]


def _row(worker: Worker) -> list[str]:
    used, memory = f"{median(worker.percent):.2f}", f"{rss_mib(worker.child.pid):.0f}"
    return [
        NAMES[worker.kind],
        f"{worker.holds:,}",
        used,
        memory,
        str(worker.calls),
        "CPU < 1 %, no call",
        TO_BEAT[worker.kind],
    ]
