"""How long until another process goes on with what a killed one had in hand."""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import anyio

from tests.bench.children import Child, environment, module, running, vpsops
from tests.bench.databases import NAMES, databases
from tests.bench.plan import BenchPlan, Section, Table, middle_and_worst
from tests.bench.provider import BenchProvider, provider
from tests.fakes.accounts import EVERYBODY
from vpsops.core.app import Core, open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import SystemClock

CHANGES: Final = 24
UNANSWERED: Final = 2
KILL_LIMIT: Final = 60.0
NOTES: Final = (
    "One that never arrived was killed just before its send: it is looked up for three minutes and is then not done.",
    "A process counts as dead when it was not heard of for 5 s: a shorter time would take a paused one for dead.",
)
TO_BEAT: Final = "DBOS on PostgreSQL 4.3, bare leases 0.3"


@dataclass(slots=True)
class Kills:
    """What came after each kill on one database, in seconds."""

    goes_on: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    looked_up: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    unsent: int = 0
    lost: int = 0
    twice: int = 0


@dataclass(frozen=True, slots=True)
class TakeoverSetup:
    """What there is at the moment of the kill."""

    there: BenchProvider
    watching: Core
    victim: Child


async def measure(plan: BenchPlan) -> Section:
    """Kill, check, and kill again; both databases at the same time, since it is waiting that is measured."""
    times = plan.pick(8, 1)
    results = {kind: Kills() for kind in NAMES}
    with databases(plan) as made:

        async def kill_on(kind: str) -> None:
            for turn in range(times):
                await kill(plan, made.new(kind), results[kind], random.Random(f"{kind}{turn}"))  # noqa: S311 - any moment

        async with anyio.create_task_group() as group:
            for kind in NAMES:
                group.start_soon(kill_on, kind)
    head = [
        "database",
        "goes on",
        "first write",
        "unanswered ones found unclear",
        "all finished",
        "never arrived",
        "lost",
        "done twice",
    ]
    rows = [[NAMES[kind], *_row(kills), "≤ 10 s", TO_BEAT] for kind, kills in results.items()]
    return Section(
        "Takeover",
        f"Two processes share a database; one approves and runs {CHANGES} stops: {UNANSWERED} wait for an"
        " answer that does"
        " not come, some are watched, the rest wait for their turn (the pace of writes). It is killed with SIGKILL at a"
        " random moment; seconds from there until the other process first calls the provider about them, sends"
        " its first"
        f" write, knows of the unanswered ones that their outcome is unclear, and until all have ended; p50 / worst of"
        f" {times} kills for each database.",
        [Table([*head, "target", "to beat, goes on p50 s"], rows)],
        NOTES,
    )


def _row(kills: Kills) -> list[str]:
    times = [
        middle_and_worst(each) if each else "none"
        for each in (kills.goes_on, kills.writes, kills.looked_up, kills.finished)
    ]
    return [*times, str(kills.unsent), str(kills.lost), str(kills.twice)]


async def kill(plan: BenchPlan, url: str, kills: Kills, luck: random.Random, others: int = 1) -> None:
    """Kill a process in the middle of its work, beside some others, and note what comes after."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(provider(plan.folder, fleet=CHANGES * 2))
        servers = (await there.running_servers())[:CHANGES]
        for server in servers[:UNANSWERED]:
            await there.fault(kind="slow", match={"operation": "stop", "server": server}, seconds=60, after_effect=True)
        env = environment(plan.folder, **there.environ(url))
        victim = await stack.enter_async_context(running(module("victim_process", *servers), env))
        for _ in range(others):
            other = await stack.enter_async_context(running(vpsops("worker"), env))
            await other.line("worker:")
        watching = await stack.enter_async_context(open_core(there.settings(url), front="cli", accounts=EVERYBODY))
        await victim.line("approved all")
        await SystemClock().sleep(luck.uniform(0, 1))
        with anyio.fail_after(KILL_LIMIT * 2):
            await _follow(TakeoverSetup(there, watching, victim), kills)


async def _follow(scene: TakeoverSetup, kills: Kills) -> None:
    clock, changes = SystemClock(), scene.watching.changes
    before = await changes.list(limit=CHANGES, scope=OPERATOR)
    await scene.victim.kill()
    begun, since = clock.now().timestamp(), await scene.there.total()
    sending = [change for change in await changes.list(limit=CHANGES, scope=OPERATOR) if change.state is State.SENDING]
    for change in sending:
        await changes.wait(change.id, seconds=KILL_LIMIT, until=_is_not_sending, scope=OPERATOR)
    kills.looked_up.append(clock.now().timestamp() - begun)
    unsent = {change.id for change in sending} - {change.id for change in sending if await _took_effect(scene, change)}
    ended = [await _end(scene.watching, change.id) for change in before if change.id not in unsent]
    kills.finished.append(clock.now().timestamp() - begun)
    kills.unsent += len(unsent)
    calls = await scene.there.arrived(since)
    kills.goes_on.append(min(call.at for call in calls) - begun)
    stops = [call.at for call in calls if call.operation == "stop"]
    if stops:  # on a busy machine the killed one may have sent all of them before
        kills.writes.append(min(stops) - begun)
    await _judge(scene, kills, ended)


async def _end(core: Core, change_id: str) -> Change:
    """Wait for the end of a change; raises `RuntimeError` with where it stays."""
    change = await core.changes.wait(change_id, seconds=KILL_LIMIT, scope=OPERATOR)
    if not change.state.final:
        raise RuntimeError(f"{change.id} stays {change.state}: {change.note}")
    return change


def _is_not_sending(change: Change) -> bool:
    return change.state is not State.SENDING


async def _took_effect(scene: TakeoverSetup, change: Change) -> bool:
    return ("stop", change.target.id) in await scene.there.effects()


async def _judge(scene: TakeoverSetup, kills: Kills, ended: Sequence[Change]) -> None:
    """Count what did not succeed or did so without an effect, and what the provider did more than once."""
    effects = Counter(server for operation, server in await scene.there.effects() if operation == "stop")
    kills.lost += sum(change.state is not State.SUCCEEDED or not effects[change.target.id] for change in ended)
    kills.twice += sum(count > 1 for count in effects.values())
