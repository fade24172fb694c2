"""How long something that a person did is still meant: what is worked off later is not done, and they are told."""

from collections.abc import Mapping
from typing import Any, Final

from vpsops.bot import names
from vpsops.bot.blocks.build import unpack
from vpsops.bot.blocks.forms import metadata_of
from vpsops.bot.blocks.text import duration
from vpsops.bot.deliveries import CLICK, EVENT, SUBMISSION
from vpsops.bot.parts import Asking, Parts
from vpsops.bot.wire import Click, Submission
from vpsops.core import timing
from vpsops.core.errors import VpsopsError
from vpsops.core.inbox import Delivery

MEANT_SECONDS: Final = timing.MEANT_SECONDS
"""Slack itself refuses to deliver what was signed longer ago."""
DECISIONS: Final = frozenset(
    {
        names.CONFIRM,
        names.CANCEL,
        names.APPROVE,
        names.APPROVE_NOTE,
        names.DENY,
        names.HAPPENED,
        names.NOT_HAPPENED,
    }
)


class TooOldError(VpsopsError):
    """Something that a person did is worked off too late to be still meant."""


async def check_age(parts: Parts, asking: Asking, delivery: Delivery) -> None:
    """Raise `TooOldError` for what was accepted over five minutes ago; a decision about a change goes on record.

    Opening Home asks for nothing, and is drawn whenever it is.
    """
    age = (parts.core.clock.now() - delivery.received_at).total_seconds()
    if age <= MEANT_SECONDS or delivery.kind == EVENT:
        return
    error = TooOldError(
        f"I come to this only now, {duration(age)} after you did it, so nothing was done.",
        hint="Do it again if it is still wanted.",
    )
    change = decided_about(delivery)
    if change:
        await parts.core.gate.record_refusal(change, asking.actor, error)
    raise error


def decided_about(delivery: Delivery) -> str:
    """Return the id of the change that a delivery decides about, or nothing; pure."""
    if delivery.kind == CLICK:
        pressed = Click.model_validate(delivery.payload).actions[0]
        value: Mapping[str, Any] = unpack(pressed.given)
        return str(value.get("c", "")) if names.kind_of(pressed.action_id) in DECISIONS else ""
    if delivery.kind == SUBMISSION:
        view = Submission.model_validate(delivery.payload).view
        return str(metadata_of(view.model_dump()).get("c", ""))
    return ""
