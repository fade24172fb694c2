"""A bot of several workspaces: they install it by its own pages, all over real sockets of this machine."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path

import aiohttp
import anyio

from tests.fakes.provider import KEY
from tests.fakes.slack_bot import message_words
from tests.fakes.timing import QUICK
from tests.harness.patience import PATIENCE_SECONDS
from tests.harness.virtual_time import VirtualClock
from vpsops.bot.app import PATH, Bot, open_bot
from vpsops.bot.socket_mode import SocketModeConnection
from vpsops.bot.workspaces.scopes import INSTALL_PATH, REDIRECT_PATH
from vpsops.core.app import Core, open_core
from vpsops.core.common.clock import Clock
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.server.http_server import listen, serve
from vpsops.playground.slack.multi_workspace import CLIENT_ID, CLIENT_SECRET, Slack, running_slack
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.config import BOT_USER_ID, WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Channel, Message, User
from vpsops.playground.wayscloud.faults.config import SimulatorConfig
from vpsops.playground.wayscloud.serve import SimulatorHandle, running_simulator

SCOPES = ("users:read.email", "channels:read", "groups:read")
ACME = WorkspaceConfig().with_scopes(*SCOPES)
BETA = replace(
    ACME,
    team_id="T0BETA",
    team_name="Beta",
    team_domain="beta",
    bot_token="xoxb-simulated-token-of-beta",
    users=(
        User("U0ALICE", "alice", "Alice of Beta", "alice@beta.example"),
        User("U0ZOE", "zoe", "Zoe", "zoe@beta.example"),
    ),
    channels=(
        Channel("C0BOPS", "ops", frozenset({"U0ALICE", "U0ZOE", BOT_USER_ID})),
        Channel("C0BAPPR", "approvals", frozenset({"U0ALICE", "U0ZOE", BOT_USER_ID}), kind="private"),
    ),
    groups=(),
)
GAMMA = replace(ACME, team_id="T0GAMMA", team_name="Gamma", bot_token="xoxb-simulated-token-of-gamma")
TABLES = """
[[workspace]]
team = "T0ACME"
approval_channel = "C0APPROVALS"
channel = "C0OPS"
agents = true

[[workspace]]
team = "T0BETA"
approval_channel = "C0BAPPR"
channel = "C0BOPS"

[[rule]]
id = "reads"
risk = "read"
decision = "allow"

[[rule]]
id = "people"
actor = "person"
operation = ["reboot", "start", "create"]
decision = "confirm"

[[rule]]
id = "stops"
operation = "stop"
decision = "approve"

[[rule]]
id = "agents"
actor = "agent"
operation = ["reboot", "start"]
decision = "approve"
"""


@dataclass(slots=True)
class Visitor:
    """A person's browser: it keeps the cookie, as browsers do for a page over HTTPS."""

    session: aiohttp.ClientSession
    base: str
    cookie: str = ""
    state: str = ""

    async def begin(self) -> str:
        """Open the page; return where its button leads."""
        async with self.session.get(self.base + INSTALL_PATH) as answer:
            page = await answer.text()
            assert answer.status == 200, page
            self.cookie = answer.headers["Set-Cookie"].split(";")[0]
        match = re.search(r'href="([^"]+)"', page)
        assert match is not None
        address = unescape(match[1])
        self.state = re.findall(r"state=([^&]+)", address)[0]
        return address

    async def finish(self, code: str, *, state: str | None = None, cookie: str | None = None) -> tuple[int, str]:
        """Come back from Slack with a code."""
        params = {"code": code, "state": self.state if state is None else state}
        return await self.come_back(params, cookie)

    async def come_back(self, params: dict[str, str], cookie: str | None = None) -> tuple[int, str]:
        """Come back from Slack with anything."""
        headers = {"Cookie": self.cookie if cookie is None else cookie}
        async with self.session.get(self.base + REDIRECT_PATH, params=params, headers=headers) as answer:
            return answer.status, await answer.text()


@dataclass(slots=True)
class WorkspacesHarness:
    """Several workspaces, a provider, and one bot between them."""

    slack: Slack
    provider: SimulatorHandle
    settings: Settings
    base: str
    session: aiohttp.ClientSession
    bot: Bot = field(init=False)
    core: Core = field(init=False)

    def visitor(self) -> Visitor:
        """Return a person with a browser."""
        return Visitor(self.session, self.base)

    async def install(self, team: str) -> tuple[int, str]:
        """Install the app in a workspace, as a person does."""
        visitor = self.visitor()
        address = await visitor.begin()
        async with self.session.get(f"{address}&team={team}", allow_redirects=False) as consent:
            assert consent.status == 302, await consent.text()
            back = consent.headers["Location"]
        code = re.findall(r"code=([^&]+)", back)[0]
        assert back.startswith(f"{self.base}{REDIRECT_PATH}?")
        return await visitor.finish(code)

    async def card(self, team: str, channel: str, words: str = "") -> Message:
        """Wait for the newest message in a workspace's channel that holds these words."""
        workspace = self.slack[team]

        def find() -> Message | None:
            messages = [item for item in workspace.messages(channel) if words in message_words(item)]
            return messages[-1] if messages else None

        message = await workspace.wait_for(find)
        assert message is not None
        return message

    async def private(self, team: str, user: str, words: str) -> Message:
        """Wait for a private answer in a workspace that holds these words."""
        workspace = self.slack[team]

        def find() -> Message | None:
            return next(
                (ephemeral for ephemeral in reversed(workspace.ephemerals(user)) if words in message_words(ephemeral)),
                None,
            )

        message = await workspace.wait_for(find)
        assert message is not None
        return message

    def effects(self, operation: str) -> int:
        """Return how often the provider did something."""
        return self.provider.simulator.world.counts[operation]

    def sent_words(self, workspace: SimulatedWorkspace) -> str:
        """Return all that was ever sent to a workspace."""
        return repr([(item.method, item.args) for item in workspace.log]) + repr(
            [item.args for item in workspace.hook_log]
        )


@asynccontextmanager
async def stage(
    directory: Path, text: str = TABLES, clock: Clock | None = None, *, by_socket: bool = False
) -> AsyncIterator[WorkspacesHarness]:
    """Set everything up; no workspace has the app yet. Events come over HTTP, or by one Socket Mode connection."""
    (directory / "vpsops.toml").write_text(text, encoding="utf-8")
    stop = anyio.Event()
    async with (
        running_slack([ACME, BETA, GAMMA], clock=VirtualClock()) as slack,
        running_simulator(SimulatorConfig(speed=600), clock=VirtualClock()) as provider,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        anyio.create_task_group() as group,
    ):
        sock = listen("127.0.0.1", 0)
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        slack.redirect_uris = {base + REDIRECT_PATH}
        settings = load_settings(environment(directory, slack, provider, base))
        made = WorkspacesHarness(slack, provider, settings, base, session)
        async with (
            open_core(settings, front="slack", clock=clock or VirtualClock(), timing=QUICK) as core,
            open_bot(core) as bot,
        ):
            made.core, made.bot = core, bot
            for workspace in slack.workspaces.values():
                workspace.connect_http(base + PATH)
            group.start_soon(serve, bot.asgi, sock, stop)
            try:
                async with AsyncExitStack() as lines:
                    if by_socket:
                        line = await lines.enter_async_context(SocketModeConnection(bot, ACME.app_token))
                        assert await line.connect(stop)
                        with anyio.fail_after(PATIENCE_SECONDS):
                            await slack.first.socket.connected()
                    yield made
            finally:
                stop.set()


def environment(directory: Path, slack: Slack, provider: SimulatorHandle, base: str) -> dict[str, str]:
    """Return the environment of a bot of several workspaces here."""
    return {
        "WAYSCLOUD_API_KEY": KEY,
        "WAYSCLOUD_API_URL": provider.url,
        "SLACK_API_URL": slack.api_url,
        "SLACK_SIGNING_SECRET": ACME.signing_secret,
        "SLACK_CLIENT_ID": CLIENT_ID,
        "SLACK_CLIENT_SECRET": CLIENT_SECRET,
        "VPSOPS_SLACK_URL": base,
        "VPSOPS_SLACK_TEAMS": "T0ACME,T0BETA",
        "VPSOPS_STATE_KEY": "0123456789abcdef0123456789abcdef",
        "VPSOPS_CONFIG": str(directory / "vpsops.toml"),
        "VPSOPS_DATABASE_URL": f"sqlite:///{directory / 'bot.sqlite3'}",
    }
