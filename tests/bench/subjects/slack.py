"""`vpsops bot --http` beside bare Bolt: how soon a command is acknowledged, and how many in a second."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.bench.children import Child, ChildError, cpu_seconds, environment, module, running, vpsops
from tests.bench.plan import BenchPlan, Section, Table, share
from tests.bench.slack.http_load import LoadTarget, load
from tests.bench.slack.site import CONFIG, App, LoadStep, Ran, Site, heads, ratios, sharing, slack_site
from vpsops.core.common.clock import SystemClock

TARGETS: Final = (
    "Targets: c=1 ack p50 ≤ 1 ms and p95 ≤ 5 ms, ≥ 1,500 commands/s at c=32, none over 3 s while the provider hangs;"
    " as a part of bare Bolt's default: c=1 ack p50 ≤ 0.15, commands/s ≥ 0.8."
)
HANG_SECONDS: Final = 60
CONNECTIONS: Final = 32
PAGE_BYTES: Final = 4096
BOT: Final = vpsops("bot", "--http", "127.0.0.1:0")
STATUS: Final = App("vpsops bot, `status web01`", BOT)
BARE: Final = App("bare Bolt, default", module("bare_bolt", CONFIG.signing_secret, "default"))
APPS: Final = (
    STATUS,
    App("vpsops bot, `help`", BOT, "help"),
    BARE,
    App("bare Bolt, process_before_response", module("bare_bolt", CONFIG.signing_secret, "before")),
)
HANGING: Final = App("vpsops bot, `status web01`, the provider hangs", BOT)


async def measure(plan: BenchPlan) -> Section:
    """Put the apps under load in turns, then ours alone while the provider hangs."""
    turns = plan.pick(5, 1)
    steps = LoadStep(plan.pick(500, 100), 1), LoadStep(plan.pick(2000, 400), CONNECTIONS)
    flushes: list[float] = []
    async with slack_site(plan) as site:
        ran = {app.name: Ran() for app in APPS}
        for turn in range(turns):
            flushes += flushed(plan.folder / "flush", plan.pick(100, 20))
            for item in APPS:
                await _run(site, item, turn, ran[item.name], steps)
        await site.provider.fault(kind="slow", seconds=HANG_SECONDS)
        for turn in range(turns):
            await _run(site, HANGING, turn, ran.setdefault(HANGING.name, Ran()), steps)
    rows = [value.row(name) for name, value in ran.items()]
    rows.append(ratios("`status web01` as a part of bare Bolt, default", ran[STATUS.name], ran[BARE.name]))
    flush = f"A flush of 4 KiB to this disk took {share(flushes, 0.5):.2f} / {share(flushes, 0.95):.2f} ms (p50 / p95)."
    return Section("Slack app", _how(steps, turns), [Table(heads(CONNECTIONS), rows)], [TARGETS, flush, sharing()])


def _how(steps: tuple[LoadStep, LoadStep], turns: int) -> str:
    return (
        f"Commands over HTTP, each signed and with a trigger of its own, {steps[0].number} on one connection and"
        f" {steps[1].number} on {CONNECTIONS}, each sent as soon as the one before is acknowledged; {turns} runs of"
        " each app in turns, every run in a new process. vpsops stores each command (SQLite) before it acknowledges"
        " it, flushed to the disk, which those that come together share, and works it off meanwhile: for"
        " `status web01` it asks the simulated provider, and it posts an answer. The bare app acknowledges and does"
        " nothing else. Apps, simulators and the load share the machine; the app's processor time says what a command"
        " costs whatever else runs."
    )


def flushed(path: Path, number: int) -> list[float]:
    """Return how many milliseconds each of some flushes takes: a command alone waits for a single flush."""
    clock, taken = SystemClock(), []
    with path.open("wb") as file:
        for _ in range(number):
            file.write(os.urandom(PAGE_BYTES))
            file.flush()
            begun = clock.monotonic()
            os.fdatasync(file.fileno())
            taken.append((clock.monotonic() - begun) * 1e3)
    return taken


async def _run(site: Site, app: App, turn: int, ran: Ran, steps: tuple[LoadStep, LoadStep]) -> None:
    """Put one new process under both loads; what it accepted in the first is worked off before the second."""
    async with _app(site, app, turn) as (child, target):
        ran.alone.append(await load(target, steps[0]))
        await site.settled()
        before = cpu_seconds(child.pid)
        ran.many.append(await load(target, steps[1]))
        ran.processor.append((cpu_seconds(child.pid) - before) * 1e3 / (steps[1].number + steps[1].warm_up))
        if child.process.returncode is not None:
            raise ChildError(f"{app.name} ended: {child.tail()}")
    await site.settled()


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
