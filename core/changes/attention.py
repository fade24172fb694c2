"""When a hold that waits for votes is brought to people's attention again; pure."""

from datetime import datetime

from vpsops.core.changes.model import Change, Decision, State
from vpsops.core.common.timings import Timing


def waits_for_votes(change: Change) -> bool:
    """Say whether a change waits for other people."""
    return change.state is State.HELD and change.ruling.decision is Decision.APPROVE


def first_attention(change: Change, timing: Timing) -> datetime | None:
    """Return when more people are asked, if nobody has voted by then; nothing for what takes no votes."""
    return _at(change, timing.escalate_share)


def last_attention(change: Change, timing: Timing) -> datetime | None:
    """Return when those who may vote are reminded; nothing for what takes no votes."""
    return _at(change, timing.remind_share)


def _at(change: Change, share: float) -> datetime | None:
    if not waits_for_votes(change) or change.expires_at is None:
        return None
    return change.created_at + (change.expires_at - change.created_at) * share
