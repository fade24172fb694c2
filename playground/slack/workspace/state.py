"""People, channels and messages of a workspace; no I/O, `now` is an argument."""

import copy
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from vpsops.playground.slack.workspace.config import WorkspaceConfig
from vpsops.playground.slack.workspace.entities import Channel, Group, Message, User, Version
from vpsops.playground.slack.workspace.protocol import ApiError, Json

TEXT_KEPT = 40_000
LAST_MICROSECOND = 999_999


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message about to be posted."""

    channel: str
    user: str
    text: str = ""
    blocks: tuple[Json, ...] = ()
    bot_id: str | None = None
    thread_ts: str | None = None
    metadata: Json | None = None
    shown_to: str | None = None
    reply_broadcast: bool = False


class WorkspaceState:
    """What the workspace remembers."""

    def __init__(self, config: WorkspaceConfig) -> None:
        bot = User(config.bot_user_id, config.bot_name, config.bot_name, is_bot=True)
        self.config = config
        self.users: dict[str, User] = {each.id: each for each in (*config.users, bot)}
        self.channels: dict[str, Channel] = {each.id: each for each in config.channels}
        self.groups: dict[str, Group] = {each.id: each for each in config.groups}
        self.history: dict[str, dict[str, Message]] = {}
        self.ephemerals: list[Message] = []
        self.deleted: list[Message] = []
        self.client_ids: dict[tuple[str, str], str] = {}
        self.token_refused: str | None = None
        self._last_ts = (0, 0)
        self._numbers = itertools.count(1)

    def next_ts(self, now: datetime) -> str:
        """Return a message timestamp: unique, growing, near the time of day."""
        stamp = (int(now.timestamp()), now.microsecond)
        second, fraction = self._last_ts
        grown = (second, fraction + 1) if fraction < LAST_MICROSECOND else (second + 1, 0)
        self._last_ts = max(stamp, grown)
        return f"{self._last_ts[0]}.{self._last_ts[1]:06d}"

    def number(self) -> int:
        """Return the next number for ids that only need to differ."""
        return next(self._numbers)

    def post(self, draft: MessageDraft, now: datetime) -> Message:
        """Put a message into its channel, or before one person's eyes when it is ephemeral."""
        message = Message(
            channel=draft.channel,
            ts=self.next_ts(now),
            user=draft.user,
            text=draft.text[:TEXT_KEPT],
            blocks=tuple(self.with_ids(draft.blocks)),
            bot_id=draft.bot_id,
            thread_ts=draft.thread_ts,
            metadata=draft.metadata,
            shown_to=draft.shown_to,
            posted_at=now,
            reply_broadcast=draft.reply_broadcast,
        )
        self.keep(message)
        return message

    def keep(self, message: Message) -> None:
        """Store a message under its channel and timestamp, in place of an earlier version."""
        if message.ephemeral:
            self.ephemerals = [each for each in self.ephemerals if each.key != message.key] + [message]
        else:
            self.history.setdefault(message.channel, {})[message.ts] = message

    def edit(self, message: Message, text: str | None, blocks: Iterable[Json] | None, now: datetime) -> Message:
        """Change a message's content and keep the earlier version; None leaves a part as it is."""
        earlier = Version(message.text, message.blocks, now)
        edited = replace(
            message,
            text=message.text if text is None else text,
            blocks=message.blocks if blocks is None else tuple(self.with_ids(blocks)),
            edits=(*message.edits, earlier),
        )
        self.keep(edited)
        return edited

    def remove(self, message: Message) -> None:
        """Delete a message; it stays in `deleted`."""
        self.deleted.append(message)
        self.ephemerals = [each for each in self.ephemerals if each.key != message.key]
        self.history.get(message.channel, {}).pop(message.ts, None)

    def find(self, channel: str, ts: str) -> Message | None:
        """Return the message in its current form, ephemeral ones included."""
        result = self.history.get(channel, {}).get(ts)
        return result or next((each for each in self.ephemerals if each.key == (channel, ts)), None)

    def with_ids(self, blocks: Iterable[Json]) -> Iterator[Json]:
        """Give blocks and elements Slack's generated ids when the app gave none."""
        for block in copy.deepcopy(list(blocks)):
            if not block.get("block_id"):
                block["block_id"] = f"b{self.number():04d}"
            for element in interactive_elements(block):
                element.setdefault("action_id", f"a{self.number():04d}")
            yield block

    def dm_with(self, user: str) -> Channel:
        """Return the direct message channel between a person and the bot, opened if need be."""
        channel = "D0" + user.removeprefix("U0")
        members = frozenset({user, self.config.bot_user_id})
        return self.channels.setdefault(channel, Channel(channel, "", members, kind="im"))

    def group_dm(self, users: frozenset[str]) -> Channel:
        """Return the group conversation of these people and the bot, opened if need be."""
        members = users | {self.config.bot_user_id}
        for channel in self.channels.values():
            if channel.kind == "mpim" and channel.members == members:
                return channel
        made = Channel(f"G0{self.number():06d}", "mpdm-" + "--".join(sorted(users)), members, kind="mpim")
        self.channels[made.id] = made
        return made

    def member(self, user: str) -> User:
        """Return a user by id. Raises `ApiError` user_not_found."""
        if user not in self.users:
            raise ApiError("user_not_found")
        return self.users[user]

    def visible(self, channel: str) -> Channel:
        """Return a channel visible to the bot, by its id: names are for posts. Raises `ApiError` channel_not_found."""
        result = self.channels.get(channel)
        if result is None or (result.kind != "public" and self.config.bot_user_id not in result.members):
            raise ApiError("channel_not_found")
        return result

    def writable(self, channel: str, everywhere: bool = False) -> Channel:
        """Return the channel a post goes to, by id or by name; a person's id means their direct messages.

        `everywhere` lets it into public channels that the bot is not in, as the scope chat:write.public does.

        Raises `ApiError`: channel_not_found, is_archived, not_in_channel, user_disabled.
        """
        if channel in self.users:
            if self.users[channel].deleted:
                raise ApiError("user_disabled")
            return self.dm_with(channel)
        result = self._by_name(channel) or self.visible(channel)
        if result.archived:
            raise ApiError("is_archived")
        if self.config.bot_user_id not in result.members and not (everywhere and result.kind == "public"):
            raise ApiError("not_in_channel")
        return result

    def _by_name(self, name: str) -> Channel | None:
        bare = name.removeprefix("#")
        return next((each for each in self.channels.values() if each.kind == "public" and each.name == bare), None)


def interactive_elements(block: Json) -> list[Json]:
    """Return the elements of a block that a person can use, nested blocks included."""
    results: list[Json] = []
    if block.get("type") in {"actions", "context_actions"}:
        results += block.get("elements", [])
    for single in ("accessory", "element"):
        if isinstance(block.get(single), dict):
            results.append(block[single])
    results += block.get("actions", []) if block.get("type") == "card" else []
    for child in children(block):
        results += interactive_elements(child)
    return [each for each in results if each.get("type") != "image"]


def children(block: Json) -> list[Json]:
    """Return the blocks inside a container or a carousel."""
    if block.get("type") == "carousel":
        return list(block.get("elements", []))
    return list(block.get("child_blocks", []))
