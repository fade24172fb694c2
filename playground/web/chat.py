"""The workspace as one person's screen: channels, messages, modals, home."""

from collections.abc import Iterable

from vpsops.playground.slack.people.model import SimulatedWorkspace
from vpsops.playground.slack.protocol.serializers import message_body, view_body
from vpsops.playground.slack.workspace.entities import Channel, Message, View
from vpsops.playground.slack.workspace.protocol import Json
from vpsops.playground.web.seed_data import PEOPLE, PURPOSES

SHOWN = 80  # messages of a channel
REFUSED = 400  # HTTP's statuses from here on
CALLS = 40  # of the Web API, newest last


def people(workspace: SimulatedWorkspace) -> list[Json]:
    """Return all people, the app's own user included, with their roles in the story."""
    return [
        {"id": each.id, "name": each.name, "real": each.real_name, "bot": each.is_bot, "role": PEOPLE.get(each.id, "")}
        for each in workspace.desk.state.users.values()
    ]


def screen(workspace: SimulatedWorkspace, user: str) -> Json:
    """Return a person's screen; modals in their order, the one in front last."""
    workspace.desk.state.dm_with(user)
    mine = [each for each in workspace.desk.state.channels.values() if user in each.members and not each.archived]
    home = workspace.home(user)
    return {
        "user": user,
        "channels": [_channel(workspace, each, user) for each in mine],
        "modals": [_view(workspace, each) for each in workspace.modals(user)],
        "home": _view(workspace, home) if home else None,
    }


def sent(workspace: SimulatedWorkspace) -> list[Json]:
    """Return the app's recent calls, as the workspace received them: method, target, and result."""
    calls = [
        {"at": each.at.isoformat(), "what": each.method, "channel": each.args.get("channel", ""), "ok": each.ok}
        | {"error": each.error, "text": str(each.args.get("text", ""))[:200]}
        for each in workspace.log
        if each.method.startswith(("chat.", "views."))
    ]
    hooks = [
        {
            "at": each.at.isoformat(),
            "what": "response_url",
            "channel": "",
            "ok": each.status < REFUSED,
            "error": each.answer,
        }
        | {"text": str(each.args.get("text", ""))[:200]}
        for each in workspace.hook_log
    ]
    return sorted([*calls, *hooks], key=lambda each: str(each["at"]))[-CALLS:]


def _channel(workspace: SimulatedWorkspace, channel: Channel, user: str) -> Json:
    messages = [*workspace.messages(channel.id), *workspace.ephemerals(user, channel.id)]
    ordered = sorted(messages, key=lambda each: each.ts)[-SHOWN:]
    return {
        "id": channel.id,
        "name": channel.name or workspace.config.bot_name,
        "kind": channel.kind,
        "purpose": PURPOSES.get(channel.id, ""),
        "messages": list(_messages(workspace, ordered)),
    }


def _messages(workspace: SimulatedWorkspace, messages: Iterable[Message]) -> Iterable[Json]:
    for each in messages:
        body = message_body(workspace.desk.state, each)
        yield {**body, "shown_to": each.shown_to, "broadcast": each.reply_broadcast}


def _view(workspace: SimulatedWorkspace, view: View) -> Json:
    return {**view_body(workspace.desk.state, view), "errors": dict(view.errors), "kind": view.kind}
