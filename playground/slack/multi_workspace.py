"""Several simulated workspaces behind one Slack: one address, a token each, and the pages that install the app."""

import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlencode

import aiohttp
import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.playground.slack import web_api
from vpsops.playground.slack.api.change_notifier import ChangeNotifier
from vpsops.playground.slack.api.dispatch import Dispatcher
from vpsops.playground.slack.api.socket_mode import SocketLine
from vpsops.playground.slack.api.transports import Deadline, HttpLine
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.context import furnish
from vpsops.playground.slack.serve import answer_hook, listening, place
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.protocol import ApiError, Json

CLIENT_ID = "1111.2222"
CLIENT_SECRET = "simulated-client-secret"  # noqa: S105 - opens nothing but the simulator
CODE_LIFE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Code:
    """A code that an installation came back with."""

    team: str
    redirect_uri: str
    expires: datetime


@dataclass(slots=True)
class Slack:
    """All workspaces; an app gets their tokens by installing itself. `org_wide` makes installations those of an org."""

    clock: Clock
    workspaces: dict[str, SimulatedWorkspace]
    codes: dict[str, Code] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    redirect_uris: set[str] = field(default_factory=set)
    org_wide: bool = False

    @property
    def api_url(self) -> str:
        """The base of the Web API of all of them."""
        return self.first.api_url

    @property
    def base_url(self) -> str:
        """The base address of the pages."""
        return self.first.base_url

    @property
    def first(self) -> SimulatedWorkspace:
        """The workspace that also has the app's Socket Mode connection."""
        return next(iter(self.workspaces.values()))

    def __getitem__(self, team: str) -> SimulatedWorkspace:
        return self.workspaces[team]

    def install_anew(self, team: str) -> str:
        """Return the code of a person's consent."""
        code = secrets.token_urlsafe(12)
        self.codes[code] = Code(team, next(iter(self.redirect_uris), ""), self.clock.now() + CODE_LIFE)
        return code

    async def uninstall(self, team: str) -> None:
        """Remove the app from a workspace: its token ends, and the app gets two events."""
        workspace = self.workspaces[team]
        workspace.desk.state.token_refused = "account_inactive"  # noqa: S105 - Slack's error for such a token
        await workspace.event(
            {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [workspace.config.bot_user_id]}}
        )
        await workspace.event({"type": "app_uninstalled"})


@asynccontextmanager
async def running_slack(configs: Sequence[WorkspaceConfig], clock: Clock | None = None) -> AsyncIterator[Slack]:
    """Serve several workspaces until the block ends; none has the app until it is installed."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        group = await stack.enter_async_context(anyio.create_task_group())
        changes = ChangeNotifier()
        socket = SocketLine(configs[0].app_id, Deadline(clock, configs[0].ack_deadline), changes)
        made = [_workspace(config, clock, session, group, socket, changes) for config in configs]
        slack = Slack(clock, {item.config.team_id: item for item in made})
        for entry in made:
            entry.desk.state.token_refused = "invalid_auth"  # noqa: S105 - Slack's error for such a token
        async with listening(_application(slack), socket, group) as address:
            for entry in made:
                place(entry, address)
            yield slack


def _workspace(  # noqa: PLR0913 - what all share, and what one is
    config: WorkspaceConfig,
    clock: Clock,
    session: aiohttp.ClientSession,
    group: TaskGroup,
    socket: SocketLine,
    changes: ChangeNotifier,
) -> SimulatedWorkspace:
    deadline = Deadline(clock, config.ack_deadline)
    http = HttpLine(session, config.signing_secret, deadline, clock, changes, config.request_url)
    return SimulatedWorkspace(furnish(config, clock), Dispatcher(http, socket, clock, group, changes))


def _application(slack: Slack) -> web.Application:
    app = web.Application(client_max_size=2**22)

    async def api(request: web.Request) -> web.StreamResponse:
        if request.match_info["method"] == "oauth.v2.access":
            return await _access(slack, request)
        return await web_api.handle(_owner(slack, await _token(request)), request)

    async def hook(request: web.Request) -> web.StreamResponse:
        return await answer_hook(slack[request.match_info["team"]], request)

    async def authorize(request: web.Request) -> web.StreamResponse:
        return _authorize(slack, request)

    app.router.add_route("*", "/api/{method}", api)
    app.router.add_post("/hooks/{kind}/{team}/{token}", hook)
    app.router.add_get("/oauth/v2/authorize", authorize)
    app.router.add_get("/link/", slack.first.socket.serve)
    return app


async def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        return header.removeprefix("Bearer ")
    form = await request.post() if request.content_type == "application/x-www-form-urlencoded" else {}
    return str(form.get("token", ""))


def _owner(slack: Slack, token: str) -> SimulatedWorkspace:
    """Return the workspace of a token; an unknown one is refused by whichever is asked."""
    return next(
        (workspace for workspace in slack.workspaces.values() if workspace.config.bot_token == token), slack.first
    )


def _authorize(slack: Slack, request: web.Request) -> web.StreamResponse:
    """The consent page, with the consent already given: `team` is the workspace."""
    asked = request.query
    if asked.get("client_id") != CLIENT_ID:
        return web.Response(status=400, text="Invalid client_id parameter")
    back = asked.get("redirect_uri", "")
    if slack.redirect_uris and back not in slack.redirect_uris:
        return web.Response(status=400, text="redirect_uri did not match any configured URIs")
    code = slack.install_anew(asked.get("team") or slack.first.config.team_id)
    answer = {"code": code, "state": asked.get("state", "")}
    raise web.HTTPFound(f"{back}?{urlencode(answer)}")


async def _access(slack: Slack, request: web.Request) -> web.StreamResponse:
    form = {name: str(value) for name, value in (await request.post()).items()}
    try:
        answer: Json = {"ok": True, **_granted(slack, form, _client(request, form))}
    except ApiError as refused:
        answer = refused.body()
    return web.json_response(answer)


def _client(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    header = request.headers.get("Authorization", "")
    if header.startswith("Basic "):
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return name, password
    return form.get("client_id", ""), form.get("client_secret", "")


def _granted(slack: Slack, form: dict[str, str], client: tuple[str, str]) -> Json:
    """Exchange a code, as the page of oauth.v2.access has it. Raises `ApiError`."""
    if client[0] != CLIENT_ID:
        raise ApiError("invalid_client_id")
    if client[1] != CLIENT_SECRET:
        raise ApiError("bad_client_secret")
    code = form.get("code", "")
    if code in slack.used:
        raise ApiError("code_already_used")
    result = slack.codes.pop(code, None)
    if result is None or slack.clock.now() > result.expires:
        raise ApiError("invalid_code")
    if form.get("redirect_uri", "") not in {result.redirect_uri, *slack.redirect_uris}:
        raise ApiError("bad_redirect_uri")
    slack.used.add(code)
    workspace = slack[result.team]
    workspace.desk.state.token_refused = None
    config = workspace.config
    return {
        "app_id": config.app_id,
        "authed_user": {"id": next(iter(config.users)).id},
        "scope": ",".join(sorted(config.scopes)),
        "token_type": "bot",
        "access_token": config.bot_token,
        "bot_user_id": config.bot_user_id,
        "team": None if slack.org_wide else {"id": config.team_id, "name": config.team_name},
        "enterprise": {"id": "E0ORG", "name": "Org"} if slack.org_wide else None,
        "is_enterprise_install": slack.org_wide,
    }
