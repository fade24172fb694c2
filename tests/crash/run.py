"""One crash run: real processes around one database, killed or frozen at random points, and the outcome."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import anyio
from anyio.abc import Process

from tests.crash.checks.cards import check_cards
from tests.crash.checks.changes import judge
from tests.crash.checks.ends import judge_ends
from tests.crash.checks.plans import BusySpan, judge_plans
from tests.crash.names import NAME
from tests.crash.plan import CHANNELS, PlanItem, draw
from tests.crash.records import (
    busy_spans,
    chain_faults,
    changes_by_key,
    count_running,
    due_times,
    end_records,
    event_counts,
    is_settled,
    plan_records,
    posted_reminders,
    unsent_messages,
)
from tests.crash.results import CrashResult, CrashRun, Disturbances
from tests.crash.server_ends import ServerEndItem, draw_ends
from tests.crash.server_plans import ServerPlanItem, draw_plans, policy_from, sure_plans
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.first_contact import is_recorded
from vpsops.core.storage import Database, open_database
from vpsops.playground.processes import environment_of, running_command
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Channel

ACTORS = 3
FROZEN_SECONDS = 7.0  # longer than a process may be silent before others take over
REST_SECONDS = 600.0
UP = frozenset({"active", "running"})  # the word of each dialect
SPARE_PER_PLAN = 14
"""Servers of the fleet for a plan of ten: one in seven does not run."""
START_SECONDS = 60.0
CLOSE_SECONDS = 1.5
"""Between two kills of which the second meets processes that are starting."""
KILLED_SHARE = 0.9
"""The share of members that began by the last kill, where so many are to begin."""
CLOCK = SystemClock()
FAULTS = """
[[faults]]
kind = "status"
status = 429
retry_after = 1
probability = 0.03
match = { method = "POST" }

[[faults]]
kind = "drop_before"
probability = 0.04
match = { method = "POST" }

[[faults]]
kind = "drop_after"
probability = 0.06
match = { method = "POST" }

[[faults]]
kind = "status"
status = 503
probability = 0.03

[[faults]]
kind = "slow"
seconds = 4.0  # longer than a look waits: it is read again, apart from the looks
probability = 0.05
match = { operation = "status" }
"""


@dataclass(frozen=True, slots=True)
class CrashItems:
    """What the processes of a run ask for."""

    changes: list[PlanItem]
    plans: list[ServerPlanItem]
    ends: list[ServerEndItem]

    @property
    def keys(self) -> list[str]:
        """The keys of all requests."""
        others: list[ServerPlanItem | ServerEndItem] = [*self.plans, *self.ends]
        return [*(f"crash-{item.number}" for item in self.changes), *(item.key for item in others)]

    @property
    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """What the processes read."""
        return {
            "changes": [asdict(item) for item in self.changes],
            "plans": [asdict(item) for item in self.plans],
            "ends": [asdict(item) for item in self.ends],
        }


@dataclass(slots=True)
class Troupe:
    """The processes of a run, each with the command to start it again."""

    environment: Mapping[str, str]
    folder: Path
    commands: list[list[str]]
    running: list[Process]
    died: list[str] = field(default_factory=list)

    async def start(self, index: int) -> Process:
        """Start one, with its output in the folder."""
        log = (self.folder / f"process-{index}.log").open("ab")
        process = await anyio.open_process(
            self.commands[index], stdin=subprocess.PIPE, stdout=log, stderr=log, env=self.environment
        )
        log.close()
        return process

    async def kill(self, index: int) -> None:
        """Kill one and start it again at once."""
        await self._lives(index)
        await _end(self.running[index])
        self.running[index] = await self.start(index)

    async def freeze(self, index: int) -> None:
        """Stop one for longer than it may be silent, and let it wake up late."""
        await self._lives(index)
        self.running[index].send_signal(signal.SIGSTOP)
        await CLOCK.sleep(FROZEN_SECONDS)
        self.running[index].send_signal(signal.SIGCONT)

    async def _lives(self, index: int) -> None:
        """Note a process that ended by itself, which none should, and start it again."""
        process = self.running[index]
        if process.returncode is not None:
            log = (self.folder / f"process-{index}.log").read_text(encoding="utf-8", errors="replace")
            self.died.append(f"process {index} ended by itself with {process.returncode}: {log[-1500:]}")
            self.running[index] = await self.start(index)

    async def end(self) -> None:
        """End them all."""
        for index, process in enumerate(self.running):
            await self._lives(index)
            await _end(process)
            await _end(self.running[index])


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.aclose()


async def play(run: CrashRun, folder: Path) -> CrashResult:
    """Play one run in a folder of its own."""
    begun = CLOCK.monotonic()
    config = WorkspaceConfig()
    channels = tuple(
        Channel(id=name, name=name.lower(), members=frozenset({"U0ALICE", config.bot_user_id})) for name in CHANNELS
    )
    config = replace(config, channels=config.channels + channels)
    (folder / "faults.toml").write_text(FAULTS)
    words = ["simulator", "--port", "0", "--speed", "300", "--seed", str(run.seed)]
    words += ["--fleet", str(run.changes + 20 + SPARE_PER_PLAN * (run.plans + sure_plans(run.members)))]
    words += ["--faults", str(folder / "faults.toml")]
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(running_workspace(config))
        bare = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        provider = await stack.enter_async_context(running_command("simulator", words, bare, folder))
        items = await _plan(run, provider, folder)
        environment = environment_of(folder, workspace, provider, policy_from(CLOCK.now()))
        environment |= {"WAYSCLOUD_API_URL": environment["WAYSCLOUD_API_URL"].replace("127.0.0.1", NAME)}
        environment |= {"VPSOPS_DATABASE_URL": run.database, "VPSOPS_CHANNEL": "", "VPSOPS_APPROVAL_CHANNEL": ""}
        database = await stack.enter_async_context(open_database(run.database, CLOCK))
        async with _troupe(run, environment, folder, database) as troupe:
            kills = await _disturb(run, troupe, database, items.keys)
            await _rest(database, items.keys)
        checked = await _checked(run, items, database, await busy_spans(provider), workspace)
        disturbed = await _disturbances(database, kills)
        return replace(checked, disturbed=disturbed, died=troupe.died, seconds=CLOCK.monotonic() - begun)


async def _checked(
    run: CrashRun,
    items: CrashItems,
    database: Database,
    spans: Sequence[BusySpan],
    workspace: SimulatedWorkspace,
) -> CrashResult:
    """Hold what is stored and posted at rest against what was asked for, and what the provider saw."""
    changes, records = await database.read(changes_by_key), await database.read(plan_records)
    reminders = posted_reminders(workspace)
    ends = await database.read(lambda connection: end_records(connection, reminders))
    effects = Counter((span.operation, span.hostname) for span in spans)
    members = [member for record in records.values() for member in record.members]
    return CrashResult(
        run,
        judge(items.changes, changes, effects, await database.read(event_counts)),
        judge_plans(items.plans, records, spans),
        judge_ends(items.ends, ends, spans),
        Counter(member.state.value for member in members),
        sum(bool(member.change_id) for member in members),
        [fault.what for fault in await database.read(chain_faults)],
        check_cards(workspace, changes),
        await database.read(unsent_messages),
    )


async def _plan(run: CrashRun, provider: str, folder: Path) -> CrashItems:
    async with aiohttp.ClientSession(headers={"X-API-Key": "wayscloud_vps_crash_SECRET"}) as session:
        async with session.get(f"{provider}/_sim/requests") as answer:
            answer.raise_for_status()
        servers: list[dict[str, str]] = []
        while not servers:  # the faults strike here too
            async with session.get(f"{provider}/v1/vps") as answer:
                servers = (await answer.json()).get("instances", []) if answer.status == 200 else []
    up = sorted(s["hostname"] for s in servers if s["status"] in UP)
    down = sorted(s["hostname"] for s in servers if s["status"] == "stopped")
    if not up or not down:
        raise AssertionError("the fleet has no servers of a kind that the run needs")
    plans = draw_plans(run.seed, run.plans, run.members, up, down)
    taken = {name for item in plans for name in item.servers}
    changes = draw(run.seed, run.changes, *([name for name in names if name not in taken] for names in (up, down)))
    items = CrashItems(changes, plans, draw_ends(run.seed, run.ends))
    (folder / "plan.json").write_text(json.dumps(items.stored))
    return items


@asynccontextmanager
async def _troupe(
    run: CrashRun, environment: Mapping[str, str], folder: Path, database: Database
) -> AsyncIterator[Troupe]:
    """Start the bot and, after its first contact, the actors: what they ask is news to it from the beginning."""
    actor = [sys.executable, "-m", "tests.crash.actor", str(folder / "plan.json")]
    commands = [[sys.executable, "-m", "tests.crash.bot", str(run.hold_seconds), "--http", "127.0.0.1:0"]]
    commands += [[*actor, str(share), str(ACTORS), str(run.hold_seconds)] for share in range(ACTORS)]
    troupe = Troupe(environment, folder, commands, [])
    try:
        for index in range(len(commands)):
            troupe.running.append(await troupe.start(index))
            with anyio.fail_after(START_SECONDS):
                while not await database.read(is_recorded):
                    await CLOCK.sleep(0.1)
        yield troupe
    finally:
        with anyio.CancelScope(shield=True):
            await troupe.end()


@dataclass(frozen=True, slots=True)
class Kill:
    """One process that was killed or frozen, and how many plans ran then."""

    at: datetime
    plans: int


async def _disturb(run: CrashRun, troupe: Troupe, database: Database, keys: Sequence[str]) -> list[Kill]:
    """Kill or freeze at random points, for as long as there is something to disturb; half of them follow closely."""
    dice, kills = random.Random(run.seed), list[Kill]()  # noqa: S311 - the same points again for the same seed
    await CLOCK.sleep(2.5)  # the processes are starting
    while len(kills) < run.kills:
        await CLOCK.sleep(dice.uniform(0.1, dice.choice((CLOSE_SECONDS, run.most_gap_seconds))))
        plans = await _reach(database, run, keys, len(kills))
        if plans is None:
            break
        kills.append(Kill(CLOCK.now(), plans))
        index = dice.randrange(len(troupe.running))
        await (troupe.freeze(index) if run.freeze else troupe.kill(index))
    return kills


async def _reach(database: Database, run: CrashRun, keys: Sequence[str], kills: int) -> int | None:
    """Return how many plans run, None once all is at rest; with `members`, wait until one runs and so many began."""
    share = run.members * KILLED_SHARE * kills / run.kills
    while not await _is_at_rest(database, keys):
        try:
            plans, begun = await database.read(count_running)
        except StorageError:
            continue
        if not run.members or (plans and begun >= share):
            return plans
        await CLOCK.sleep(0.2)
    return None


async def _disturbances(database: Database, kills: Sequence[Kill]) -> Disturbances:
    """Count kills, and what started between the first and the last of them."""
    times = await database.read(due_times)
    between = [at for at in times if kills and kills[0].at <= at <= kills[-1].at]
    return Disturbances(len(kills), sum(kill.plans > 0 for kill in kills), len(between))


async def _rest(database: Database, keys: Sequence[str]) -> None:
    """Wait until every change is at rest and every message is sent; the checks report what is not by then."""
    with anyio.move_on_after(REST_SECONDS):
        while not await _is_at_rest(database, keys):
            await CLOCK.sleep(0.5)


async def _is_at_rest(database: Database, keys: Sequence[str]) -> bool:
    """Return whether everything is settled, as far as a busy machine lets this process read it."""
    try:
        return await database.read(lambda connection: is_settled(connection, keys))
    except StorageError:
        return False
