"""What several processes on one PostgreSQL do for each other, and what they cost it."""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import anyio
import psycopg

from tests.bench.change_requests import ALICE, decide, hold
from tests.bench.children import Child, cpu_seconds, environment, module, running, vpsops
from tests.bench.databases import Databases, databases
from tests.bench.plan import BenchPlan, Section, Table, middle_and_worst, pair
from tests.bench.provider import BenchProvider, provider
from tests.bench.subjects.gate import arrival
from tests.bench.subjects.takeover import Kills, kill
from tests.fakes.accounts import EVERYBODY
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import open_core
from vpsops.core.common.clock import SystemClock

KIND: Final = "postgresql"
SPACING: Final = 0.35
SETTLED: Final = 1.5
FIRST: Final = 1_000


@dataclass(frozen=True, slots=True)
class ReplicaLoad:
    """What a database was asked for over some time, for each second."""

    transactions: float
    connections: float
    percent: float  # of one core, by the server's processes

    @property
    def words(self) -> str:
        """The figures as they stand in a table."""
        return f"{self.transactions:.1f} / {self.percent:.1f}"


async def measure(plan: BenchPlan) -> Section:
    """Measure one process and several, one after the other."""
    counts = plan.pick((1, 8), (1, 2))
    rows = []
    with databases(plan) as made:
        for count in counts:
            idle, takes, working = await _steady(plan, made, count)
            asked, asking = await _asking(plan, made, count)
            kills = Kills()
            for turn in range(plan.pick(3, 1)):
                luck = random.Random(f"{count}{turn}")  # noqa: S311 - any moment
                await kill(plan, made.new(KIND), kills, luck, others=max(count - 1, 1))
            rows.append(
                [
                    str(count),
                    idle.words,
                    f"{idle.connections / count:.1f}",
                    f"{asked:.0f}",
                    asking.words,
                    pair(takes),
                    working.words,
                    middle_and_worst(kills.goes_on),
                    f"{kills.lost} / {kills.twice}",
                ]
            )
    return Section(
        "Several processes on PostgreSQL",
        "`vpsops worker` processes on one database of default settings, all on this machine with its provider and the"
        " server, so that eight of them share its cores. Load is transactions a second / the processor time of the"
        f" server's processes in percent of one core; at rest it is read over {plan.pick(20, 4)} s. For requests each"
        " process asks for creates that are then held, as fast as it can. From yes to the provider are stops that one"
        " of them confirms, spaced. For the takeover one of them (beside another where it is the only one) is killed"
        " as above.",
        [
            Table(
                [
                    "processes",
                    "load at rest",
                    "connections each at rest",
                    "requests stored a second",
                    "load by them",
                    "yes to the provider, p50 / p95 ms",
                    "load by it",
                    "goes on, p50 / worst s",
                    "lost / done twice",
                ],
                rows,
            )
        ],
    )


async def _steady(plan: BenchPlan, made: Databases, count: int) -> tuple[ReplicaLoad, list[float], ReplicaLoad]:
    """Return the load at rest, and how long confirmed changes take to the provider while others live, with its load."""
    url, each = made.new(KIND), plan.pick(25, 4)
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder, fleet=each * 3, speed=600))
        for _ in range(count - 1):
            await _worker(plan, stack, there, url)
        core = await stack.enter_async_context(open_core(there.settings(url), front="worker", accounts=EVERYBODY))
        servers = await there.running_servers()
        await SystemClock().sleep(3)
        meter = Meter(made, url)
        await SystemClock().sleep(plan.pick(20, 4))
        idle = await meter.read()
        held = [await hold(core, "stop", ALICE, server=server) for server in servers[:each]]
        takes = []
        meter = Meter(made, url)
        for change in held:
            since, begun = await there.total(), SystemClock().now().timestamp()
            await decide(core, change)
            await SystemClock().sleep(SPACING)
            with anyio.fail_after(PATIENCE_SECONDS):
                takes.append((await arrival(there, since, change.target.id) - begun) * 1e3)
        return idle, takes, await meter.read()


async def _worker(plan: BenchPlan, stack: AsyncExitStack, there: BenchProvider, url: str) -> Child:
    env = environment(plan.folder, **there.environ(url))
    child = await stack.enter_async_context(running(vpsops("worker"), env))
    await child.line("worker:")
    return child


async def _asking(plan: BenchPlan, made: Databases, count: int) -> tuple[float, ReplicaLoad]:
    """Return how many requests a second all processes together store, and the load by them."""
    url, seconds = made.new(KIND), plan.pick(10, 2)
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder))
        env = environment(plan.folder, **there.environ(url))
        words = [module("asker", str((number + 1) * FIRST), str(seconds)) for number in range(count)]
        askers = [await stack.enter_async_context(running(each, env)) for each in words]
        for asker in askers:
            await asker.line("ready")
        meter = Meter(made, url)
        for asker in askers:
            assert asker.process.stdin is not None
            await asker.process.stdin.send(b"go\n")
        asked = [int(await asker.line("asked")) for asker in askers]
        return sum(asked) / seconds, await meter.read()


class Meter:
    """Reads what a database does from when it is made."""

    def __init__(self, made: Databases, url: str) -> None:
        self._url = url
        self._connection = psycopg.connect(made.postgres.url("postgres"), autocommit=True)
        self._begun, self._counted, self._spent = SystemClock().monotonic(), self._count(), self._cpu()

    async def read(self) -> ReplicaLoad:
        """Return the load since then; what sessions did last is known to the server a second later."""
        seconds = SystemClock().monotonic() - self._begun
        await SystemClock().sleep(SETTLED)
        counted, spent = self._count() - self._counted, self._cpu() - self._spent
        row = self._connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [self._url.rpartition("/")[2]]
        ).fetchone()
        self._connection.close()
        return ReplicaLoad(counted / seconds, float(row[0]) if row else 0.0, spent / seconds * 100)

    def _count(self) -> int:
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
        row = self._connection.execute(query, [self._url.rpartition("/")[2]]).fetchone()
        return int(row[0]) if row else 0

    def _cpu(self) -> float:
        """Return the processor time of the server's processes that there are."""
        query = "SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL"
        pids = [int(row[0]) for row in self._connection.execute(query).fetchall()]
        return sum(cpu_seconds(pid) for pid in pids)
