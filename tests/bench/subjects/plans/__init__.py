"""A plan over a thousand servers of ten thousand: what asking and running it costs, beside single changes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench.change_requests import APPROVERS
from tests.bench.children import Child, environment, module, rss_mib, running, vpsops
from tests.bench.databases import NAMES, databases
from tests.bench.plan import BenchPlan, Section, Table, median
from tests.bench.processes.plan_asker import AT_ONCE
from tests.bench.provider import BenchProvider, provider
from tests.bench.slack.site import CONFIG, sharing
from vpsops.core.common.clock import SystemClock
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace

ASKS: Final = 3
QUIET_SECONDS: Final = 2.0
SPEED: Final = 600.0
POSTS: Final = "chat.postMessage"
UPDATES: Final = "chat.update"


LONGEST_SECONDS: Final = 850.0
MOST_DOWN: Final = 9_000
ROWS_NOTE: Final = (
    "The rows are measured one after another, for minutes each: where others use the machine, one row may have their"
    " load and another not."
)
LIMITS: Final = "[limits]\nmax_many = 1000\n"
CONFIGURATIONS: Final = {"": LIMITS, ", groups limited": f'{LIMITS}max_unavailable = ["team={MOST_DOWN}"]\n'}


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What something cost: seconds, requests to the provider, and calls to Slack that post or edit a message."""

    seconds: float = 0.0
    calls: int = 0
    posts: int = 0
    updates: int = 0


@dataclass(frozen=True, slots=True)
class PlanSize:
    """How many servers there are, those of a plan, of one that runs under a limit on groups, and of single changes."""

    fleet: int
    members: int
    limited: int
    singles: int


@dataclass(slots=True)
class PlanLine:
    """The figures of one database, with or without a limit on groups.

    Memory is the asking process's and the bot's, at rest and then at most.
    """

    running: int  # members of the plan that runs
    asks: list[PlanCost] = field(default_factory=list)
    run: PlanCost = field(default_factory=PlanCost)
    single: PlanCost = field(default_factory=PlanCost)
    asker_mib: tuple[float, float] = (0.0, 0.0)
    bot_mib: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class PlanSite:
    """The processes around one database, what they are counted by, and the servers that are left to restart."""

    provider: BenchProvider
    workspace: SimulatedWorkspace
    asker: Child
    bot: Child
    servers: list[str]

    async def cost(self, *lines: str) -> tuple[PlanCost, dict[str, Any]]:
        """Send lines to the asker in turn, and return what they cost until Slack is quiet, with the last answer."""
        calls, posts, updates = await self.provider.total(), self._count(POSTS), self._count(UPDATES)
        assert self.asker.process.stdin is not None
        seconds, answer = 0.0, dict[str, Any]()
        for line in lines:
            await self.asker.process.stdin.send(f"{line}\n".encode())
            answer = json.loads(await self.asker.line(seconds=LONGEST_SECONDS))
            seconds += answer["seconds"]
        made = await self.provider.total() - calls
        await self._quiet()
        return PlanCost(seconds, made, self._count(POSTS) - posts, self._count(UPDATES) - updates), answer

    def take(self, count: int) -> list[str]:
        """Return servers that were not restarted yet."""
        taken, self.servers = self.servers[:count], self.servers[count:]
        return taken

    def _count(self, method: str) -> int:
        return sum(call.ok for call in self.workspace.calls(method))

    async def _quiet(self) -> None:
        """Wait until no more calls reach Slack."""
        before = -1
        while (now := len(self.workspace.log)) != before:
            before = now
            await SystemClock().sleep(QUIET_SECONDS)


async def measure(plan: BenchPlan) -> Section:
    """Restart servers one by one, then ask for plans and run the last one, on both databases."""
    size = plan.pick(PlanSize(10_000, 1_000, 100, 12), PlanSize(400, 40, 20, 2))
    lines: dict[str, PlanLine] = {}
    with databases(plan) as made:
        for limit, configuration in CONFIGURATIONS.items():
            config = plan.folder / "vpsops.toml"
            config.write_text(configuration)
            for kind, url in made.each().items():
                line = lines[f"{NAMES[kind]}{limit}"] = PlanLine(size.members if not limit else size.limited)
                async with _site(plan, url, config, size.fleet) as site:
                    await _measure_on(site, line, size)
    return _section(lines, size)


@asynccontextmanager
async def _site(plan: BenchPlan, url: str, config: Path, fleet: int) -> AsyncIterator[PlanSite]:
    async with provider(plan.folder, fleet=fleet, speed=SPEED) as there, running_workspace(CONFIG) as workspace:
        variables = there.environ(url) | {
            "SLACK_API_URL": workspace.api_url,
            "SLACK_BOT_TOKEN": CONFIG.bot_token,
            "SLACK_SIGNING_SECRET": CONFIG.signing_secret,
            "VPSOPS_APPROVAL_CHANNEL": APPROVERS,
            "VPSOPS_CONFIG": str(config),
        }
        env = environment(plan.folder, **variables)
        async with running(vpsops("bot", "--http", "127.0.0.1:0"), env) as bot:
            await bot.line("bot: ")
            async with running(module("plan_asker"), env) as asker:
                await asker.line()
                yield PlanSite(there, workspace, asker, bot, await there.running_servers())


async def _measure_on(site: PlanSite, line: PlanLine, size: PlanSize) -> None:
    at_rest = rss_mib(site.asker.pid), rss_mib(site.bot.pid)
    await site.cost(*site.take(1), "")  # pays for all that is loaded once
    line.single, _ = await site.cost(*(step for server in site.take(size.singles) for step in (server, "")))
    answer = dict[str, Any]()
    for _ in range(ASKS):
        cost, answer = await site.cost(" ".join(site.take(size.members)))
        line.asks.append(cost)
    line.asker_mib = at_rest[0], answer["most_mib"]
    if line.running != size.members:
        await site.cost(" ".join(site.take(line.running)))
    line.run, answer = await site.cost("")
    if answer["state"] != "succeeded":
        raise RuntimeError(f"the plan ended {answer['state']}: {answer['note']}")
    line.bot_mib = at_rest[1], rss_mib(site.bot.pid)


def _section(lines: dict[str, PlanLine], size: PlanSize) -> Section:
    return Section(
        "A plan of many servers",
        f"Restarts of {size.members:,} servers of {size.fleet:,}, asked for by an agent, approved by one vote and run"
        f" to the end by `vpsops bot` and the process that asked, {AT_ONCE} servers at a time; {ASKS} plans are asked"
        f" for, of which the last runs. Beside it {size.singles} single changes, each asked for, approved and waited"
        " for by itself. Against the simulated workspace with Slack's limits, and a simulated provider whose servers"
        f" restart {SPEED:.0f} times as fast as real ones; calls are requests to it, by all processes, and what is"
        " posted is counted until Slack is quiet.",
        [_asking_table(lines, size), _running_table(lines, size)],
        [
            _limit_note(size),
            "Writes leave four a second at most, so that a server takes 0.25 s whatever runs.",
            ROWS_NOTE,
            sharing().partition(" Where ")[0],
        ],
    )


def _limit_note(size: PlanSize) -> str:
    return (
        f"With `max_unavailable` ({MOST_DOWN:,} of a label's value here) each server is read when it is asked about, as"
        f" the provider's list has no labels; the plan that runs there has {size.limited} servers, and their groups are"
        " counted in the whole list."
    )


def _asking_table(lines: dict[str, PlanLine], size: PlanSize) -> Table:
    head = ["database", "asking, p50 / worst s", "provider calls", "messages posted", "memory at rest / most MiB"]
    rows = [
        [
            name,
            f"{median([cost.seconds for cost in line.asks]):.2f} / {max(cost.seconds for cost in line.asks):.2f}",
            f"{median([cost.calls for cost in line.asks]):.0f}",
            f"{median([cost.posts for cost in line.asks]):.0f}",
            f"{line.asker_mib[0]:.0f} / {line.asker_mib[1]:.0f}",
            "≤ 2 s, one card",
            f"{size.members:,} reads, {size.members:,} cards",
        ]
        for name, line in lines.items()
    ]
    return Table([*head, "target", "one change for each server"], rows)


def _running_table(lines: dict[str, PlanLine], size: PlanSize) -> Table:
    head = ["database", "what ran", "s", "s a server", "calls a server", "messages posted / edited", "bot's memory MiB"]
    rows = [
        [
            name,
            what,
            f"{cost.seconds:.0f}",
            f"{cost.seconds / count:.2f}",
            f"{cost.calls / count:.1f}",
            f"{cost.posts} / {cost.updates}",
            memory,
        ]
        for name, line in lines.items()
        for what, cost, count, memory in (
            (f"one plan of {line.running:,}", line.run, line.running, f"{line.bot_mib[1]:.0f}"),
            (f"{size.singles} changes, one by one", line.single, size.singles, f"{line.bot_mib[0]:.0f}"),
        )
    ]
    return Table(head, rows)
