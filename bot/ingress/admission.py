"""Admits interactions that are for this installation and from its users, before any handler runs.

A payload may only narrow: what it claims of its sender can turn it away, and never admits it. Slack's Web API does.
"""

from dataclasses import dataclass
from typing import Any

from vpsops.bot.commands.parser import PauseAgents, parse_command
from vpsops.bot.ingress.interaction import EVENT, Claims, ElsewhereError, Interaction
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.chat_messages import command_text
from vpsops.bot.protocol.payloads import BlockActions, ChatMessage, SlashCommand
from vpsops.bot.workspaces.membership import (
    Account,
    ForeignAccountError,
    Membership,
    MembershipUnreadableError,
    OtherWorkspaceError,
)
from vpsops.bot.workspaces.tenancy import Tenant
from vpsops.core.common.errors import VpsopsError


@dataclass(frozen=True, slots=True)
class InteractionAdmission:
    """Whose installation an interaction is for, and its sender's account if that was read now."""

    tenant: Tenant
    account: Account | None


async def admit(membership: Membership, claims: Claims) -> InteractionAdmission:
    """Check an interaction's claims and its sender's account.

    Raises `ElsewhereError`, `ForeignAccountError`, `NotAllowedError`, and `MembershipUnreadableError` if Slack does not
    answer.
    """
    tenant = await membership.tenant()
    claims.check(tenant)
    if not claims.user:
        raise ElsewhereError("Nobody is named who did this, so nothing was done.")
    return InteractionAdmission(tenant, await membership.admit(claims.user))


async def admitted(membership: Membership, interaction: Interaction[Any]) -> Interaction[Any]:
    """Admit an interaction, and return it with the workspace that Slack names; raises as `admit` does.

    Pausing agents is the safe direction: it is admitted while Slack does not answer. Home explains itself why it shows
    nothing.
    """
    try:
        admission = await admit(membership, interaction.claims)
    except MembershipUnreadableError:
        if interaction.kind == EVENT or pauses_agents(interaction):
            return interaction
        raise
    except OtherWorkspaceError:
        if interaction.kind == EVENT:
            return interaction
        raise
    return interaction.admitted(admission.tenant.team, admission.account)


def pauses_agents(interaction: Interaction[Any]) -> bool:
    """Say whether an interaction does no more than pause agents."""
    match interaction.payload:
        case SlashCommand(text=text):
            return isinstance(parse_command(text), PauseAgents)
        case ChatMessage() as message:
            return isinstance(parse_command(command_text(message, "") or ""), PauseAgents)
        case BlockActions(actions=[used, *_]):
            return action_ids.base_action_id(used.action_id) == action_ids.HOME_PAUSE
        case _:
            return False


def is_silent(interaction: Interaction[Any], error: VpsopsError) -> bool:
    """Say whether a refusal is shown to no one: people of another company who open Home asked for nothing."""
    return interaction.kind == EVENT and isinstance(error, ForeignAccountError | ElsewhereError)
