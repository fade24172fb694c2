"""`vpsops bot --http` beside bare Bolt: how soon a command is acknowledged, and how many in a second."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

from tests.bench.children import Child, ChildError, cpu_seconds, environment, module, running, vpsops
from tests.bench.plan import BenchPlan, Section, Table, median
from tests.bench.provider import BenchProvider, provider
from tests.bench.slack_load import LoadStep, LoadTarget, Taken, load
from vpsops.core.common.clock import SystemClock
from vpsops.playground.slack.workspace.config import WorkspaceConfig

TARGETS: Final = (
    "Targets: c=1 ack p50 ≤ 1 ms and p95 ≤ 5 ms, ≥ 1,500 commands/s at c=32, none over 3 s while the provider hangs."
)
HANG_SECONDS: Final = 60
CONFIG: Final = WorkspaceConfig()
CONNECTIONS: Final = 32
QUIET_SECONDS: Final = 1.0
SETTLE_LIMIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class App:
    """An app as it is started, and what it is asked."""

    name: str
    command: Sequence[str]
    text: str = "status web01"


BOT: Final = vpsops("bot", "--http", "127.0.0.1:0")
APPS: Final = (
    App("vpsops bot, `status web01`", BOT),
    App("vpsops bot, `help`", BOT, "help"),
    App("bare Bolt, default", module("bare_bolt", CONFIG.signing_secret, "default")),
    App("bare Bolt, process_before_response", module("bare_bolt", CONFIG.signing_secret, "before")),
)
HANGING: Final = App("vpsops bot, `status web01`, the provider hangs", BOT)


@dataclass(slots=True)
class Ran:
    """What one app did over the runs."""

    alone: list[Taken] = field(default_factory=list)
    many: list[Taken] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Milliseconds of processor time for each command while many came, its work included as far as it was done."""


@dataclass(frozen=True, slots=True)
class Site:
    """The two simulators and where an answer to a command goes."""

    plan: BenchPlan
    provider: BenchProvider
    api: str
    respond_at: str


async def measure(plan: BenchPlan) -> Section:
    """Put the apps under load in turns, then ours alone while the provider hangs."""
    turns = plan.pick(3, 1)
    alone, many = LoadStep(plan.pick(500, 100), 1), LoadStep(plan.pick(2000, 400), CONNECTIONS)
    async with _site(plan) as site:
        ran = {app.name: Ran() for app in APPS}
        for turn in range(turns):
            for item in APPS:
                await _run(site, item, turn, ran[item.name], (alone, many))
        await site.provider.fault(kind="slow", seconds=HANG_SECONDS)
        for turn in range(turns):
            await _run(site, HANGING, turn, ran.setdefault(HANGING.name, Ran()), (alone, many))
    head = ["app", "c=1 ack p50 / p95 ms", f"c={CONNECTIONS} commands/s", f"c={CONNECTIONS} ack p50 / p95 / worst ms"]
    head.append(f"c={CONNECTIONS} processor ms each")
    rows = [_row(name, value) for name, value in ran.items()]
    return Section("Slack app", _how(alone, many, turns), [Table([*head, "answered 200", "over 3 s"], rows)], [TARGETS])


def _how(alone: LoadStep, many: LoadStep, turns: int) -> str:
    return (
        f"Commands over HTTP, each signed and with a trigger of its own, {alone.number} on one connection and"
        f" {many.number} on {CONNECTIONS}, each sent as soon as the one before is acknowledged; {turns} runs of"
        " each app in"
        " turns, every run in a new process. vpsops stores each command (SQLite) before it acknowledges it and"
        " works it off"
        " meanwhile: for `status web01` it asks the simulated provider, and it posts an answer. The bare app"
        " acknowledges"
        " and does nothing else. Apps, simulators and the load share the machine; the app's processor time says what"
        " a command costs whatever else runs."
    )


async def _run(site: Site, app: App, turn: int, ran: Ran, loads: tuple[LoadStep, LoadStep]) -> None:
    """Put one new process under both loads; what it accepted in the first is worked off before the second."""
    async with _app(site, app, turn) as (child, target):
        ran.alone.append(await load(target, loads[0]))
        await _settled(site)
        before = cpu_seconds(child.pid)
        ran.many.append(await load(target, loads[1]))
        ran.processor.append((cpu_seconds(child.pid) - before) * 1e3 / (loads[1].number + loads[1].warm_up))
        if child.process.returncode is not None:
            raise ChildError(f"{app.name} ended: {child.tail()}")
    await _settled(site)


@asynccontextmanager
async def _site(plan: BenchPlan) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder))
        child = await stack.enter_async_context(running(module("workspace"), environment(plan.folder)))
        api, respond_at = (await child.line("workspace: ")).split()
        yield Site(plan, there, api, respond_at)


@asynccontextmanager
async def _app(site: Site, app: App, turn: int) -> AsyncIterator[tuple[Child, LoadTarget]]:
    """Run an app until the block is left."""
    folder = site.plan.folder
    database = folder / f"slack-{APPS.index(app) if app in APPS else len(APPS)}-{turn}.sqlite3"
    environ = site.provider.environ(f"sqlite:///{database}") | {
        "SLACK_API_URL": site.api,
        "SLACK_BOT_TOKEN": CONFIG.bot_token,
        "SLACK_SIGNING_SECRET": CONFIG.signing_secret,
    }
    async with running(app.command, environment(folder, **environ)) as child:
        url = await child.line("bot: ")
        yield (
            child,
            LoadTarget(url, CONFIG.signing_secret, app.text, site.respond_at, CONFIG.team_id, "U0ALICE", "C0OPS"),
        )


async def _settled(site: Site) -> None:
    """Wait until no more requests reach the provider: every accepted change has ended."""
    clock = SystemClock()
    with anyio.fail_after(SETTLE_LIMIT):
        before = -1
        while (now := await site.provider.total()) != before:
            before = now
            await clock.sleep(QUIET_SECONDS)


def _row(name: str, ran: Ran) -> list[str]:
    good = sum(taken.statuses[200] for taken in (*ran.alone, *ran.many))
    every = sum(len(taken.seconds) for taken in (*ran.alone, *ran.many))
    alone = " / ".join(f"{median([taken.milliseconds(part) for taken in ran.alone]):.2f}" for part in (0.5, 0.95))
    many = " / ".join(f"{median([taken.milliseconds(part) for taken in ran.many]):.1f}" for part in (0.5, 0.95, 1.0))
    late = str(sum(taken.late for taken in (*ran.alone, *ran.many)))
    return [
        name,
        alone,
        f"{median([taken.per_second for taken in ran.many]):,.0f}",
        many,
        f"{median(ran.processor):.2f}",
        f"{good:,} of {every:,}",
        late,
    ]
