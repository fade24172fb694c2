"""Stores that are moved or go back under real processes: nothing is sent twice, and nothing in silence."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import sqlalchemy as sa
from anyio import to_thread
from anyio.abc import Process
from sqlalchemy.engine import Connection

from tests.fakes.storage.postgres import PostgresServer
from tests.harness.patience import eventually
from vpsops.cli import store
from vpsops.core.app import open_core
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.requests import Held, Request
from vpsops.core.changes.scope import OPERATOR
from vpsops.core.common.clock import SystemClock
from vpsops.core.config.settings import Settings
from vpsops.core.continuity import continuity_monitor
from vpsops.core.continuity.continuity_monitor import RollbackFinding
from vpsops.core.identity.actors import Actor, ActorKind, Origin
from vpsops.core.storage import open_database
from vpsops.core.storage.tables import AUDIT
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

CLOCK = SystemClock()
ASKER = Actor(ActorKind.PERSON, "U0ALICE", "alice", "U0ALICE")
REPOSITORY = Path(__file__).parents[2]
STILL_SECONDS = 6.0
"""Longer than a process may be silent, and than any round of one that would send."""


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """The outcome of a scenario: effects at the provider, the change's last state, and the findings."""

    effects: int
    state: State
    findings: tuple[RollbackFinding, ...]
    log: str


@dataclass(frozen=True, slots=True)
class ScenarioContext:
    """One database address, one provider, and the folder for everything else."""

    url: str
    provider: SimulatorHandle
    folder: Path

    def environment(self, machine: str = "one") -> dict[str, str]:
        """The settings of a process on a machine that remembers by itself."""
        return {
            "PATH": os.environ["PATH"],
            "XDG_STATE_HOME": str(self.folder / machine),
            "WAYSCLOUD_API_KEY": "wayscloud_vps_test1_SECRET",
            "WAYSCLOUD_API_URL": self.provider.url,
            "VPSOPS_DATABASE_URL": self.url,
        }

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        environment = self.environment()
        return Settings.model_validate(
            {name: environment[name] for name in environment if name.startswith(("WAYSCLOUD", "VPSOPS"))}
        )

    @property
    def effects(self) -> int:
        """How many reboots the provider carried out."""
        return self.provider.simulator.world.counts["reboot"]

    async def approved(self) -> Change:
        """Have a reboot asked for and confirmed by a process that ends before it is sent."""
        async with open_core(self.settings, front="cli") as core:
            request = Request("reboot", {"server": "web01"}, ASKER, Origin("cli"), can_confirm=True)
            held = await core.gate.submit(request, scope=OPERATOR)
            if not isinstance(held, Held):
                raise TypeError(held)
            return await core.gate.confirm(held.change.id, ASKER, held.change.digest, scope=OPERATOR)

    async def read_state(self, change_id: str) -> tuple[State, tuple[RollbackFinding, ...]]:
        """Return a change's state, and the findings about the database."""

        def work(connection: Connection) -> tuple[State, tuple[RollbackFinding, ...]]:
            query = sa.text("SELECT state FROM changes WHERE id = :id")
            return State(connection.execute(query, {"id": change_id}).scalar_one()), continuity_monitor.findings_of(
                connection
            )

        async with open_database(self.url, CLOCK, make=False) as database:
            return await database.read(work)

    async def reach(self, change_id: str, state: State) -> None:
        """Wait until a change is in some state."""

        async def there() -> bool:
            return (await self.read_state(change_id))[0] is state

        reached: bool = await eventually(there)
        if not reached:
            raise AssertionError(state)

    @asynccontextmanager
    async def worker(self, name: str, machine: str = "one") -> AsyncIterator[Process]:
        """Run `vpsops worker` with its log in the folder, and kill it in the end."""
        command = [sys.executable, "-m", "vpsops", "worker"]
        log = (self.folder / f"{name}.log").open("ab")
        process = await anyio.open_process(
            command, env=self.environment(machine), cwd=REPOSITORY, stdout=log, stderr=log
        )
        log.close()
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await process.wait()

    async def outcome_at_second(self, change_id: str, machine: str = "one") -> ScenarioOutcome:
        """Run another worker until a person is needed, and return the outcome."""
        async with self.worker("second", machine):
            await self.reach(change_id, State.NEEDS_PERSON)
            return await self.outcome(change_id)

    async def outcome(self, change_id: str) -> ScenarioOutcome:
        """Wait whether anything more happens, and return the outcome."""
        await CLOCK.sleep(STILL_SECONDS)
        state, findings = await self.read_state(change_id)
        log = "".join(path.read_text(encoding="utf-8") for path in self.folder.glob("*.log"))
        return ScenarioOutcome(self.effects, state, findings, log)

    async def accept(self) -> int:
        """Accept the database as it is, as a person at a terminal does."""

        def last(connection: Connection) -> int:
            return connection.scalar(sa.select(sa.func.max(AUDIT.c.seq))) or 0

        async with open_database(self.url, CLOCK, make=False) as database:
            number = str(await database.read(last))
        return await store.accept(self.settings, CLOCK, lambda _: number)


@asynccontextmanager
async def staged(url: str, folder: Path) -> AsyncIterator[ScenarioContext]:
    """Set a scene with a simulated provider."""
    async with running_simulator() as provider:
        yield ScenarioContext(url, provider, folder)


async def moved_file(folder: Path) -> ScenarioOutcome:
    """Move a SQLite file under a worker and put an older copy in its place, in which a change is approved.

    The worker keeps the moved file open; a second one starts on what is at the path.
    """
    path = folder / "db.sqlite3"
    async with staged(f"sqlite:///{path}", folder) as scene:
        change = await scene.approved()
        await to_thread.run_sync(_copy, path, folder / "old")
        async with scene.worker("first"):
            await scene.reach(change.id, State.SUCCEEDED)
            _put_back(path, folder / "old")
            return await scene.outcome_at_second(change.id)


def _copy(path: Path, folder: Path) -> None:
    """Copy a database that no process has open, with what is beside it."""
    folder.mkdir(exist_ok=True)
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, folder / file.name)


def _put_back(path: Path, old: Path) -> None:
    """Move a database away, and put an older copy in its place."""
    for file in path.parent.glob(f"{path.name}*"):
        file.rename(path.parent / f"moved-{file.name}")
    _copy(old / path.name, path.parent)


async def restored_backup(folder: Path) -> ScenarioOutcome:
    """Put a backup in place while nothing runs: the next start on this machine remembers."""
    path = folder / "db.sqlite3"
    async with staged(f"sqlite:///{path}", folder) as scene:
        change = await scene.approved()
        await to_thread.run_sync(_copy, path, folder / "old")
        async with scene.worker("first"):
            await scene.reach(change.id, State.SUCCEEDED)
            await CLOCK.sleep(3.0)  # a round of the reconciler, which keeps what it saw
        _put_back(path, folder / "old")
        outcome = await scene.outcome_at_second(change.id)
        await scene.accept()
        return outcome


async def promoted_standby(server: PostgresServer, folder: Path) -> ScenarioOutcome:
    """Fail over to a standby that lags: a change that was sent since is approved in it.

    The first worker has seen what was lost. The second one, of another machine, has not.
    """
    async with staged(server.database(), folder) as scene:
        change = await scene.approved()
        standby = await to_thread.run_sync(_standby_of, server)
        async with scene.worker("first"):
            await scene.reach(change.id, State.SUCCEEDED)
            async with _failed_over(server, standby):
                outcome = await scene.outcome_at_second(change.id, machine="two")
                await scene.accept()
                return outcome


async def promoted_before_strangers(server: PostgresServer, folder: Path) -> ScenarioOutcome:
    """The same without a process that has seen what was lost: only the new timeline shows it."""
    async with staged(server.database(), folder) as scene:
        change = await scene.approved()
        standby = await to_thread.run_sync(_standby_of, server)
        async with scene.worker("first"):
            await scene.reach(change.id, State.SUCCEEDED)
        async with _failed_over(server, standby):
            return await scene.outcome_at_second(change.id, machine="two")


def _standby_of(server: PostgresServer) -> PostgresServer:
    """Make a standby with everything that is committed now, and without later commits."""
    server.stop()
    data = server.data.with_name(f"standby-{server.data.name}")
    shutil.rmtree(data, ignore_errors=True)
    subprocess.run(["cp", "-a", str(server.data), str(data)], check=True)
    (data / "standby.signal").touch()
    shutil.copystat(data / "PG_VERSION", data / "standby.signal")
    if os.geteuid() == 0:
        owner = data.stat()
        os.chown(data / "standby.signal", owner.st_uid, owner.st_gid)
    server.start()
    return replace(server, data=data)


@asynccontextmanager
async def _failed_over(server: PostgresServer, standby: PostgresServer) -> AsyncIterator[None]:
    """Let the primary die, and the standby have its address until the block ends."""
    await to_thread.run_sync(_fail_over, server, standby)
    try:
        yield
    finally:
        await to_thread.run_sync(standby.stop, "immediate")
        await to_thread.run_sync(server.start)


def _fail_over(server: PostgresServer, standby: PostgresServer) -> None:
    server.stop("immediate")
    standby.start()
    standby.promote()


ON_SQLITE: Mapping[str, Callable[[Path], Awaitable[ScenarioOutcome]]] = {
    "a moved file": moved_file,
    "a backup put back": restored_backup,
}
ON_POSTGRES: Mapping[str, Callable[[PostgresServer, Path], Awaitable[ScenarioOutcome]]] = {
    "a promoted lagging copy": promoted_standby,
    "the same, known to no process": promoted_before_strangers,
}


def wrong(outcome: ScenarioOutcome) -> list[str]:
    """Return what differs from the expected outcome."""
    results = [] if outcome.effects == 1 else [f"the provider did it {outcome.effects} times"]
    if outcome.state is not State.NEEDS_PERSON:
        results.append(f"the change is {outcome.state.value}")
    if len(outcome.findings) != 1:
        results.append(f"{len(outcome.findings)} findings")
    if "store_went_back" not in outcome.log:
        results.append("the log says nothing")
    return results
