"""A bot between a simulated workspace and a simulated provider, all over real sockets of this machine."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import anyio

from tests.fakes.provider import KEY
from tests.fakes.storage.databases import migrated
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import PATH, Bot, open_bot
from vpsops.bot.socket_mode import SocketModeConnection
from vpsops.core.app import Core, open_core
from vpsops.core.common.clock import Clock
from vpsops.core.common.timings import Timing
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.http_server import listen, serve
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.rendering.elements import elements_of
from vpsops.playground.slack.serve import running_workspace
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.account.account import Item
from vpsops.playground.wayscloud.account.resources import SNAPSHOTS
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.hardware.model import ServerState
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

Transport = Literal["http", "socket"]


@dataclass(frozen=True, slots=True)
class Scene:
    """How a stage is set."""

    transport: Transport = "http"
    workspace: WorkspaceConfig = field(default_factory=WorkspaceConfig)
    provider: SimulatorConfig = field(default_factory=lambda: SimulatorConfig(speed=600))
    timing: Timing = QUICK
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class BotHarness:
    """Two simulators, and bots between them."""

    scene: Scene
    directory: Path
    slack: SimulatedWorkspace
    provider: SimulatorHandle

    @property
    def settings(self) -> Settings:
        """Return a bot's settings here."""
        config = self.slack.config
        return load_settings(
            {
                "WAYSCLOUD_API_KEY": KEY,
                "WAYSCLOUD_API_URL": self.provider.url,
                "SLACK_API_URL": self.slack.api_url,
                "SLACK_BOT_TOKEN": config.bot_token,
                "SLACK_SIGNING_SECRET": config.signing_secret,
                "SLACK_APP_TOKEN": config.app_token,
                "VPSOPS_DATABASE_URL": f"sqlite:///{self.directory / 'bot.sqlite3'}",
                **self.scene.settings,
            }
        )

    def effects(self, operation: str) -> int:
        """Return how often the provider did something."""
        return self.provider.simulator.world.counts[operation]

    def rename(self, old: str, new: str) -> None:
        """Give a server another hostname behind everyone's back."""
        world = self.provider.simulator.world
        result = world.find(old)
        assert result is not None
        world.override(result, None, new, None)

    def put_snapshot(self, hostname: str, name: str, days: int = 1) -> None:
        """Let a server have a snapshot that was taken so many days ago."""
        world = self.provider.simulator.world
        server = world.find(hostname)
        assert server is not None
        taken = world.time.now() - timedelta(days=days)
        world.items_of(server.id, SNAPSHOTS.key)[name] = Item(name, {}, 0.0, taken)

    def put_state(self, hostname: str, state: ServerState) -> None:
        """Let a server be in a state behind everyone's back."""
        world = self.provider.simulator.world
        server = world.find(hostname)
        assert server is not None
        world.override(server, state, None, None)

    def fault(self, **rule: Any) -> None:
        """Let something go wrong at the provider."""
        self.provider.simulator.faults.add(faults.parse(rule))

    async def card(self, channel: str = "ops", *, words: str = "") -> Message:
        """Wait for the newest message in a channel that holds these words."""

        def find() -> Message | None:
            messages = [message for message in self.slack.messages(channel) if words in message_words(message)]
            return messages[-1] if messages else None

        return self._there(await self.slack.wait_for(find))

    async def private(self, user: str, words: str = "", channel: str | None = None) -> Message:
        """Wait for a private answer that holds these words."""

        def find() -> Message | None:
            ephemerals = [
                ephemeral for ephemeral in self.slack.ephemerals(user, channel) if words in message_words(ephemeral)
            ]
            return ephemerals[-1] if ephemerals else None

        return self._there(await self.slack.wait_for(find))

    def _there(self, message: Message | None) -> Message:
        assert message is not None
        return message

    @asynccontextmanager
    async def bot(self, clock: Clock | None = None) -> AsyncIterator[tuple[Bot, Core]]:
        """Run a bot until the block ends."""
        stop = anyio.Event()
        async with (
            open_core(self.settings, front="slack", clock=clock or VirtualClock(), timing=self.scene.timing) as core,
            open_bot(core) as bot,
            anyio.create_task_group() as group,
            AsyncExitStack() as line,
        ):
            if self.scene.transport == "http":
                sock = listen("127.0.0.1", 0)
                self.slack.connect_http(f"http://127.0.0.1:{sock.getsockname()[1]}{PATH}")
                group.start_soon(serve, bot.asgi, sock, stop)
            else:
                opened = await line.enter_async_context(SocketModeConnection(bot, self.slack.config.app_token))
                assert await opened.connect(stop)
                with anyio.fail_after(PATIENCE_SECONDS):
                    await self.slack.socket.connected()
            try:
                yield bot, core
            finally:
                stop.set()


@asynccontextmanager
async def stage(directory: Path, scene: Scene | None = None) -> AsyncIterator[BotHarness]:
    """Set a stage without a bot."""
    scene = scene or Scene()
    async with (
        running_workspace(scene.workspace, clock=VirtualClock(), wall=VirtualClock()) as slack,
        running_simulator(scene.provider, clock=VirtualClock()) as provider,
    ):
        if not (directory / "bot.sqlite3").exists():  # a second stage in one folder is a restart
            migrated(directory / "bot.sqlite3")
        yield BotHarness(scene, directory, slack, provider)


@asynccontextmanager
async def playing(directory: Path, scene: Scene | None = None) -> AsyncIterator[BotHarness]:
    """Set a stage with one bot on it."""
    async with stage(directory, scene) as set_stage, set_stage.bot():
        yield set_stage


def message_words(message: Message) -> str:
    """Return all words a message shows, block texts included."""
    return " ".join([*words_of(list(message.blocks)), message.text])


def words_of(node: Any) -> list[str]:
    """Return every text in some blocks, in reading order."""
    if isinstance(node, list | tuple):
        return [word for item in node for word in words_of(item)]
    if not isinstance(node, dict):
        return []
    own = [node["text"]] if isinstance(node.get("text"), str) else []
    return own + [word for name, value in node.items() if name != "value" for word in words_of(value)]


def buttons(message: Message) -> list[str]:
    """Return the action ids on a message."""
    return [str(element["action_id"]) for _, element in elements_of(message.blocks)]
