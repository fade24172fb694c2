"""How long something that a person did is still meant: what is worked off later is not done, and they are told."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.bot.blocks.elements import unpack
from vpsops.bot.context.bot_context import BotContext, Requester
from vpsops.bot.ingress.worker import CLICK, EVENT, SUBMISSION
from vpsops.bot.protocol import action_ids
from vpsops.bot.protocol.payloads import BlockActions, ViewSubmission
from vpsops.bot.views.modals import metadata_of
from vpsops.core.common import timings
from vpsops.core.common.errors import VpsopsError
from vpsops.core.common.text import duration
from vpsops.core.messaging.inbox import InboxDelivery

MEANT_SECONDS: Final = timings.MEANT_SECONDS
"""Slack itself refuses to deliver what was signed longer ago."""
DECISIONS: Final = frozenset(
    {
        action_ids.CONFIRM,
        action_ids.CANCEL,
        action_ids.APPROVE,
        action_ids.APPROVE_NOTE,
        action_ids.DENY,
        action_ids.HAPPENED,
        action_ids.NOT_HAPPENED,
    }
)


class TooOldError(VpsopsError):
    """Something that a person did is worked off too late to be still meant."""


async def check_age(ctx: BotContext, requester: Requester, delivery: InboxDelivery) -> None:
    """Raise `TooOldError` for what was accepted over five minutes ago; a decision about a change goes on record.

    Opening Home asks for nothing, and is drawn whenever it is.
    """
    age = (ctx.core.clock.now() - delivery.received_at).total_seconds()
    if age <= MEANT_SECONDS or delivery.kind == EVENT:
        return
    error = TooOldError(
        f"I come to this only now, {duration(age)} after you did it, so nothing was done.",
        hint="Do it again if it is still wanted.",
    )
    change = decided_about(delivery)
    if change:
        await ctx.core.admission.record_refused_decision(change, requester.actor, error, scope=ctx.core.scope)
    raise error


def decided_about(delivery: InboxDelivery) -> str:
    """Return the id of the change that a delivery decides about, or nothing; pure."""
    if delivery.kind == CLICK:
        pressed = BlockActions.model_validate(delivery.payload).actions[0]
        value: Mapping[str, Any] = unpack(pressed.chosen_value)
        return str(value.get("c", "")) if action_ids.base_action_id(pressed.action_id) in DECISIONS else ""
    if delivery.kind == SUBMISSION:
        view = ViewSubmission.model_validate(delivery.payload).view
        return str(metadata_of(view.model_dump()).get("c", ""))
    return ""
