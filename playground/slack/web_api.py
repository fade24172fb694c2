"""The Web API over HTTP: token, scopes, rates and faults before each method, a log after it."""

from aiohttp import web

from vpsops.playground.slack.api import api_chat, api_directory, api_views
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.request_parsing import decoded, structured
from vpsops.playground.slack.workspace.log import ApiCall
from vpsops.playground.slack.workspace.methods import METHODS
from vpsops.playground.slack.workspace.protocol import ApiError, Json

HANDLERS = {**api_chat.HANDLERS, **api_directory.HANDLERS, **api_views.HANDLERS}


async def handle(workspace: SimulatedWorkspace, request: web.Request) -> web.StreamResponse:
    """Answer one call as Slack would and note it in the workspace's log."""
    method = request.match_info["method"]
    fault = workspace.faults.take(method)
    if fault.gate is not None:
        fault.gate.arrived.set()
        await fault.gate.opened.wait()
    args: Json = {}
    try:
        args = await _arguments(request)
        _admit(workspace, method, request, args)
        if fault.error is not None:
            raise fault.error
        answer, status, headers = {"ok": True, **_answer(workspace, method, structured(args))}, 200, {}
    except ApiError as refused:
        answer, status, headers = refused.body(), refused.status, dict(refused.headers)
    args.pop("token", None)
    workspace.note(ApiCall(method, args, answer, status, workspace.desk.now()))
    if fault.lose_answer and request.transport is not None:
        request.transport.abort()
    headers |= {"X-OAuth-Scopes": ",".join(sorted(workspace.desk.scopes))}
    return web.json_response(answer, status=status, headers=headers)


def _answer(workspace: SimulatedWorkspace, method: str, args: Json) -> Json:
    if method == "apps.connections.open":
        return {"url": workspace.socket.ticket_url()}
    return HANDLERS[method](workspace.desk, args)


async def _arguments(request: web.Request) -> Json:
    body = await request.read()
    kind = request.content_type
    form = await request.post() if kind in {"application/x-www-form-urlencoded", "multipart/form-data"} else {}
    return decoded(kind, body, request.query, {name: value for name, value in form.items() if isinstance(value, str)})


def _admit(workspace: SimulatedWorkspace, method: str, request: web.Request, args: Json) -> None:
    if method not in METHODS:
        raise ApiError("unknown_method")
    rule = METHODS[method]
    _authenticate(workspace, rule.token, request.headers.get("Authorization", ""), args)
    if rule.token == "bot":  # noqa: S105 - the kind of a token, not one
        workspace.desk.need(*rule.scopes)
    workspace.rates.admit(method, str(args.get("channel", "")), workspace.desk.clock.monotonic())


def _authenticate(workspace: SimulatedWorkspace, kind: str, header: str, args: Json) -> None:
    token = header.removeprefix("Bearer ") if header.startswith("Bearer ") else str(args.get("token") or "")
    if not token:
        raise ApiError("not_authed")
    if token not in {workspace.config.bot_token, workspace.config.app_token}:
        raise ApiError("invalid_auth")
    if token != (workspace.config.bot_token if kind == "bot" else workspace.config.app_token):
        raise ApiError("not_allowed_token_type")
    if kind == "bot" and workspace.desk.state.token_refused:  # the app's own token is another
        raise ApiError(workspace.desk.state.token_refused)
