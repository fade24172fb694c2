"""A provider, a database, and trees of code of several versions with processes that share them.

An earlier version is a commit of this repository's history; where no commit fits, a copy of the present code stands
in for it, so that the test still shows how two trees of code share a database.
"""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import sqlalchemy as sa
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fakes.provider import KEY
from tests.harness.patience import PATIENCE_SECONDS, eventually
from tests.harness.repository import ROOT
from tests.harness.virtual_time import VirtualClock
from vpsops.core.storage import schema
from vpsops.core.storage.pools import open_pools
from vpsops.core.storage.tables import CHANGES
from vpsops.playground.wayscloud.account.account import Order
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

PRODUCT: Final = ("core", "bot", "mcp_server", "playground", "vpsops", "manifest.yml")
BEFORE: Final = (*PRODUCT, "vpsops.py", "vpsops_serve.py")  # until everything was imported from `vpsops`
POLICY: Final = """
[[rule]]
id = "all"
risk = ["read", "change", "disruptive"]
decision = "allow"
"""
MOVED: Final = {  # where these stood before everything was imported from `vpsops`
    "vpsops.core.changes.requests": "core.requests",
    "vpsops.core.config.settings": "core.settings",
    "vpsops.core.execution.engine": "core.engine",
    "vpsops.core.identity.actors": "core.changes.model",
    "vpsops.core.app": "core.app",
}
FUTURE: Final = '''
"""A version from the future, for a test."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("changes", sa.Column("urgency", sa.Integer, nullable=False, server_default="3"))
'''
ASK: Final = """
import anyio, inspect, sys
from vpsops.core.app import open_core
from vpsops.core.changes.requests import Request
from vpsops.core.config.settings import load_settings
from vpsops.core.execution.engine import Engine
from vpsops.core.identity.actors import Actor, ActorKind, Origin

async def nothing(*_):
    pass

async def main():
    Engine.start, Engine.run = nothing, lambda *_: None  # as a front end that ends right after the last yes
    Engine.claim, Engine.run_claimed = lambda _, connection, change: change, lambda *_: None
    async with open_core(load_settings(), front="cli") as core:
        scope, required = {}, inspect.signature(core.gate.submit).parameters.get("scope")
        if required is not None and required.default is inspect.Parameter.empty:  # since it has no default
            from vpsops.core.changes.scope import OPERATOR
            scope = {"scope": OPERATOR}
        for server in sys.argv[1:]:
            actor = Actor(ActorKind.PERSON, "U1", "ann", "U1")
            outcome = await core.gate.submit(
                Request("stop", {"server": server}, actor, Origin("cli"), can_confirm=True), **scope
            )
            assert outcome.change is not None, outcome
            print(outcome.change.id)

anyio.run(main)
"""


@dataclass
class UpgradeWorker:
    """A running `vpsops worker`, and its log."""

    process: Process
    log: list[bytes] = field(default_factory=list)

    @property
    def log_text(self) -> str:
        return b"".join(self.log).decode()

    async def ended(self) -> int:
        with anyio.fail_after(PATIENCE_SECONDS):
            return await self.process.wait()


@dataclass
class UpgradeWorld:
    """A provider, a database, and trees of code with processes that share them."""

    folder: Path
    url: str
    provider: SimulatorHandle
    group: TaskGroup
    policy: str = POLICY

    def environment(self, tree: Path) -> Mapping[str, str]:
        config = self.folder / "vpsops.toml"
        config.write_text(self.policy, encoding="utf-8")
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(tree),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "VPSOPS_CONFIG": str(config),
            "VPSOPS_DATABASE_URL": self.url,
            "WAYSCLOUD_API_KEY": KEY,
            "WAYSCLOUD_API_URL": self.provider.url,
        }

    async def worker(self, tree: Path) -> UpgradeWorker:
        """Start a worker of a tree and wait until it runs."""
        command = (sys.executable, "-m", "vpsops", "worker")
        process = await anyio.open_process(command, env=dict(self.environment(tree)), cwd=tree, stderr=subprocess.PIPE)
        started = UpgradeWorker(process)
        self.group.start_soon(self._collect, started)
        assert process.stdout is not None
        running = BufferedByteReceiveStream(process.stdout)
        try:
            with anyio.fail_after(PATIENCE_SECONDS):
                assert await running.receive_until(b"\n", 100) == b"worker: running"
        except anyio.IncompleteRead:
            raise AssertionError(started.log_text) from None
        return started

    async def _collect(self, worker: UpgradeWorker) -> None:
        assert worker.process.stderr is not None
        async for chunk in worker.process.stderr:
            worker.log.append(chunk)

    async def ask(self, tree: Path, *servers: str) -> list[str]:
        """Ask for servers to be stopped, by the code of a tree, and return the ids of the changes."""
        program = ASK
        for name, old in ({} if (tree / "vpsops").is_dir() else MOVED).items():
            program = program.replace(name, old)
        return (await self.run(tree, "-c", program, *servers)).split()

    async def run(self, tree: Path, *words: str) -> str:
        """Run Python in a tree and return what it printed."""
        command = (sys.executable, *words)
        done = await anyio.run_process(command, env=dict(self.environment(tree)), cwd=tree, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def server(self, hostname: str) -> str:
        """Put a running server there and return its name."""
        self.provider.simulator.world.create(Order(hostname, hostname, "vps-4gb-2cpu", "NO", "debian-12"))
        return hostname

    @property
    def stops(self) -> int:
        """How many servers the provider stopped."""
        return len(list(self.provider.simulator.world.counted("stop")))

    def states(self, ids: list[str]) -> set[str]:
        """Return the states of changes, whatever version the schema is."""
        pools = open_pools(self.url)
        try:
            with pools.reading.connect() as connection:
                return set(connection.scalars(sa.select(CHANGES.c.state).where(CHANGES.c.id.in_(ids))))
        except (sa.exc.OperationalError, sqlite3.OperationalError):
            return set()
        finally:
            pools.close()

    async def done(self, ids: list[str]) -> None:
        """Wait until changes have succeeded."""
        await eventually(lambda: self.states(ids) == {"succeeded"}, patience=120)


@asynccontextmanager
async def upgrade_world(folder: Path, url: str) -> AsyncIterator[UpgradeWorld]:
    """Run a simulated provider, and end the processes that were started."""
    async with (
        running_simulator(SimulatorConfig(speed=600.0, seed=7), clock=VirtualClock()) as provider,
        ending() as group,
    ):
        yield UpgradeWorld(folder, url, provider, group)


@asynccontextmanager
async def ending() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as group:
        yield group
        group.cancel_scope.cancel()


def commit_that_added(text: str, module: str = "core/storage/schema.py") -> str:
    """Return the commit that brought a text into a module; an empty string where history does not show it."""
    command = ("git", "log", "--format=%H", f"-S{text}", "--", module)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return (result.stdout.split() or [""])[-1] if result.returncode == 0 else ""


MEANINGS: Final[Sequence[tuple[str, str]]] = ()
"""What came into the digest of a change, or left it, since the schema was made: a process from before supersedes what
one from after decided, and sends nothing of it. A new schema keeps such processes apart, and empties this."""


def first_beside() -> str:
    """Return the first commit that has the present schema and digest."""
    named = {commit_that_added(f'HEAD = "{schema.HEAD}"'), *(commit_that_added(*meaning) for meaning in MEANINGS)}
    command = ("git", "rev-list", "--topo-order", "HEAD")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    return next((commit for commit in listed if commit in named), "")


def before_this_schema() -> str:
    """Return the last commit with the schema before the present one; an empty string where history does not show it."""
    added = commit_that_added(f'HEAD = "{schema.HEAD}"')
    command = ("git", "rev-parse", "--verify", "--quiet", f"{added}~1")
    return (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() if added else ""
    )


def present(folder: Path) -> Path:
    """Copy the present code."""
    folder.mkdir()
    for name in PRODUCT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def earlier(folder: Path, commit: str) -> Path:
    """Unpack the code of a commit; without one, the present code."""
    if not commit:
        return present(folder)
    folder.mkdir()
    tree = subprocess.run(
        ("git", "ls-tree", "--name-only", commit), cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [name for name in BEFORE if name in tree.stdout.split()]
    archive = subprocess.run(("git", "archive", commit, *names), cwd=ROOT, capture_output=True, check=True)
    subprocess.run(("tar", "-x", "-C", str(folder)), input=archive.stdout, check=True)
    return folder


def later(folder: Path) -> Path:
    """Copy the present code with one migration more."""
    present(folder)
    storage = folder / "core" / "storage"
    migration = storage / "migrations" / "versions" / "v9999_future.py"
    migration.write_text(FUTURE.format(head=schema.HEAD), encoding="utf-8")
    module = (storage / "schema.py").read_text(encoding="utf-8")
    (storage / "schema.py").write_text(re.sub(r'^HEAD = "\d+"', 'HEAD = "9999"', module, flags=re.MULTILINE), "utf-8")
    return folder
