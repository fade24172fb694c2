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
from pathlib import Path

import aiohttp
import anyio
import sqlalchemy as sa
from anyio.abc import Process
from sqlalchemy.engine import Connection

from tests.crash.check import CrashVerdict, judge
from tests.crash.names import NAME
from tests.crash.plan import CARD_EVERY, CHANNELS, POLICY, PlanItem, draw
from vpsops.core.audit import chain
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.common.clock import SystemClock
from vpsops.core.messaging.first_contact import is_recorded
from vpsops.core.storage import Database, open_database
from vpsops.core.storage.tables import CHANGES, OUTBOX
from vpsops.playground.processes import environment_of, running_command
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Channel

ACTORS = 3
FROZEN_SECONDS = 7.0  # longer than a process may be silent before others take over
REST_SECONDS = 600.0
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


@dataclass(slots=True)
class CrashResult:
    """What came of a run; `seconds` include everything."""

    run: CrashRun
    verdict: CrashVerdict
    kills: int
    audit_faults: list[str]
    cards: int
    cards_wrong: list[str]
    cards_twice: int
    died: list[str]
    seconds: float

    @property
    def is_good(self) -> bool:
        """Return whether nothing went wrong."""
        cards = self.cards_wrong or self.cards_twice
        return self.verdict.is_good and not (self.audit_faults or cards or self.died)


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
    words = ["simulator", "--port", "0", "--speed", "300", "--seed", str(run.seed), "--fleet", str(run.changes + 20)]
    words += ["--faults", str(folder / "faults.toml")]
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(running_workspace(config))
        bare = {"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        provider = await stack.enter_async_context(running_command("simulator", words, bare, folder))
        items = await _plan(run, provider, folder)
        environment = environment_of(folder, workspace, provider, POLICY)
        environment |= {"WAYSCLOUD_API_URL": environment["WAYSCLOUD_API_URL"].replace("127.0.0.1", NAME)}
        environment |= {"VPSOPS_DATABASE_URL": run.database, "VPSOPS_CHANNEL": "", "VPSOPS_APPROVAL_CHANNEL": ""}
        database = await stack.enter_async_context(open_database(run.database, CLOCK))
        async with _troupe(run, environment, folder, database) as troupe:
            kills = await _disturb(run, troupe, database, len(items))
            await _rest(database, len(items))
        verdict = judge(items, await database.read(_by_key), await _effects(provider))
        cards, wrong, twice = _cards(workspace, await database.read(_by_key))
        faults = [fault.what for fault in await database.read(_audit)]
        return CrashResult(run, verdict, kills, faults, cards, wrong, twice, troupe.died, CLOCK.monotonic() - begun)


async def _plan(run: CrashRun, provider: str, folder: Path) -> list[PlanItem]:
    async with aiohttp.ClientSession(headers={"X-API-Key": "wayscloud_vps_crash_SECRET"}) as session:
        async with session.get(f"{provider}/_sim/requests") as answer:
            answer.raise_for_status()
        servers: list[dict[str, str]] = []
        while not servers:  # the faults strike here too
            async with session.get(f"{provider}/v1/vps") as answer:
                servers = (await answer.json()).get("instances", []) if answer.status == 200 else []
    up = sorted(s["hostname"] for s in servers if s["status"] == "running")
    down = sorted(s["hostname"] for s in servers if s["status"] == "stopped")
    items = draw(run.seed, run.changes, up, down)
    (folder / "plan.json").write_text(json.dumps([asdict(item) for item in items]))
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


async def _disturb(run: CrashRun, troupe: Troupe, database: Database, target: int) -> int:
    """Kill or freeze at random points, for as long as there is something to disturb."""
    dice = random.Random(run.seed)  # noqa: S311 - the same points again for the same seed
    await CLOCK.sleep(2.5)  # the processes are starting
    for count in range(run.kills):
        await CLOCK.sleep(dice.uniform(0.1, 1.5))
        index = dice.randrange(len(troupe.running))
        await (troupe.freeze(index) if run.freeze else troupe.kill(index))
        if await database.read(lambda connection: _is_settled(connection, target)):
            return count + 1
    return run.kills


async def _rest(database: Database, count: int) -> None:
    """Wait until every change is at rest and every message is sent; the checks report what is not by then."""
    with anyio.move_on_after(REST_SECONDS):
        while not await database.read(lambda connection: _is_settled(connection, count)):
            await CLOCK.sleep(0.5)


def _is_settled(connection: Connection, count: int) -> bool:
    total = connection.scalar(sa.select(sa.func.count()).select_from(CHANGES)) or 0
    resting = [state.value for state in State if state.final or state is State.NEEDS_PERSON]
    moving = connection.scalar(sa.select(sa.func.count()).select_from(CHANGES).where(CHANGES.c.state.not_in(resting)))
    waiting = connection.scalar(sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.state == "waiting"))
    return total >= count and not moving and not waiting


def _by_key(connection: Connection) -> dict[str, Change]:
    keys = {row.id: row.key for row in connection.execute(sa.select(CHANGES.c.id, CHANGES.c.key))}
    return {keys[change.id]: change for change in repository.select(connection, limit=10_000)}


def _audit(connection: Connection) -> list[chain.ChainFault]:
    return list(chain.verify(chain.read(connection, limit=1_000_000), chain.head(connection)))


async def _effects(provider: str) -> Counter[tuple[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(f"{provider}/_sim/effects") as answer:
        effects = (await answer.json())["effects"]
    return Counter((item["operation"], item["hostname"]) for item in effects)


def _cards(workspace: SimulatedWorkspace, changes: Mapping[str, Change]) -> tuple[int, list[str], int]:
    """Check every card: it must state the end, without buttons; a second one for a change is counted."""
    cards: Counter[str] = Counter()
    wrong = []
    requested = {change.id: change for change in changes.values() if change.origin.front == "slack"}
    for channel in CHANNELS:
        for message in workspace.messages(channel):
            change = next((value for name, value in requested.items() if name in json.dumps(message.blocks)), None)
            if change is None or message.thread_ts not in {None, message.ts}:
                continue
            buttons = [block for block in message.blocks if block.get("type") == "actions"]
            if any(block.get("type") == "header" for block in message.blocks):
                cards[change.id] += 1
                if buttons and change.state is not State.NEEDS_PERSON:
                    wrong.append(f"the card of {change.id} ({change.state.value}) still has buttons")
    wrong += [f"{name} has no card" for name in requested if not cards[name]]
    return len(cards), wrong, sum(count - 1 for count in cards.values())


def describe(results: Sequence[CrashResult]) -> str:
    """Return the results as a table."""
    names = ("database", "seed", "disturbed", "changes", "lost", "done twice", "wrong end", "audit faults")
    head = f"| {' | '.join((*names, 'cards wrong', 'cards twice', 'ends', 's'))} |"
    rows = [head, "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for result in results:
        states = ", ".join(f"{count} {name}" for name, count in sorted(result.verdict.states.items()))
        kind = result.run.database.split(":", 1)[0]
        how = f"{result.kills} {'frozen' if result.run.freeze else 'killed'}"
        rows.append(
            f"| {kind} | {result.run.seed} | {how} | {result.run.changes} | {result.verdict.lost} "
            f"| {result.verdict.twice} | {len(result.verdict.wrong)} | {len(result.audit_faults)} "
            f"| {len(result.cards_wrong)} of {result.cards} | {result.cards_twice} | {states} | {result.seconds:.0f} |"
        )
    return "\n".join(rows)


__all__ = ["CARD_EVERY", "CrashResult", "CrashRun", "describe", "play"]
