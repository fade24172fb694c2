"""The page of the simulated workspace: its chat, and beside it tokens, ids and the app's calls; this machine only."""

from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.playground.slack.control import obey
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web import chat, manifest
from vpsops.playground.web.app import SAFE, STATIC, allowed
from vpsops.playground.web.events.change_notifier import Bell
from vpsops.playground.web.events.sse import Feed

FORBIDDEN_ORDERS: Final = frozenset({"token", "archive", "faults"})
WORKSPACE: Final = "workspace"


class WorkspacePage:
    """Serves the page of one workspace, whose app has the given manifest."""

    def __init__(self, app_manifest: str, clock: Clock | None = None) -> None:
        self._manifest = app_manifest
        self._workspace: SimulatedWorkspace | None = None
        self.feed = Feed(Bell(), clock or SystemClock())

    @property
    def workspace(self) -> SimulatedWorkspace:
        """Return the workspace that is served."""
        if self._workspace is None:
            raise RuntimeError("the page is not served yet")
        return self._workspace

    def extend(self, app: web.Application, workspace: SimulatedWorkspace) -> None:
        """Add the page's routes before those of the Web API, and the check of who asks."""
        self._workspace = workspace
        self.feed.topics["status"] = lambda _user: status(workspace)
        self.feed.topics["slack"] = lambda user: chat.screen(workspace, user)
        self.feed.topics["sent"] = lambda _user: {"sent": chat.sent(workspace)}
        app.middlewares.append(fence)
        app.router.add_get("/", self._index)
        app.router.add_get("/favicon.ico", self._icon)
        app.router.add_get("/api/world", self._world)
        app.router.add_get("/api/events", self._events)
        app.router.add_post("/api/slack/{order}", self._order)
        app.router.add_static("/static", STATIC)

    async def watch(self) -> None:
        """Notify open pages of what changes in the workspace, until it is cancelled."""
        while True:
            await self.workspace.dispatcher.changes.wait()
            self.feed.bell.ring()

    async def _index(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.FileResponse(Path(STATIC) / "index.html")

    async def _icon(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.FileResponse(Path(STATIC) / "icon.svg")

    async def _world(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(world(self.workspace, self._manifest))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        user = request.query.get("user", "")
        if user not in self.workspace.desk.state.users:
            return web.json_response({"ok": False, "error": "user: no user of that id"}, status=422)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async for text in self.feed.stream(user):
            await response.write(text.encode())
        return response

    async def _order(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["order"]
        if name in FORBIDDEN_ORDERS:
            return web.json_response({"ok": False, "error": f"{name}: not from the page"}, status=403)
        code, answer = await obey(self.workspace, name, await request.read())
        return web.json_response(answer, status=code)


@web.middleware
async def fence(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who names this machine and, where a page sent it, comes from this one; bots send no origin."""
    path = request.path if request.path.startswith("/api/slack/") else ""
    if not allowed(request.headers, request.method, path):
        return web.json_response({"ok": False, "error": "this machine and this page only"}, status=403)
    response = await handler(request)
    if not response.prepared:
        response.headers.update(_safe_headers())
    return response


def _safe_headers() -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in SAFE.items()} | {"Cache-Control": "no-store"}


def world(workspace: SimulatedWorkspace, app_manifest: str) -> Json:
    """Return what a page knows from the start: people, the app's commands, and what connects an app."""
    config, state = workspace.config, workspace.desk.state
    return {
        "kind": WORKSPACE,
        "team": config.team_name,
        "people": [row for row in chat.people(workspace) if not state.users[row["id"]].deleted],
        "groups": [{"id": group.id, "handle": group.handle} for group in state.groups.values()],
        "commands": manifest.commands(app_manifest),
        "shortcuts": manifest.shortcuts(app_manifest),
        "home": manifest.has_home(app_manifest),
        "variables": variables(workspace),
        "scopes": sorted(workspace.desk.scopes),
        "rooms": [
            {"id": room.id, "name": room.name, "kind": room.kind, "archived": room.archived}
            for room in state.channels.values()
            if room.name
        ],
    }


def variables(workspace: SimulatedWorkspace) -> dict[str, str]:
    """Return the variables that connect an app to the workspace; they open nothing else."""
    config = workspace.config
    return {
        "SLACK_API_URL": workspace.api_url,
        "SLACK_BOT_TOKEN": config.bot_token,
        "SLACK_APP_TOKEN": config.app_token,
        "SLACK_SIGNING_SECRET": config.signing_secret,
    }


def status(workspace: SimulatedWorkspace) -> Json:
    """Return how an app is connected."""
    count = len(workspace.socket.connections)
    if count:
        words = f"an app is connected by Socket Mode ({count} {'socket' if count == 1 else 'sockets'})"
    elif workspace.http.url:
        words = f"an app is served at {workspace.http.url}"
    else:
        words = "waiting for an app"
    return {"bot": "ready" if count or workspace.http.url else "starting", "agent": "ready", "why": "", "words": words}
