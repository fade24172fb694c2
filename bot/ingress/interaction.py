"""One interaction of a Slack user: the payload, parsed once at ingress, who sent it, and what it claims to be for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from vpsops.bot.blocks.elements import unpack, way_back
from vpsops.bot.protocol.payloads import (
    BlockActions,
    BlockSuggestion,
    ChatMessage,
    EventCallback,
    ShortcutPayload,
    SlashCommand,
    ViewSubmission,
)
from vpsops.bot.slack_api.client import ReplyTarget
from vpsops.bot.workspaces.membership import Account, foreign_account_error
from vpsops.bot.workspaces.tenancy import Tenant
from vpsops.core.common.errors import NotAllowedError
from vpsops.core.identity.actors import Actor, ActorKind, Origin

COMMAND: Final = "command"
CLICK: Final = "click"
SUBMISSION: Final = "submission"
EVENT: Final = "event"
SHORTCUT: Final = "shortcut"
MESSAGE: Final = "message"
"""How the inbox names the kinds of interactions; stored, so they stay as they are."""

THREAD: Final = re.compile(r"\d{1,10}\.\d{1,9}")
P = TypeVar("P", bound=BaseModel)


class ElsewhereError(NotAllowedError):
    """An interaction is for another app, or for another workspace's installation of this app."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The Slack user who asks, where answers go, and the key of the interaction, which makes a request unique."""

    user: str
    name: str
    team: str
    where: ReplyTarget
    key: str
    thread: str = ""
    account: Account | None = field(default=None, compare=False)
    """What Slack said of the user when this interaction was admitted; None if an earlier admission still held."""

    @property
    def actor(self) -> Actor:
        """The user as the core knows people."""
        return Actor(ActorKind.PERSON, self.user, self.name, self.user, account=self.user)

    @property
    def way_back(self) -> Mapping[str, str]:
        """What a form keeps of the channel and the thread that it was opened from."""
        return way_back(self.where.channel, self.thread)

    @property
    def origin(self) -> Origin:
        """Where notifications about the request go."""
        return Origin("slack", self.team, self.where.channel, self.thread)


def target_in(kept: Mapping[str, Any], user: str) -> ReplyTarget:
    """Return where the answer to a form belongs, by what the form kept; not trusted, so what is no thread is none."""
    channel, thread = str(kept.get("ch", "")), str(kept.get("th", ""))
    return ReplyTarget(user, channel or user, thread=thread if channel and THREAD.fullmatch(thread) else "")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a payload claims: who acted, in which workspace, for which app and installation."""

    user: str
    teams: tuple[str, ...] = ()
    """The workspaces it names as the user's, or as the one it happened in."""
    enterprise: str = ""
    app: str = ""
    installed: tuple[str, ...] = ()
    """The workspaces of the installation it is for, where it names them."""

    @property
    def workspace(self) -> str:
        """The workspace of the installation that has to answer; empty if none is named."""
        return next((team for team in (*self.installed, *self.teams) if team), "")

    def check(self, tenant: Tenant) -> None:
        """Raise `ElsewhereError` or `ForeignAccountError` if the payload itself names another workspace or app."""
        if self.app and self.app != tenant.app:
            raise ElsewhereError("This was sent to another app, so nothing was done.")
        installed = [team for team in self.installed if team]
        if installed and not any(tenant.owns(team) for team in installed):
            raise ElsewhereError("This was sent to another workspace's installation, so nothing was done.")
        if not all(tenant.owns(team, self.enterprise) for team in self.teams if team):
            raise foreign_account_error()


@dataclass(frozen=True, slots=True)
class Interaction(Generic[P]):
    """One command, click, form, shortcut or event, as it is passed from admission to the last handler."""

    key: str
    kind: str
    payload: P
    received_at: datetime
    requester: Requester
    claims: Claims
    value: Mapping[str, Any] = field(default_factory=dict)
    """What our own control or form carries: an unpacked button value or view metadata. Not trusted."""

    @property
    def change_id(self) -> str:
        """The id of the change that the control or form is about; empty if it names none."""
        return str(self.value.get("c", ""))

    @property
    def digest(self) -> str:
        """The digest of what the user was shown of that change."""
        return str(self.value.get("d", ""))

    def admitted(self, team: str, account: Account | None) -> "Interaction[P]":
        """Return the interaction as one of the workspace that Slack's Web API names, whatever the payload claims."""
        return replace(self, requester=replace(self.requester, team=team, account=account))


def claims_of(payload: BaseModel) -> Claims:
    """Read what a payload claims."""
    match payload:
        case SlashCommand():
            return Claims(payload.user_id, (payload.team_id,), payload.enterprise_id, payload.api_app_id)
        case ChatMessage():
            installed = _installed(payload)
            return Claims(
                payload.user_id, tuple(payload.sender_teams), payload.enterprise_id, payload.api_app_id, installed
            )
        case EventCallback():
            user = payload.event.get("user")
            return Claims(user if isinstance(user, str) else "", (), "", payload.api_app_id, _installed(payload))
        case BlockActions() | ViewSubmission() | ShortcutPayload() | BlockSuggestion():
            enterprise = payload.enterprise.id if payload.enterprise else ""
            teams = (payload.team.id if payload.team else "", payload.user.team_id)
            view = None if isinstance(payload, ShortcutPayload) else payload.view
            installed = (view.app_installed_team_id,) if view is not None else ()
            return Claims(payload.user.id, teams, enterprise, payload.api_app_id, installed)
        case _:
            raise TypeError(type(payload).__name__)


def _installed(payload: EventCallback | ChatMessage) -> tuple[str, ...]:
    return tuple(each.team_id or each.enterprise_id for each in payload.authorizations) or (payload.team_id,)


def value_of(payload: BaseModel) -> Mapping[str, Any]:
    """Unpack what our own control or form carries in a payload."""
    match payload:
        case BlockActions():
            return unpack(payload.actions[0].chosen_value)
        case ViewSubmission():
            return unpack(payload.view.private_metadata)
        case _:
            return {}
