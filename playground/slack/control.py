"""Driving a workspace over HTTP, for when the app or a browser runs in another process; loopback only."""

import dataclasses
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from vpsops.playground.slack.api.dispatch import Sending
from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.serializers import message_body, view_body
from vpsops.playground.slack.rendering.elements import NotOnScreenError
from vpsops.playground.slack.rendering.render import render_message, render_view
from vpsops.playground.slack.workspace.entities import Message, View
from vpsops.playground.slack.workspace.log import Delivery
from vpsops.playground.slack.workspace.protocol import Json


class OrderBody(BaseModel):
    """One order; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Person(OrderBody):
    """An order that a person carries out."""

    user: str
    duplicates: int = 0


class CommandBody(Person):
    """POST /_sim/command: type a slash command."""

    channel: str
    command: str
    text: str = ""


class OnMessage(Person):
    """What an order about a message names: its channel and timestamp, or instead a view."""

    channel: str = ""
    ts: str = ""
    view: str = ""


class Click(OnMessage):
    """POST /_sim/click: press a button, in one block when several blocks have one of that name."""

    action_id: str
    block: str = ""


class Select(Click):
    """POST /_sim/select: pick from a menu."""

    value: str | list[str] | None


class Options(Click):
    """POST /_sim/options: type into a menu fed by the app."""

    text: str


class Submit(Person):
    """POST /_sim/submit: fill in and submit a modal."""

    view: str
    values: dict[str, str | list[str] | None] = {}


class Fill(Person):
    """POST /_sim/fill: type and pick in a modal without submitting."""

    view: str
    values: dict[str, str | list[str] | None] = {}


class Say(Person):
    """POST /_sim/say: write a message; the app is sent what mentions it, and direct messages."""

    channel: str
    text: str
    thread: str | None = None


class Close(Person):
    """POST /_sim/close: dismiss a modal."""

    view: str


class HomeBody(Person):
    """POST /_sim/home: open the app's home tab."""


class Shortcut(Person):
    """POST /_sim/shortcut: use a global shortcut, or one of a message that is named."""

    callback_id: str
    channel: str = ""
    ts: str = ""


class Invite(Person):
    """POST /_sim/invite: bring a person or the app into a channel, by id or by name."""

    channel: str
    member: str


class Archive(OrderBody):
    """POST /_sim/archive: archive a channel or bring it back."""

    channel: str
    archived: bool = True


class Connect(OrderBody):
    """POST /_sim/connect: set the app's request URL."""

    request_url: str


class Refuse(OrderBody):
    """POST /_sim/token: refuse the token from now on, or accept it again."""

    error: Literal["token_revoked", "account_inactive", "invalid_auth"] | None


class FaultOrder(OrderBody):
    """POST /_sim/faults: what happens to the next calls of a Web API method."""

    method: str
    kind: Literal["ratelimit", "fail", "lose_answer"]
    times: int = 1
    retry_after: int = 1
    error: str = "internal_error"


Handler = Callable[[SimulatedWorkspace, Any], Awaitable[Json]]


async def command(workspace: SimulatedWorkspace, order: CommandBody) -> Json:
    """Type a slash command."""
    sent = await workspace.command(order.user, order.channel, order.command, order.text, duplicates=order.duplicates)
    return delivery_body(sent)


async def click(workspace: SimulatedWorkspace, order: Click) -> Json:
    """Press a button."""
    return delivery_body(await workspace.click(order.user, _where(workspace, order), order.action_id, **_how(order)))


async def select(workspace: SimulatedWorkspace, order: Select) -> Json:
    """Pick from a menu."""
    where, value = _where(workspace, order), order.value
    return delivery_body(await workspace.select(order.user, where, order.action_id, value, **_how(order)))


async def options(workspace: SimulatedWorkspace, order: Options) -> Json:
    """Type into a menu fed by the app."""
    sent = await workspace.options(order.user, _where(workspace, order), order.action_id, order.text, **_how(order))
    return {**delivery_body(sent), "options": sent.options}


async def submit(workspace: SimulatedWorkspace, order: Submit) -> Json:
    """Fill in and submit a modal."""
    view = _view(workspace, order.view)
    return delivery_body(await workspace.submit_view(order.user, view, order.values, duplicates=order.duplicates))


async def fill(workspace: SimulatedWorkspace, order: Fill) -> Json:
    """Fill in a modal."""
    return {"ok": True, "values": workspace.fill(order.user, _view(workspace, order.view), order.values)}


async def say(workspace: SimulatedWorkspace, order: Say) -> Json:
    """Write a message."""
    message = workspace.say(order.user, order.channel, order.text, order.thread)
    await workspace.show_app(message)
    return {"ok": True, "ts": message.ts}


async def close(workspace: SimulatedWorkspace, order: Close) -> Json:
    """Dismiss a modal."""
    sent = await workspace.close_view(order.user, _view(workspace, order.view))
    return {"ok": True, "deliveries": [delivery_body(each) for each in sent]}


async def home(workspace: SimulatedWorkspace, order: HomeBody) -> Json:
    """Open the home tab."""
    return delivery_body(await workspace.open_home(order.user, duplicates=order.duplicates))


async def shortcut(workspace: SimulatedWorkspace, order: Shortcut) -> Json:
    """Use a shortcut."""
    if not order.ts:
        return delivery_body(await workspace.shortcut(order.user, order.callback_id, duplicates=order.duplicates))
    message = workspace.message(order.channel, order.ts)
    if message is None:
        raise NotOnScreenError(f"there is no message {order.ts} in {order.channel}")
    sent = await workspace.message_shortcut(order.user, message, order.callback_id, duplicates=order.duplicates)
    return delivery_body(sent)


async def invite(workspace: SimulatedWorkspace, order: Invite) -> Json:
    """Bring a person or the app into a channel; only its members can."""
    if workspace.user_id(order.user) not in workspace.desk.state.channels[workspace.channel_id(order.channel)].members:
        raise NotOnScreenError("you are not in this channel")
    workspace.invite(order.channel, order.member)
    return {"ok": True}


async def archive(workspace: SimulatedWorkspace, order: Archive) -> Json:
    """Archive a channel."""
    workspace.archive(order.channel, archived=order.archived)
    return {"ok": True}


async def connect(workspace: SimulatedWorkspace, order: Connect) -> Json:
    """Set the request URL."""
    workspace.connect_http(order.request_url)
    return {"ok": True}


async def token(workspace: SimulatedWorkspace, order: Refuse) -> Json:
    """Refuse the token."""
    workspace.refuse_token(order.error)
    return {"ok": True}


async def faults(workspace: SimulatedWorkspace, order: FaultOrder) -> Json:
    """Order faults."""
    match order.kind:
        case "ratelimit":
            workspace.faults.ratelimit_next(order.method, order.times, order.retry_after)
        case "fail":
            workspace.faults.fail_next(order.method, order.times, order.error)
        case "lose_answer":
            workspace.faults.lose_answer_next(order.method, order.times)
    return {"ok": True}


ORDERS: dict[str, tuple[type[OrderBody], Handler]] = {
    "command": (CommandBody, command),
    "click": (Click, click),
    "select": (Select, select),
    "options": (Options, options),
    "submit": (Submit, submit),
    "fill": (Fill, fill),
    "say": (Say, say),
    "close": (Close, close),
    "home": (HomeBody, home),
    "shortcut": (Shortcut, shortcut),
    "invite": (Invite, invite),
    "archive": (Archive, archive),
    "connect": (Connect, connect),
    "token": (Refuse, token),
    "faults": (FaultOrder, faults),
}


def add_routes(app: web.Application, workspace: SimulatedWorkspace) -> None:
    """Serve POST /_sim/<order> and GET /_sim/messages, views, log, channels, users."""

    async def order(request: web.Request) -> web.StreamResponse:
        _loopback_only(request)
        return await _obey(workspace, request)

    async def read_part(request: web.Request) -> web.StreamResponse:
        _loopback_only(request)
        try:
            return web.json_response(LOOKS[request.match_info["what"]](workspace, request))
        except KeyError as missing:
            return web.json_response({"ok": False, "error": f"unknown: {missing}"}, status=404)

    app.router.add_post("/_sim/{order}", order)
    app.router.add_get("/_sim/{what}", read_part)


def _loopback_only(request: web.Request) -> None:
    if not ipaddress.ip_address(request.remote or "0.0.0.0").is_loopback:
        raise web.HTTPForbidden(text="the control of the simulator answers this machine only")


async def _obey(workspace: SimulatedWorkspace, request: web.Request) -> web.StreamResponse:
    status, answer = await obey(workspace, request.match_info["order"], await request.read())
    return web.json_response(answer, status=status)


async def obey(workspace: SimulatedWorkspace, order: str, body: bytes) -> tuple[int, Json]:
    """Carry out an order given as JSON; return an HTTP status and the result."""
    if order not in ORDERS:
        return 404, {"ok": False, "error": f"orders: {', '.join(ORDERS)}"}
    model, handler = ORDERS[order]
    try:
        return 200, await handler(workspace, model.model_validate_json(body))
    except (ValidationError, NotOnScreenError) as refused:
        return 422, {"ok": False, "error": str(refused)}
    except KeyError as missing:
        return 404, {"ok": False, "error": f"unknown: {missing}"}


def delivery_body(delivery: Delivery) -> Json:
    """Return the result of a delivery."""
    return {
        "ok": delivery.error is None,
        "kind": delivery.kind,
        "error": delivery.error,
        "acked_in": delivery.acked_in,
        "attempts": len(delivery.attempts),
        "problems": [str(each) for each in delivery.problems],
    }


def _messages(workspace: SimulatedWorkspace, request: web.Request) -> Json:
    messages = list(workspace.messages(request.query["channel"]))
    if user := request.query.get("user"):
        messages += workspace.ephemerals(user, request.query["channel"])
    state, ordered = workspace.desk.state, sorted(messages, key=lambda each: each.ts)
    return {
        "messages": [
            {**message_body(state, each), "shown_to": each.shown_to, "lines": render_message(each, state)}
            for each in ordered
        ]
    }


def _views(workspace: SimulatedWorkspace, request: web.Request) -> Json:
    state, user = workspace.desk.state, request.query["user"]
    home_tab = workspace.home(user)
    seen = [*workspace.modals(user), *([home_tab] if home_tab else [])]
    return {
        "views": [
            {**view_body(state, each), "errors": dict(each.errors), "lines": render_view(each, state)} for each in seen
        ]
    }


def _log(workspace: SimulatedWorkspace, request: web.Request) -> Json:
    del request
    rows = [{**dataclasses.asdict(each), "at": each.at.isoformat()} for each in workspace.log]
    return {"calls": rows, "deliveries": [delivery_body(each) for each in workspace.deliveries]}


def _channels(workspace: SimulatedWorkspace, request: web.Request) -> Json:
    del request
    rows = [
        {**dataclasses.asdict(each), "members": sorted(each.members)} for each in workspace.desk.state.channels.values()
    ]
    return {"channels": rows}


def _users(workspace: SimulatedWorkspace, request: web.Request) -> Json:
    del request
    return {"users": [dataclasses.asdict(each) for each in workspace.desk.state.users.values()]}


LOOKS: dict[str, Callable[[SimulatedWorkspace, web.Request], Json]] = {
    "messages": _messages,
    "views": _views,
    "log": _log,
    "channels": _channels,
    "users": _users,
}


def _how(order: Click) -> Sending:
    return {"duplicates": order.duplicates, "block": order.block}


def _where(workspace: SimulatedWorkspace, order: OnMessage) -> Message | View:
    if order.view:
        return _view(workspace, order.view)
    message = workspace.message(order.channel, order.ts)
    if message is None:
        raise NotOnScreenError(f"there is no message {order.ts} in {order.channel}")
    return message


def _view(workspace: SimulatedWorkspace, view: str) -> View:
    return workspace.desk.surfaces.views[view]
