"""The payloads Slack sends to an app, with the fields real ones have; built from the workspace's state."""

import re
from dataclasses import dataclass

from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.serializers import message_body, view_body
from vpsops.playground.slack.workspace.entities import Channel, Message, User, View
from vpsops.playground.slack.workspace.protocol import Json

TOKEN = "simulated-verification-token"  # noqa: S105 - Slack's deprecated field, opens nothing
CHANNEL_NAMES = {"im": "directmessage", "private": "privategroup"}


@dataclass(frozen=True, slots=True)
class PayloadPlace:
    """The place of an interaction: on a message or in a view."""

    message: Message | None = None
    view: View | None = None
    values: Json | None = None


@dataclass(slots=True)
class Payloads:
    """Builds payloads for one workspace; response addresses start with `hooks`."""

    desk: Desk
    hooks: str = ""

    def slash(self, user: User, channel: Channel, command: str, text: str) -> Json:
        """Return the form of a slash command."""
        config = self.desk.config
        token = self.desk.grants.response(user.id, channel.id, self.desk.now())
        return {
            "token": TOKEN,
            "team_id": user.team or config.team_id,
            "team_domain": config.team_domain,
            **({"enterprise_id": config.enterprise_id} if config.enterprise_id else {}),
            "channel_id": channel.id,
            "channel_name": CHANNEL_NAMES.get(channel.kind, channel.name),
            "user_id": user.id,
            "user_name": user.name,
            "command": command,
            "text": escape_mentions(self.desk, text),
            "api_app_id": config.app_id,
            "is_enterprise_install": "false",
            "response_url": f"{self.hooks}/commands/{config.team_id}/{token}",
            "trigger_id": self.desk.grants.trigger(user.id, self.desk.now()),
        }

    def block_actions(self, user: User, place: PayloadPlace, action: Json) -> Json:
        """Return a click or a choice on a message or in a view."""
        stamp = self.desk.state.next_ts(self.desk.now())
        payload = {**self._base("block_actions", user, place), "actions": [{**action, "action_ts": stamp}]}
        return {**payload, "state": {"values": place.values or {}}} if place.message else payload

    def block_suggestion(self, user: User, place: PayloadPlace, at: tuple[str, str], text: str) -> Json:
        """Return a request for the options of a menu, (block id, action id), after typing `text`."""
        base = self._base("block_suggestion", user, place)
        base.pop("trigger_id")
        base.pop("response_url", None)
        return {**base, "block_id": at[0], "action_id": at[1], "value": text}

    def view_submission(self, user: User, view: View, values: Json) -> Json:
        """Return the submission of a modal."""
        base = self._base("view_submission", user, PayloadPlace(view=view, values=values))
        base.pop("container")
        return {**base, "response_urls": []}

    def view_closed(self, user: User, view: View, values: Json, *, cleared: bool) -> Json:
        """Return the dismissal of a modal with `notify_on_close`."""
        base = self._base("view_closed", user, PayloadPlace(view=view, values=values))
        base.pop("container")
        base.pop("trigger_id")
        return {**base, "is_cleared": cleared}

    def shortcut(self, user: User, callback_id: str) -> Json:
        """Return the use of a global shortcut."""
        base = self._base("shortcut", user, PayloadPlace())
        return {**base, "callback_id": callback_id, "action_ts": self.desk.state.next_ts(self.desk.now())}

    def message_action(self, user: User, message: Message, callback_id: str) -> Json:
        """Return the use of a message shortcut."""
        base = self._base("message_action", user, PayloadPlace(message=message))
        stamp = self.desk.state.next_ts(self.desk.now())
        return {**base, "callback_id": callback_id, "message_ts": message.ts, "action_ts": stamp}

    def message_event(self, message: Message) -> Json | None:
        """Return the event of a message; None if the app lacks the scope, is not in the channel or not mentioned."""
        config, channel = self.desk.config, self.desk.state.channels[message.channel]
        author = self.desk.state.users[message.user]
        event: Json = {"user": author.id, "text": message.text, "ts": message.ts, "channel": channel.id}
        event |= {"client_msg_id": f"00000000-0000-4000-9000-{message.ts.replace('.', '')[-12:]}"}
        event |= {"team": author.team or config.team_id}
        event |= {"thread_ts": message.thread_ts} if message.thread_ts else {}
        if config.bot_user_id not in channel.members:
            return None
        if channel.kind == "im":
            is_sent = "im:history" in config.scopes
            return {"type": "message", "channel_type": "im", **event} if is_sent else None
        is_sent = "app_mentions:read" in config.scopes and f"<@{config.bot_user_id}" in message.text
        return {"type": "app_mention", **event} if is_sent else None

    def event(self, number: int, event: Json) -> Json:
        """Return an event in the envelope of the Events API."""
        config, now = self.desk.config, self.desk.now()
        return {
            "token": TOKEN,
            "team_id": config.team_id,
            "api_app_id": config.app_id,
            "event": {**event, "event_ts": self.desk.state.next_ts(now)},
            "type": "event_callback",
            "event_id": f"Ev{number:010d}",
            "event_time": int(now.timestamp()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": config.team_id,
                    "user_id": config.bot_user_id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
        }

    def _base(self, kind: str, user: User, place: PayloadPlace) -> Json:
        config = self.desk.config
        home = user.team or config.team_id
        named = config.team_id if place.message is not None else home  # on a message it is the app's own workspace
        base: Json = {
            "type": kind,
            "team": {"id": named, "domain": config.team_domain},
            "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": home},
            "api_app_id": config.app_id,
            "token": TOKEN,
            "trigger_id": self.desk.grants.trigger(user.id, self.desk.now(), self._modal_id(place)),
            "enterprise": {"id": config.enterprise_id, "name": "Org"} if config.enterprise_id else None,
            "is_enterprise_install": False,
        }
        if place.view is not None:
            base["container"] = {"type": "view", "view_id": place.view.id}
            base["view"] = view_body(self.desk.state, place.view, place.values)
        if place.message is not None:
            base |= self._on_message(user, place.message)
        return base

    def _on_message(self, user: User, message: Message) -> Json:
        token = self.desk.grants.response(user.id, message.channel, self.desk.now(), message)
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": message.channel,
            "is_ephemeral": message.ephemeral,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        channel = self.desk.state.channels[message.channel]
        fields: Json = {
            "container": container,
            "channel": {"id": channel.id, "name": CHANNEL_NAMES.get(channel.kind, channel.name)},
            "response_url": f"{self.hooks}/actions/{self.desk.config.team_id}/{token}",
        }
        return fields if message.ephemeral else {**fields, "message": message_body(self.desk.state, message)}

    def _modal_id(self, place: PayloadPlace) -> str | None:
        return place.view.id if place.view is not None and place.view.kind == "modal" else None


def escape_mentions(desk: Desk, text: str) -> str:
    """Return command text as Slack sends it with `should_escape`: mentions as ids, markup characters escaped."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    names = {f"@{user.name}": f"<@{user.id}|{user.name}>" for user in desk.state.users.values()}
    names |= {f"@{group.handle}": f"<!subteam^{group.id}|@{group.handle}>" for group in desk.state.groups.values()}
    names |= {f"#{each.name}": f"<#{each.id}|{each.name}>" for each in desk.state.channels.values() if each.name}
    return re.sub(r"(?<!\S)[@#][\w-]+", lambda result: names.get(result[0], result[0]), plain)


def click_action(block: Json, element: Json) -> Json:
    """Return the entry of `actions` for a pressed button."""
    action: Json = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
    for name in ("text", "value", "style", "url"):
        if name in element:
            action[name] = element[name]
    return action
