"""`vpsops bot` by Socket Mode beside bare Bolt's own handler: how soon an envelope is acknowledged, and how many."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tests.bench.children import Child, ChildError, cpu_seconds, environment, module, running, vpsops
from tests.bench.plan import BenchPlan, Section, Table
from tests.bench.slack.site import CONFIG, LoadStep, Ran, Site, heads, ratios, sharing, slack_site
from tests.bench.slack.socket_load import EnvelopeSource, envelope_source, load

TARGETS: Final = "Targets, as a part of bare Bolt's default: c=1 ack p50 ≤ 0.15, commands/s at c=32 ≥ 0.8."
WAITING: Final = 32


@dataclass(frozen=True, slots=True)
class SocketApp:
    """An app as it is started with the address of a Web API, and what it is asked."""

    name: str
    command: Callable[[str], Sequence[str]]
    text: str = "status web01"


def _bare(mode: str) -> Callable[[str], Sequence[str]]:
    return lambda api: module("bare_socket", api, CONFIG.app_token, mode)


STATUS: Final = SocketApp("vpsops bot, `status web01`", lambda _: vpsops("bot"))
BARE: Final = SocketApp("bare Bolt, default", _bare("default"))
APPS: Final = (
    STATUS,
    SocketApp("vpsops bot, `help`", lambda _: vpsops("bot"), "help"),
    BARE,
    SocketApp("bare Bolt, process_before_response", _bare("before")),
)


async def measure(plan: BenchPlan) -> Section:
    """Put the apps under load in turns."""
    turns = plan.pick(5, 1)
    steps = LoadStep(plan.pick(500, 100), 1), LoadStep(plan.pick(2000, 400), WAITING)
    async with slack_site(plan) as site:
        ran = {app.name: Ran() for app in APPS}
        for turn in range(turns):
            for app in APPS:
                await _run(site, app, turn, ran[app.name], steps)
    rows = [value.row(name) for name, value in ran.items()]
    rows.append(ratios("`status web01` as a part of bare Bolt, default", ran[STATUS.name], ran[BARE.name]))
    return Section("Slack app by Socket Mode", _how(steps, turns), [Table(heads(WAITING), rows)], [TARGETS, sharing()])


def _how(steps: tuple[LoadStep, LoadStep], turns: int) -> str:
    return (
        f"Envelopes with commands on one WebSocket, {steps[0].number} of which one at a time waits for its"
        f" acknowledgement and {steps[1].number} of which {WAITING} do, each sent as soon as one before is"
        f" acknowledged; {turns} runs of each app in turns, every run in a new process. The bare app is Bolt's"
        " AsyncSocketModeHandler of aiohttp, on the same event loop. Else as above."
    )


async def _run(site: Site, app: SocketApp, turn: int, ran: Ran, steps: tuple[LoadStep, LoadStep]) -> None:
    """Put one new process under both loads; what it accepted in the first is worked off before the second."""
    async with envelope_source(site) as line, _app(line, app, turn) as child:
        ran.alone.append(await load(line, app.text, steps[0]))
        await site.settled()
        before = cpu_seconds(child.pid)
        ran.many.append(await load(line, app.text, steps[1]))
        ran.processor.append((cpu_seconds(child.pid) - before) * 1e3 / (steps[1].number + steps[1].warm_up))
        if child.process.returncode is not None:
            raise ChildError(f"{app.name} ended: {child.tail()}")
    await site.settled()


@asynccontextmanager
async def _app(line: EnvelopeSource, app: SocketApp, turn: int) -> AsyncIterator[Child]:
    """Run an app until the block is left."""
    site, api = line.site, f"{line.url}/api/"
    environ = site.provider.environ(f"sqlite:///{site.plan.folder / f'socket-{APPS.index(app)}-{turn}.sqlite3'}") | {
        "SLACK_API_URL": api,
        "SLACK_BOT_TOKEN": CONFIG.bot_token,
        "SLACK_APP_TOKEN": CONFIG.app_token,
    }
    async with running(app.command(api), environment(site.plan.folder, **environ)) as child:
        yield child
