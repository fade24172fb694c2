"""Apps under load beside the simulators, and what came of the load."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
import httpx

from tests.bench.children import environment, module, running
from tests.bench.plan import BenchPlan, median, share
from tests.bench.provider import BenchProvider, provider
from vpsops.core.common.clock import SystemClock
from vpsops.playground.slack.workspace.config import WorkspaceConfig

CONFIG: Final = WorkspaceConfig()
DEADLINE: Final = 3.0  # Slack: an acknowledgement that comes later counts as a failure
QUIET_SECONDS: Final = 1.0
SETTLE_LIMIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class LoadStep:
    """How many commands over how many connections, after some that do not count."""

    number: int
    connections: int
    warm_up: int = 50


@dataclass(slots=True)
class Taken:
    """What came of a load: seconds each acknowledgement took, in any order, and the status codes."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall: float = 0.0

    def milliseconds(self, part: float) -> float:
        """Return the time that a part of all acknowledgements did not exceed."""
        return share(self.seconds, part) * 1e3

    @property
    def per_second(self) -> float:
        """How many were acknowledged in a second."""
        return len(self.seconds) / self.wall

    @property
    def good(self) -> int:
        """How many were acknowledged."""
        return self.statuses[200]

    @property
    def late(self) -> int:
        """How many came after Slack's deadline."""
        return sum(second > DEADLINE for second in self.seconds)


@dataclass(frozen=True, slots=True)
class App:
    """An app as it is started, and what it is asked."""

    name: str
    command: Sequence[str]
    text: str = "status web01"


@dataclass(slots=True)
class Ran:
    """What one app did over the runs."""

    alone: list[Taken] = field(default_factory=list)
    many: list[Taken] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Milliseconds of processor time for each command while many came, its work included as far as it was done."""

    def row(self, name: str) -> list[str]:
        """Return the row of a table."""
        every = [*self.alone, *self.many]
        alone = " / ".join(f"{median([taken.milliseconds(part) for taken in self.alone]):.2f}" for part in (0.5, 0.95))
        parts = (0.5, 0.95, 1.0)
        many = " / ".join(f"{median([taken.milliseconds(part) for taken in self.many]):.1f}" for part in parts)
        answered = f"{sum(taken.good for taken in every):,} of {sum(len(taken.seconds) for taken in every):,}"
        rate, late = f"{self.rate:,.0f}", str(sum(taken.late for taken in every))
        return [name, alone, rate, many, f"{median(self.processor):.2f}", answered, late]

    @property
    def rate(self) -> float:
        """How many were acknowledged in a second while many came."""
        return median([taken.per_second for taken in self.many])


def ratios(name: str, ours: Ran, bare: Ran) -> list[str]:
    """Return the row of an app's figures as parts of another's: of each turn, and then the median."""
    pairs = list(zip(ours.many, bare.many, strict=True))
    alone = [
        median(
            [
                our.milliseconds(part) / other.milliseconds(part)
                for our, other in zip(ours.alone, bare.alone, strict=True)
            ]
        )
        for part in (0.5, 0.95)
    ]
    many = [
        median([our.milliseconds(part) / other.milliseconds(part) for our, other in pairs]) for part in (0.5, 0.95, 1)
    ]
    rate = median([our.per_second / other.per_second for our, other in pairs])
    processor = median([our / other for our, other in zip(ours.processor, bare.processor, strict=True)])
    return [name, _figures(alone), f"{rate:.2f}", _figures(many), f"{processor:.2f}", "", ""]


def _figures(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def sharing() -> str:
    """Return who else used the machine; throughput is the machine's, the processor's time is the app's."""
    return (
        f"The load average was {os.getloadavg()[2]:.0f} on {os.cpu_count()} cores. Where others use them too, rates"
        " follow the processor time of each app; where none does, bare Bolt's default waits 10 ms for each."
    )


def heads(connections: int) -> list[str]:
    """Return the head of the table of apps."""
    many = [f"c={connections} {what}" for what in ("commands/s", "ack p50 / p95 / worst ms", "processor ms each")]
    return ["app", "c=1 ack p50 / p95 ms", *many, "answered", "over 3 s"]


@dataclass(frozen=True, slots=True)
class Site:
    """The two simulators and where an answer to a command goes."""

    plan: BenchPlan
    provider: BenchProvider
    api: str
    respond_at: str

    async def settled(self) -> None:
        """Wait until neither the provider nor the workspace gets any more: every accepted command was worked off."""
        clock = SystemClock()
        with anyio.fail_after(SETTLE_LIMIT):
            before = (-1, -1)
            async with httpx.AsyncClient() as workspace:
                while (now := (await self.provider.total(), await self._answers(workspace))) != before:
                    before = now
                    await clock.sleep(QUIET_SECONDS)

    async def _answers(self, workspace: httpx.AsyncClient) -> int:
        """Return how many answers to commands the workspace took."""
        return int((await workspace.get(self.respond_at)).text)


@asynccontextmanager
async def slack_site(plan: BenchPlan) -> AsyncIterator[Site]:
    """Run both simulators until the block is left."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder))
        child = await stack.enter_async_context(running(module("workspace"), environment(plan.folder)))
        api, respond_at = (await child.line("workspace: ")).split()
        yield Site(plan, there, api, respond_at)
