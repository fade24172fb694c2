"""A server's end in words, the same in all front ends."""

from vpsops.core.common.text import moment
from vpsops.core.ends.model import EndState, ServerEnd


def end_text(end: ServerEnd) -> str:
    """Return when a server ends, or what became of its end, in one or two sentences."""
    match end.state:
        case EndState.OPEN:
            return f"It ends at {moment(end.ends_at)}: it is stopped then, unless it is kept."
        case EndState.STOPPING:
            return f"It is at its end, and is being stopped ({end.stop_id})."
        case EndState.STOPPED:
            return f"It ended at {moment(end.ends_at)}. {end.note}".strip()
        case EndState.ASKED:
            return f"It ended at {moment(end.ends_at)}, and people are asked what becomes of it. {end.note}".strip()
        case EndState.GONE:
            return "It is gone."
