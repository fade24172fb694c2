"""A workspace as tests inspect it: its contents, the app's calls, and changes of its furniture."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar

import anyio

from vpsops.playground.slack.api.dispatch import Dispatcher
from vpsops.playground.slack.api.socket_mode import SocketLine
from vpsops.playground.slack.api.transports import HttpLine
from vpsops.playground.slack.protocol.context import Desk
from vpsops.playground.slack.protocol.faults import SlackFaults
from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Message, View
from vpsops.playground.slack.workspace.log import ApiCall, Delivery, HookCall
from vpsops.playground.slack.workspace.rates import RateLimits

T = TypeVar("T")


class Room:
    """A workspace's visible content, the log of the app's calls, and administration."""

    def __init__(self, desk: Desk, dispatcher: Dispatcher) -> None:
        self.desk = desk
        self.dispatcher = dispatcher
        self.faults = SlackFaults()
        self.rates = RateLimits(desk.config.rates)
        self.log: list[ApiCall] = []
        self.hook_log: list[HookCall] = []
        self.deliveries: list[Delivery] = []
        self.base_url = ""

    @property
    def config(self) -> WorkspaceConfig:
        """Return the workspace's configuration: tokens, secret, ids."""
        return self.desk.config

    @property
    def api_url(self) -> str:
        """Return the base of the Web API, for SLACK_API_URL."""
        return f"{self.base_url}/api/"

    @property
    def socket(self) -> SocketLine:
        """Return the Socket Mode side."""
        return self.dispatcher.socket

    @property
    def http(self) -> HttpLine:
        """Return the signed HTTP side."""
        return self.dispatcher.http

    def connect_http(self, request_url: str) -> None:
        """Set the app's request URL."""
        self.http.url = request_url

    def messages(self, channel: str, thread: str | None = None) -> list[Message]:
        """Return the messages of a channel, oldest first, or of one thread of it."""
        results = self.desk.state.history.get(self.channel_id(channel), {}).values()
        return sorted((each for each in results if thread is None or each.thread_ts == thread), key=lambda m: m.ts)

    def message(self, channel: str, ts: str) -> Message | None:
        """Return one message in its current form."""
        return self.desk.state.find(self.channel_id(channel), ts)

    def direct_messages(self, user: str) -> list[Message]:
        """Return the direct messages between a person and the bot."""
        return self.messages(self.desk.state.dm_with(self.user_id(user)).id)

    def ephemerals(self, user: str, channel: str | None = None) -> list[Message]:
        """Return the messages that only this person sees, oldest first."""
        user_ids = (self.user_id(user), channel and self.channel_id(channel))
        ephemerals = self.desk.state.ephemerals
        return [each for each in ephemerals if each.shown_to == user_ids[0] and user_ids[1] in {None, each.channel}]

    def modals(self, user: str) -> tuple[View, ...]:
        """Return the modals open before a person, the top one last."""
        return self.desk.surfaces.stack(self.user_id(user))

    def modal(self, user: str) -> View | None:
        """Return the modal in front of a person."""
        stack = self.modals(user)
        return stack[-1] if stack else None

    def home(self, user: str) -> View | None:
        """Return a person's home tab, if the app published it."""
        return self.desk.surfaces.home(self.user_id(user))

    def calls(self, method: str) -> list[ApiCall]:
        """Return the calls of one Web API method, oldest first."""
        return [each for each in self.log if each.method == method]

    async def wait_for(self, find: Callable[[], T], limit: float = 60.0) -> T:
        """Return the result of `find` once it is true, evaluated after every change. Raises TimeoutError."""
        with anyio.fail_after(limit):
            while not (result := find()):
                await self.dispatcher.changes.wait()
        return result

    def changed(self) -> None:
        """Wake all who wait for a visible change."""
        self.dispatcher.changes.ring()

    def note(self, call: ApiCall) -> None:
        """Write a Web API call into the log."""
        self.log.append(call)
        self.changed()

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel, or bring it back."""
        result = self.desk.state.channels[self.channel_id(channel)]
        self.desk.state.channels[result.id] = replace(result, archived=archived)
        self.changed()

    def invite(self, channel: str, *users: str) -> None:
        """Add people, or the bot by its user id, to a channel."""
        self._members(channel, lambda members: members | {self.user_id(each) for each in users})

    def kick(self, channel: str, *users: str) -> None:
        """Remove people, or the bot by its user id, from a channel."""
        self._members(channel, lambda members: members - {self.user_id(each) for each in users})

    def set_group(self, group: str, *users: str, disabled: bool = False) -> None:
        """Set the members of a user group, named by id or handle."""
        groups = self.desk.state.groups
        result = next(each for each in groups.values() if group in {each.id, each.handle})
        members = tuple(self.user_id(each) for each in users)
        groups[result.id] = replace(result, members=members, disabled=disabled)

    def deactivate(self, user: str) -> None:
        """Mark a person as having left."""
        result = self.desk.state.users[self.user_id(user)]
        self.desk.state.users[result.id] = replace(result, deleted=True)

    def change_email(self, user: str, email: str) -> None:
        """Let a person be known by another e-mail address from now on."""
        result = self.desk.state.users[self.user_id(user)]
        self.desk.state.users[result.id] = replace(result, email=email)

    def share(self, channel: str, *, shared: bool = True) -> None:
        """Share a channel with another company, or end that."""
        result = self.desk.state.channels[self.channel_id(channel)]
        self.desk.state.channels[result.id] = replace(result, shared=shared)
        self.changed()

    def open_to_all(self, channel: str) -> None:
        """Make a channel public."""
        result = self.desk.state.channels[self.channel_id(channel)]
        self.desk.state.channels[result.id] = replace(result, kind="public")
        self.changed()

    def refuse_token(self, error: Literal["token_revoked", "account_inactive", "invalid_auth"] | None) -> None:
        """Refuse every Web API call with this error from now on; None accepts the token again."""
        self.desk.state.token_refused = error

    def user_id(self, name: str) -> str:
        """Return the id of a person given by id or name. Raises KeyError."""
        users = self.desk.state.users
        return name if name in users else {each.name: each.id for each in users.values()}[name.removeprefix("@")]

    def channel_id(self, name: str) -> str:
        """Return the id of a channel given by id or name. Raises KeyError."""
        channels = self.desk.state.channels
        return name if name in channels else {each.name: each.id for each in channels.values()}[name.removeprefix("#")]

    def _members(self, channel: str, change: Callable[[frozenset[str]], frozenset[str]]) -> None:
        result = self.desk.state.channels[self.channel_id(channel)]
        self.desk.state.channels[result.id] = replace(result, members=change(result.members))
        self.changed()
