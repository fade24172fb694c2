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

import aiohttp
import anyio
import sqlalchemy as sa
from anyio.abc import Process
from sqlalchemy.engine import Connection

from tests.crash.cards import CardCheck, check_cards
from tests.crash.check import CrashVerdict, judge
from tests.crash.check_plans import BusySpan, PlanRecord, judge_plans
from tests.crash.names import NAME
from tests.crash.plan import CARD_EVERY, CHANNELS, PlanItem, draw
from tests.crash.server_plans import MEMBERS, ServerPlanItem, draw_plans, policy_until
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.errors import StorageError
from vpsops.core.messaging.first_contact import is_recorded
from vpsops.core.operations.target import is_plan
from vpsops.core.plans.repository import members_of
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import AUDIT, CHANGES, OUTBOX
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
class CrashRun:
    """How a run goes: `freeze` stops and wakes processes instead of killing them."""

    database: str
    seed: int
    changes: int
    kills: int
    freeze: bool = False
    hold_seconds: float = 20.0  # unconfirmed holds expire after these
    plans: int = 0  # of ten servers each
    most_gap_seconds: float = 1.5  # between two kills


@dataclass(slots=True)
class CrashResult:
    """What came of a run; `seconds` include everything."""

    run: CrashRun
    verdict: CrashVerdict
    plans: CrashVerdict
    members: Counter[str]  # of plans, by their states
    audit_faults: list[str]
    cards: CardCheck
    unsent: list[str]  # messages that are not delivered
    kills: int = 0
    died: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[str]:
        """Every sentence of what went wrong."""
        parts = [self.verdict.wrong, self.plans.wrong, self.audit_faults, self.cards.wrong, self.unsent, self.died]
        return [sentence for part in parts for sentence in part]

    @property
    def lost(self) -> int:
        """Changes and members that are not there."""
        return self.verdict.lost + self.plans.lost

    @property
    def twice(self) -> int:
        """Effects that the provider counted more than once."""
        return self.verdict.twice + self.plans.twice

    @property
    def is_good(self) -> bool:
        """Return whether nothing went wrong."""
        return not (self.lost or self.twice or self.cards.twice or self.wrong)


@dataclass(frozen=True, slots=True)
class CrashItems:
    """What the processes of a run ask for."""

    changes: list[PlanItem]
    plans: list[ServerPlanItem]

    @property
    def keys(self) -> list[str]:
        """The keys of all requests."""
        return [*(f"crash-{item.number}" for item in self.changes), *(item.key for item in self.plans)]


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
    words += ["--fleet", str(run.changes + 20 + SPARE_PER_PLAN * run.plans)]
    words += ["--faults", str(folder / "faults.toml")]
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(running_workspace(config))
        bare = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        provider = await stack.enter_async_context(running_command("simulator", words, bare, folder))
        items = await _plan(run, provider, folder)
        environment = environment_of(folder, workspace, provider, policy_until(CLOCK.now()))
        environment |= {"WAYSCLOUD_API_URL": environment["WAYSCLOUD_API_URL"].replace("127.0.0.1", NAME)}
        environment |= {"VPSOPS_DATABASE_URL": run.database, "VPSOPS_CHANNEL": "", "VPSOPS_APPROVAL_CHANNEL": ""}
        database = await stack.enter_async_context(open_database(run.database, CLOCK))
        async with _troupe(run, environment, folder, database) as troupe:
            kills = await _disturb(run, troupe, database, items.keys)
            await _rest(database, items.keys)
        checked = await _checked(run, items, database, await _spans(provider), workspace)
        return replace(checked, kills=kills, died=troupe.died, seconds=CLOCK.monotonic() - begun)


async def _checked(
    run: CrashRun,
    items: CrashItems,
    database: Database,
    spans: Sequence[BusySpan],
    workspace: SimulatedWorkspace,
) -> CrashResult:
    """Hold what is stored and posted at rest against what was asked for, and what the provider saw."""
    changes, records = await database.read(_by_key), await database.read(_plan_records)
    effects = Counter((span.operation, span.hostname) for span in spans)
    return CrashResult(
        run,
        judge(items.changes, changes, effects),
        judge_plans(items.plans, records, spans),
        Counter(member.state.value for record in records.values() for member in record.members),
        [fault.what for fault in await database.read(_audit)],
        check_cards(workspace, changes),
        await database.read(_unsent),
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
    plans = draw_plans(run.seed, run.plans, up, down)
    taken = {name for item in plans for name in item.servers}
    changes = draw(run.seed, run.changes, *([name for name in names if name not in taken] for names in (up, down)))
    stored = {"changes": [asdict(item) for item in changes], "plans": [asdict(item) for item in plans]}
    (folder / "plan.json").write_text(json.dumps(stored))
    return CrashItems(changes, plans)


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


async def _disturb(run: CrashRun, troupe: Troupe, database: Database, keys: Sequence[str]) -> int:
    """Kill or freeze at random points, for as long as there is something to disturb."""
    dice = random.Random(run.seed)  # noqa: S311 - the same points again for the same seed
    await CLOCK.sleep(2.5)  # the processes are starting
    for count in range(run.kills):
        await CLOCK.sleep(dice.uniform(0.1, run.most_gap_seconds))
        index = dice.randrange(len(troupe.running))
        await (troupe.freeze(index) if run.freeze else troupe.kill(index))
        if await _is_at_rest(database, keys):
            return count + 1
    return run.kills


async def _rest(database: Database, keys: Sequence[str]) -> None:
    """Wait until every change is at rest and every message is sent; the checks report what is not by then."""
    with anyio.move_on_after(REST_SECONDS):
        while not await _is_at_rest(database, keys):
            await CLOCK.sleep(0.5)


async def _is_at_rest(database: Database, keys: Sequence[str]) -> bool:
    """Return whether everything is settled, as far as a busy machine lets this process read it."""
    try:
        return await database.read(lambda connection: _is_settled(connection, keys))
    except StorageError:
        return False


def _is_settled(connection: Connection, keys: Sequence[str]) -> bool:
    known = set(connection.scalars(sa.select(CHANGES.c.key)))
    resting = [state.value for state in State if state.final or state is State.NEEDS_PERSON]
    moving = connection.scalar(sa.select(sa.func.count()).select_from(CHANGES).where(CHANGES.c.state.not_in(resting)))
    waiting = connection.scalar(sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.state == "waiting"))
    return known.issuperset(keys) and not moving and not waiting


def _by_key(connection: Connection) -> dict[str, Change]:
    keys = {row.id: row.key for row in connection.execute(sa.select(CHANGES.c.id, CHANGES.c.key))}
    return {keys[change.id]: change for change in repository.select(connection, limit=10_000)}


def _audit(connection: Connection) -> list[chain.ChainFault]:
    return list(chain.verify(chain.read(connection, limit=1_000_000), chain.head(connection)))


def _unsent(connection: Connection) -> list[str]:
    """Return the messages that were not delivered."""
    query = sa.select(OUTBOX.c.topic, OUTBOX.c.state, OUTBOX.c.error).where(OUTBOX.c.state != "done")
    return [f"the message {row.topic} is {row.state}: {row.error}" for row in connection.execute(query)]


def _plan_records(connection: Connection) -> dict[str, PlanRecord]:
    """Return all that is stored of each plan, by its key."""
    changes = _by_key(connection)
    numbers = {
        (row.event, row.change_id): row.seq
        for row in connection.execute(sa.select(AUDIT.c.seq, AUDIT.c.event, AUDIT.c.change_id))
    }
    records = {}
    for key, plan in changes.items():
        if is_plan(plan.operation):
            own = {change.id: change for change in changes.values() if change.plan == plan.id}
            begun = {name: numbers["requested", name] for name in own}
            members = members_of(connection, plan.id)
            records[key] = PlanRecord(plan, members, own, begun, numbers.get(("plan_stopped", plan.id)))
    return records


async def _spans(provider: str) -> list[BusySpan]:
    async with aiohttp.ClientSession() as session, session.get(f"{provider}/_sim/effects") as answer:
        effects = (await answer.json())["effects"]
    return [
        BusySpan(
            item["hostname"],
            item["operation"],
            datetime.fromisoformat(item["at"]),
            datetime.fromisoformat(item["ends_at"]),
        )
        for item in effects
    ]


def describe(results: Sequence[CrashResult]) -> str:
    """Return the results as a table."""
    names = ("database", "seed", "disturbed", "changes", "plans", "lost", "done twice", "wrong end", "audit faults")
    head = f"| {' | '.join((*names, 'cards wrong', 'cards twice', 'ends', 'ends of plans', 'members', 's'))} |"
    rows = [head, f"|{'---|' * (head.count('|') - 1)}"]
    for result in results:
        kind = result.run.database.split(":", 1)[0]
        how = f"{result.kills} {'frozen' if result.run.freeze else 'killed'}"
        wrong, cards = len(result.verdict.wrong + result.plans.wrong + result.unsent), result.cards
        rows.append(
            f"| {kind} | {result.run.seed} | {how} | {result.run.changes} | {result.run.plans} | {result.lost} "
            f"| {result.twice} | {wrong} | {len(result.audit_faults)} | {len(cards.wrong)} of {cards.count} "
            f"| {cards.twice} | {_counted(result.verdict.states)} | {_counted(result.plans.states)} "
            f"| {_counted(result.members)} | {result.seconds:.0f} |"
        )
    return "\n".join(rows)


def _counted(states: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(states.items())) or "-"


__all__ = ["CARD_EVERY", "MEMBERS", "CrashResult", "CrashRun", "describe", "play"]
