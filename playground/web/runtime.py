"""The playground's processes: two simulators in this process, the real bot as a process of its own, a page.

The page is up within a second; the bot and the MCP server join as soon as they have started.
"""

import importlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio import to_thread
from starlette.types import ASGIApp

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.playground.processes import StageError, environment_of, watched_command
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator
from vpsops.playground.web import chat, provider
from vpsops.playground.web.events.change_notifier import Bell
from vpsops.playground.web.events.sse import Feed
from vpsops.playground.web.seed_data import FLEET, POLICY, workspace_config

BACKSTAGE = "vpsops.playground.web.mcp_bridge"  # imported late: it takes longer than all else
LOOK_SECONDS = 0.25
BOT_STARTS = 10


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How a playground is started: how many of the provider's seconds pass in one, and what plays the agent."""

    speed: int = 10
    agent_program: tuple[str, ...] = ()
    """The words of a program's command; the scripted agent where there are none."""


@dataclass(slots=True)
class Ground:
    """A running playground; `backstage` answers for the agent's side once it is there."""

    workspace: SimulatedWorkspace
    provider: SimulatorHandle
    environment: Mapping[str, str]
    clock: Clock
    feed: Feed
    agent_program: tuple[str, ...] = ()
    url: str = ""
    backstage: ASGIApp | None = None
    status: Json = field(default_factory=lambda: {"bot": "starting", "agent": "starting", "why": ""})

    def report(self, part: str, state: str, why: str = "") -> None:
        """Note how far a part is, for every page to see."""
        self.status = {**self.status, part: state, "why": why or self.status["why"]}
        self.feed.bell.ring()


@asynccontextmanager
async def running_ground(options: RuntimeOptions, clock: Clock | None = None) -> AsyncIterator[Ground]:
    """Run the two simulators; the server of the page sets `url` before `populated` is entered."""
    clock = clock or SystemClock()
    simulated = SimulatorConfig(speed=float(options.speed), fleet=FLEET, seed=3, restores=True)
    with tempfile.TemporaryDirectory(prefix="vpsops-playground-", ignore_cleanup_errors=True) as name:
        async with (
            running_workspace(workspace_config(), clock, clock) as workspace,
            running_simulator(simulated, clock) as handle,
        ):
            environment = environment_of(Path(name), workspace, handle.url, POLICY)
            feed = Feed(Bell(), clock)
            ground = Ground(workspace, handle, environment, clock, feed, options.agent_program)
            feed.topics["status"] = lambda _user: ground.status
            feed.topics["slack"] = lambda user: chat.screen(workspace, user)
            feed.topics["sent"] = lambda _user: {"sent": chat.sent(workspace)}
            feed.topics["provider"] = lambda _user: provider.board(handle)
            yield ground


@asynccontextmanager
async def attended(ground: Ground) -> AsyncIterator[None]:
    """Notify pages of events in the two simulators."""
    async with _meanwhile(ground, _hear_workspace, _look_at_provider):
        yield


@asynccontextmanager
async def populated(ground: Ground) -> AsyncIterator[None]:
    """Bring in the bot and the MCP server, as soon as each is there."""
    async with _meanwhile(ground, _bot, _agent_side):
        yield


@asynccontextmanager
async def _meanwhile(ground: Ground, *parts: Callable[[Ground], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        for part in parts:
            group.start_soon(part, ground)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _bot(ground: Ground) -> None:
    """Keep a bot running: a killed one is restarted and resumes its work, as under a supervisor."""
    ended = ""
    for _ in range(BOT_STARTS):
        try:
            ended = await _one_bot(ground)
        except StageError as error:
            ended = str(error)
            break
        ground.report("bot", "starting")
    ground.report("bot", "failed", ended)


async def _one_bot(ground: Ground) -> str:
    folder = Path(ground.environment["VPSOPS_CONFIG"]).parent
    async with watched_command("bot", ["bot", "--http", "127.0.0.1:0"], ground.environment, folder) as command:
        ground.workspace.connect_http(command.address)
        ground.report("bot", "ready")
        return f"the bot {await command.ended()}"


async def _agent_side(ground: Ground) -> None:
    module = await to_thread.run_sync(importlib.import_module, BACKSTAGE)
    async with module.running_backstage(ground):
        await anyio.sleep_forever()


async def _hear_workspace(ground: Ground) -> None:
    while True:
        await ground.workspace.dispatcher.changes.wait()
        ground.feed.bell.ring()


async def _look_at_provider(ground: Ground) -> None:
    """Poll the provider while a page is open: the passing of the world's time sends no signal."""
    seen: Json = {}
    while True:
        if ground.feed.pages:
            now = provider.board(ground.provider)
            if now != seen:
                seen = now
                ground.feed.bell.ring()
        await ground.clock.sleep(LOOK_SECONDS)
