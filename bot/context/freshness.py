"""How long an interaction is valid: one that is handled later is refused, with a message to its user."""

from typing import Any, Final

from vpsops.bot.context.bot_context import BotContext
from vpsops.bot.ingress.interaction import EVENT, Interaction
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import BlockActions, ViewSubmission
from vpsops.core.common import timings
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.text import duration

MEANT_SECONDS: Final = timings.MEANT_SECONDS
"""Slack itself refuses to deliver what was signed longer ago."""
DECISIONS: Final = frozenset(
    {
        action_ids.CONFIRM,
        action_ids.CANCEL,
        action_ids.STOP_PLAN,
        action_ids.APPROVE,
        action_ids.APPROVE_NOTE,
        action_ids.APPROVE_GRANT,
        action_ids.DENY,
        action_ids.HAPPENED,
        action_ids.NOT_HAPPENED,
        action_ids.OVERRIDE,
        action_ids.REVIEW,
    }
)


class TooOldError(VpsopsError):
    """An interaction is handled too late to be still meant."""


async def check_age(ctx: BotContext, interaction: Interaction[Any]) -> None:
    """Raise `TooOldError` for what was accepted over five minutes ago; a decision about a change goes on record.

    Opening Home asks for nothing, and is drawn whenever it is.
    """
    age = (ctx.core.clock.now() - interaction.received_at).total_seconds()
    if age <= MEANT_SECONDS or interaction.kind == EVENT:
        return
    error = TooOldError(
        f"I come to this only now, {duration(age)} after you did it, so nothing was done.",
        hint="Do it again if it is still wanted.",
    )
    if is_decision(interaction) and interaction.change_id:
        admission, actor = ctx.core.admission, interaction.requester.actor
        await admission.record_refused_decision(interaction.change_id, actor, error, scope=ctx.core.scope)
    raise error


def is_decision(interaction: Interaction[Any]) -> bool:
    """Say whether an interaction decides about a change; a form that names a change does."""
    match interaction.payload:
        case BlockActions(actions=[used, *_]):
            return action_ids.base_action_id(used.action_id) in DECISIONS
        case ViewSubmission():
            return True
        case _:
            return False
