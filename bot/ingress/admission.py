"""Whose delivery it is, and whether it is for this installation and from its people: asked here, for all they do.

A payload may only narrow: what it says of its sender can turn somebody away, and lets nobody in. Slack's Web API does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from pydantic import BaseModel

from vpsops.bot.commands.parser import PauseAgents, parse_command
from vpsops.bot.ingress.worker import CLICK, COMMAND, EVENT, SHORTCUT, SUBMISSION
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import (
    BlockActions,
    BlockSuggestion,
    EventCallback,
    ShortcutPayload,
    SlashCommand,
    ViewSubmission,
)
from vpsops.bot.workspaces.membership import (
    ForeignAccountError,
    Membership,
    MembershipUnreadableError,
    OtherWorkspaceError,
    foreign_account_error,
)
from vpsops.bot.workspaces.tenancy import Tenant
from vpsops.core.common.errors import NotAllowedError, VpsopsError
from vpsops.core.messaging.inbox import InboxDelivery

MODELS: Final[Mapping[str, type[BaseModel]]] = {
    COMMAND: SlashCommand,
    CLICK: BlockActions,
    SUBMISSION: ViewSubmission,
    EVENT: EventCallback,
    SHORTCUT: ShortcutPayload,
}

logger = structlog.get_logger(__name__)


class ElsewhereError(NotAllowedError):
    """A delivery is for another app, or for another workspace's installation of this one."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a payload says of itself: who acted, from which workspace, for which app and installation."""

    user: str
    teams: tuple[str, ...] = ()
    """The workspaces it names as the person's, or as the one it happened in."""
    enterprise: str = ""
    app: str = ""
    installed: tuple[str, ...] = ()
    """The workspaces whose installation it is for, where it names them."""

    @property
    def office(self) -> str:
        """The workspace whose installation has to answer; empty where nothing is named."""
        return next((one for one in (*self.installed, *self.teams) if one), "")

    def check(self, tenant: Tenant) -> None:
        """Raise `ElsewhereError` or `ForeignAccountError` where the payload itself says that it is not for here."""
        if self.app and self.app != tenant.app:
            raise ElsewhereError("This was sent to another app, so nothing was done.")
        installed = [one for one in self.installed if one]
        if installed and not any(tenant.owns(one) for one in installed):
            raise ElsewhereError("This was sent to another workspace's installation, so nothing was done.")
        if not all(tenant.owns(one, self.enterprise) for one in self.teams if one):
            raise foreign_account_error()


def claims_of(payload: BaseModel) -> Claims:
    """Read what a payload says of itself."""
    match payload:
        case SlashCommand():
            return Claims(payload.user_id, (payload.team_id,), payload.enterprise_id, payload.api_app_id)
        case EventCallback():
            for_whom = payload.authorizations
            installed = tuple(one.team_id or one.enterprise_id for one in for_whom) or (payload.team_id,)
            user = payload.event.get("user")
            return Claims(user if isinstance(user, str) else "", (), "", payload.api_app_id, installed)
        case BlockActions() | ViewSubmission() | ShortcutPayload() | BlockSuggestion():
            enterprise = payload.enterprise.id if payload.enterprise else ""
            teams = (payload.team.id if payload.team else "", payload.user.team_id)
            view = None if isinstance(payload, ShortcutPayload) else payload.view
            installed = (view.app_installed_team_id,) if view is not None else ()
            return Claims(payload.user.id, teams, enterprise, payload.api_app_id, installed)
        case _:
            raise TypeError(type(payload).__name__)


def claims_in(delivery: InboxDelivery) -> Claims:
    """Read what a stored delivery says of itself."""
    return claims_of(MODELS[delivery.kind].model_validate(delivery.payload))


async def admit(membership: Membership, claims: Claims) -> Tenant:
    """Let in what is for this installation and from its people, and return whose installation it is.

    Raises `ElsewhereError`, `ForeignAccountError`, `NotAllowedError`, and `MembershipUnreadableError` where Slack is
    mute.
    """
    tenant = await membership.tenant()
    claims.check(tenant)
    if not claims.user:
        raise ElsewhereError("Nobody is named who did this, so nothing was done.")
    await membership.admit(claims.user)
    return tenant


async def admitted(membership: Membership, delivery: InboxDelivery) -> InboxDelivery:
    """Let a delivery in, and return it with the workspace that Slack says it is from; raises as `admit` does.

    Pausing agents is the safe direction: while Slack is mute it is let in. Home says itself why it shows nothing.
    """
    try:
        tenant = await admit(membership, claims_in(delivery))
    except MembershipUnreadableError:
        if delivery.kind == EVENT or pauses(delivery):
            return delivery
        raise
    except OtherWorkspaceError:
        if delivery.kind == EVENT:
            return delivery
        raise
    return replace(delivery, payload=placed(delivery, tenant.team))


def pauses(delivery: InboxDelivery) -> bool:
    """Say whether a delivery does no more than pause agents."""
    if delivery.kind == COMMAND:
        return isinstance(parse_command(str(delivery.payload.get("text", ""))), PauseAgents)
    if delivery.kind != CLICK:
        return False
    return (
        action_ids.base_action_id(BlockActions.model_validate(delivery.payload).actions[0].action_id)
        == action_ids.HOME_PAUSE
    )


def placed(delivery: InboxDelivery, team: str) -> dict[str, Any]:
    """Return a payload with this workspace in the place of the one that it names; pure."""
    payload = dict(delivery.payload)
    if delivery.kind in {COMMAND, EVENT}:
        return {**payload, "team_id": team}
    return {**payload, "team": {"id": team}, "user": {**payload["user"], "team_id": team}}


def silent(delivery: InboxDelivery, error: VpsopsError) -> bool:
    """Say whether a refusal is told to nobody: people of another company who open Home asked for nothing."""
    return delivery.kind == EVENT and isinstance(error, ForeignAccountError | ElsewhereError)
