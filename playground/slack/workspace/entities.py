"""The entities of a workspace: people, channels, messages, views."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vpsops.playground.slack.workspace.protocol import Json

ChannelKind = Literal["public", "private", "im", "mpim"]
ViewKind = Literal["modal", "home"]


@dataclass(frozen=True, slots=True)
class User:
    """A member of the workspace, or the bot."""

    id: str
    name: str
    real_name: str
    email: str = ""
    tz: str = "Europe/Oslo"
    tz_offset: int = 3600
    deleted: bool = False
    is_bot: bool = False
    is_admin: bool = False
    is_restricted: bool = False  # a guest
    is_stranger: bool = False  # of another company, and in no channel shared with the app
    team: str = ""  # the workspace the account is of; empty for this one
    enterprise: str = ""  # the organisation the account is of, if any
    teams: tuple[str, ...] = ()  # the workspaces of that organisation the account is in


@dataclass(frozen=True, slots=True)
class Channel:
    """A conversation: public, private, one to one or a group."""

    id: str
    name: str
    members: frozenset[str]
    kind: ChannelKind = "public"
    archived: bool = False
    shared: bool = False  # with another company
    invited: bool = False  # another company is, and has not come yet


@dataclass(frozen=True, slots=True)
class Group:
    """A user group such as @approvers."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...]
    disabled: bool = False
    updated_by: str = "U0ALICE"
    external: bool = False  # another company's


@dataclass(frozen=True, slots=True)
class Version:
    """The content of a message before an edit, and the time of that edit."""

    text: str
    blocks: tuple[Json, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message as one sees it at one moment; an edit makes a new value with the same `ts`."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: tuple[Json, ...] = ()
    bot_id: str | None = None
    thread_ts: str | None = None
    metadata: Json | None = None
    shown_to: str | None = None
    edits: tuple[Version, ...] = ()
    posted_at: datetime | None = None
    reply_broadcast: bool = False

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return self.shown_to is not None

    @property
    def key(self) -> tuple[str, str]:
        """Return channel and timestamp, which name the message."""
        return self.channel, self.ts


@dataclass(frozen=True, slots=True)
class View:
    """A modal on a person's screen, or a person's home tab; an update makes a new value with a new `hash`."""

    id: str
    user: str
    kind: ViewKind
    body: Json
    hash: str
    root: str
    previous: str | None = None
    errors: tuple[tuple[str, str], ...] = ()

    @property
    def callback_id(self) -> str:
        """Return the app's name for the view."""
        return str(self.body.get("callback_id", ""))

    @property
    def blocks(self) -> tuple[Json, ...]:
        """Return the blocks shown."""
        return tuple(self.body.get("blocks", ()))


@dataclass(frozen=True, slots=True)
class Trigger:
    """The right to open a modal for a person, for three seconds and once."""

    id: str
    user: str
    expires: datetime
    view: str | None = None
    used: bool = False


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """The right to answer one command or click, five times in thirty minutes."""

    token: str
    user: str
    channel: str
    expires: datetime
    message_ts: str | None = None
    ephemeral: bool = True
    uses: int = 0
