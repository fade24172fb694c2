"""Handles interactions: one table names each kind's payload, who sent it, and its handler."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import BaseModel

from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.context.freshness import check_age
from vpsops.bot.handlers import actions, commands, home, messages, shortcuts, submissions
from vpsops.bot.ingress.admission import admitted, is_silent
from vpsops.bot.ingress.interaction import (
    CLICK,
    COMMAND,
    EVENT,
    MESSAGE,
    SHORTCUT,
    SUBMISSION,
    Interaction,
    Requester,
    claims_of,
    value_of,
)
from vpsops.bot.messages.ephemeral import error_note, note
from vpsops.bot.protocol.payloads import (
    BlockActions,
    ChatMessage,
    EventCallback,
    ShortcutPayload,
    SlashCommand,
    ViewSubmission,
)
from vpsops.bot.workspaces.registry import NotInstalledError
from vpsops.core.common.errors import StorageError, VpsopsError
from vpsops.core.messaging.inbox import InboxDelivery

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InteractionKind:
    """How one kind of interaction is parsed, its requester, and its handler."""

    model: type[BaseModel]
    requester_from: Callable[[Any, str], Requester]
    handler: Callable[[BotContext, Interaction[Any]], Awaitable[None]]


KINDS: Final[Mapping[str, InteractionKind]] = {
    COMMAND: InteractionKind(SlashCommand, commands.requester_from, commands.handle_command),
    CLICK: InteractionKind(BlockActions, actions.requester_from, actions.handle_click),
    SUBMISSION: InteractionKind(ViewSubmission, submissions.requester_from, submissions.handle_submission),
    EVENT: InteractionKind(EventCallback, home.requester_from, home.handle_event),
    MESSAGE: InteractionKind(ChatMessage, messages.requester_from, messages.handle_message),
    SHORTCUT: InteractionKind(ShortcutPayload, shortcuts.requester_from, shortcuts.handle_shortcut),
}


def interaction_from(delivery: InboxDelivery, parsed: BaseModel | None = None) -> Interaction[Any]:
    """Return a stored delivery as an interaction, by the payload that ingress parsed, or else parsed now.

    Raises `KeyError` for a kind that is not known, `ValidationError`.
    """
    kind = KINDS[delivery.kind]
    payload = kind.model.model_validate(delivery.payload) if parsed is None else parsed
    requester = kind.requester_from(payload, delivery.key)
    claims, value = claims_of(payload), value_of(payload)
    done_at = messages.done_at(payload, delivery.received_at)
    return Interaction(delivery.key, delivery.kind, payload, done_at, requester, claims, value)


async def handle(ctx: BotContext, delivery: InboxDelivery, parsed: BaseModel | None = None) -> None:
    """Handle one delivery; what goes wrong is answered to its user, with an id that is in the log.

    Raises `StorageError`.
    """
    if delivery.kind not in KINDS:
        logger.error("delivery_kind_unknown", kind=delivery.kind)
        return
    interaction = interaction_from(delivery, parsed)
    try:
        ctx = await ctx.at(interaction.claims.workspace)
    except NotInstalledError as error:  # no token is left to answer with
        logger.warning("delivery_dropped", kind=interaction.kind, error=error.message)
        return
    try:
        interaction = await admitted(ctx.membership, interaction)
        await check_age(ctx, interaction)
        await KINDS[interaction.kind].handler(ctx, interaction)
    except StorageError:
        raise
    except VpsopsError as error:
        logger.info("interaction_refused", kind=interaction.kind, error=error.message, error_id=error.error_id)
        if not is_silent(interaction, error):
            await _refuse(ctx, interaction, error)
    except Exception:
        fault = VpsopsError("An internal error occurred.", hint="An administrator can find it in the log by this id.")
        logger.exception("interaction_failed", kind=interaction.kind, error_id=fault.error_id)
        await ctx.slack.reply(interaction.requester.where, note(fault.message, fault.hint, fault.error_id))


async def _refuse(ctx: BotContext, interaction: Interaction[Any], error: VpsopsError) -> None:
    """Answer why nothing was done: in the form that was sent, or else in private."""
    match interaction.payload:
        case ViewSubmission(view=view):
            await submissions.close_with(ctx, interaction.requester, view, f"{error} ({error.error_id})")
        case _:
            await ctx.slack.reply(interaction.requester.where, error_note(error))
