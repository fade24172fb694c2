"""Runs a simulated workspace on a loopback port of this process."""

import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from vpsops.core.common.clock import Clock, SystemClock
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.slack import control, web_api
from vpsops.playground.slack.api.change_notifier import ChangeNotifier
from vpsops.playground.slack.api.dispatch import Dispatcher
from vpsops.playground.slack.api.socket_mode import SocketLine
from vpsops.playground.slack.api.transports import Deadline, HttpLine
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.context import furnish
from vpsops.playground.slack.protocol.replies import respond
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.log import HookCall
from vpsops.playground.slack.workspace.protocol import ApiError, Json

Extension = Callable[[web.Application, SimulatedWorkspace], None]


@asynccontextmanager
async def running_workspace(
    config: WorkspaceConfig | None = None,
    clock: Clock | None = None,
    wall: Clock | None = None,
    extend: Extension | None = None,
) -> AsyncIterator[SimulatedWorkspace]:
    """Serve a workspace until the block ends; its addresses are in `api_url` and `base_url`.

    `wall` dates request signatures; it is the machine's clock unless given, for Bolt checks them against that.
    `extend` adds routes before all others.
    """
    config, clock = config or WorkspaceConfig(), clock or SystemClock()
    if not ipaddress.ip_address(config.host).is_loopback:
        raise ConfigurationError(f"The simulated workspace serves this machine only, not {config.host}.")
    deadline, changes = Deadline(clock, config.ack_deadline), ChangeNotifier()
    async with aiohttp.ClientSession() as session, anyio.create_task_group() as background:
        http = HttpLine(session, config.signing_secret, deadline, wall or SystemClock(), changes, config.request_url)
        socket = SocketLine(config.app_id, deadline, changes)
        workspace = SimulatedWorkspace(furnish(config, clock), Dispatcher(http, socket, clock, background, changes))
        async with listening(application(workspace, extend), socket, background, config.host, config.port) as address:
            place(workspace, address)
            yield workspace


@asynccontextmanager
async def listening(
    app: web.Application, socket: SocketLine, background: TaskGroup, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[tuple[str, int]]:
    """Serve HTTP until the block ends, and yield the address; background tasks and sockets end with it."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        host, port = runner.addresses[0][:2]
        yield host, port
    finally:
        background.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await socket.close()
            await runner.cleanup()


def application(workspace: SimulatedWorkspace, extend: Extension | None = None) -> web.Application:
    """Return the HTTP side: Web API, response addresses, Socket Mode, `vpsops.playground.slack.control`."""
    app = web.Application(client_max_size=2**22)
    if extend is not None:
        extend(app, workspace)

    async def api(request: web.Request) -> web.StreamResponse:
        return await web_api.handle(workspace, request)

    async def hook(request: web.Request) -> web.StreamResponse:
        return await answer_hook(workspace, request)

    app.router.add_route("*", "/api/{method}", api)
    app.router.add_post("/hooks/{kind}/{team}/{token}", hook)
    app.router.add_get("/link/", workspace.socket.serve)
    control.add_routes(app, workspace)
    return app


def place(workspace: SimulatedWorkspace, address: tuple[str, int]) -> None:
    """Set the address at which a workspace is served."""
    host, port = address
    workspace.base_url = f"http://{host}:{port}"
    workspace.socket.base_url = f"ws://{host}:{port}"
    workspace.payloads.hooks = f"{workspace.base_url}/hooks"


async def answer_hook(workspace: SimulatedWorkspace, request: web.Request) -> web.StreamResponse:
    """Answer a post to a response address."""
    token, body = request.match_info["token"], await request.read()
    args: Json = {}
    try:
        args = _object(body)
        respond(workspace.desk, token, args)
        answer = web.Response(text="ok")
    except ApiError as refused:
        answer = web.json_response(refused.body(), status=refused.status)
    note = HookCall(token, args, answer.status, answer.text or "", workspace.desk.now())
    workspace.hook_log.append(note)
    workspace.changed()
    return answer


def _object(body: bytes) -> Json:
    try:
        value = json.loads(body)
    except ValueError:
        raise ApiError("invalid_payload", status=400) from None
    if not isinstance(value, dict):
        raise ApiError("invalid_payload", status=400)
    return value
