"""From an approval to the request's arrival at the provider."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio

from tests.bench.change_requests import AGENT, ALICE, APPROVERS, decide, hold
from tests.bench.databases import NAMES, databases
from tests.bench.plan import BenchPlan, Section, Table, pair
from tests.bench.provider import BenchProvider, provider
from tests.fakes.accounts import EVERYBODY
from tests.harness.patience import PATIENCE_SECONDS
from vpsops.core.app import Core, open_core
from vpsops.core.common.clock import SystemClock
from vpsops.core.identity.actors import Actor

WAYS: Final[dict[str, Actor]] = {"confirmed": ALICE, "approved": AGENT}
SPACING: Final = 0.35  # the write pace lets one through every 0.25 s once its burst is used up
TO_BEAT: Final = {
    "sqlite": "DBOS 103 / 193 polling fast, 607 / 1074 by default; bare leases 13 / 52",
    "postgresql": "DBOS 17 / 57; procrastinate 19 / 51; bare leases 17 / 54",
}


@dataclass(slots=True)
class GateLine:
    """One database's core, the servers left to stop on it, and what was measured in milliseconds."""

    core: Core
    servers: list[str]
    taken: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})


async def measure(plan: BenchPlan) -> Section:
    """Measure both ways of saying yes on both databases, in turns."""
    each = plan.pick(60, 6)
    size = (each + 1) * 6  # a server for each change, and those that do not run
    async with AsyncExitStack() as stack:
        made = stack.enter_context(databases(plan))
        there = await stack.enter_async_context(provider(plan.folder, fleet=size, speed=600))
        servers = await there.running_servers()
        lines: dict[str, GateLine] = {}
        for number, (kind, url) in enumerate(made.each().items()):
            settings = there.settings(url, VPSOPS_APPROVAL_CHANNEL=APPROVERS)
            core = await stack.enter_async_context(open_core(settings, front="worker", accounts=EVERYBODY))
            lines[kind] = GateLine(core, servers[number :: len(NAMES)])
        for turn in range(each + 1):
            for way, actor in WAYS.items():
                for line in lines.values():
                    await _one(there, line, way, actor, counted=turn > 0)
    return _section(lines, each, size)


async def _one(there: BenchProvider, line: GateLine, way: str, actor: Actor, *, counted: bool) -> None:
    server, clock = line.servers.pop(), SystemClock()
    change = await hold(line.core, "stop", actor, server=server)
    since, begun = await there.total(), clock.now().timestamp()
    await decide(line.core, change)
    await clock.sleep(SPACING / len(WAYS))
    with anyio.fail_after(PATIENCE_SECONDS):
        arrived = await arrival(there, since, server)
    if counted:
        line.taken[way].append((arrived - begun) * 1e3)


async def arrival(there: BenchProvider, since: int, server: str) -> float:
    """Return when the stop of a server arrived."""
    while True:
        for item in await there.arrived(since):
            if (item.operation, item.server) == ("stop", server):
                return item.at
        await SystemClock().sleep(0.05)


def _section(lines: dict[str, GateLine], each: int, size: int) -> Section:
    rows = [
        [NAMES[kind], *(pair(line.taken[way]) for way in WAYS), "p50 ≤ 20", TO_BEAT[kind]]
        for kind, line in lines.items()
    ]
    return Section(
        "From yes to the provider",
        "Time from the call that records a confirmation or the last vote to the arrival of the request at the"
        " simulated"
        f" provider, a process of its own with a fleet of {size}; {each} changes for each figure, the four kinds in"
        " turns, spaced so that the pace of writes is not what is measured. It holds the vote's transaction, the claim,"
        " the check of the server's live state (one read), the stored intention and the send. Databases on a disk, with"
        " every flush.",
        [
            Table(
                ["database", "confirmed, p50 / p95 ms", "approved, p50 / p95 ms", "target", "to beat, p50 / p95 ms"],
                rows,
            )
        ],
        ["The figures to beat are of bare engines with three empty steps, measured on a like machine."],
    )
