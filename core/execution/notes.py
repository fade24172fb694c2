"""Notes that a run leaves on its change for people: why it ended, and what was sent."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from vpsops.core.changes.model import REMEDY, Change, Refusal
from vpsops.core.changes.preview import Preview
from vpsops.core.common.errors import InvalidInputError, PreconditionError
from vpsops.core.common.json_types import Json

NO_RESULT: Final[Mapping[str, Json]] = {}
NOTHING_SENT: Final = "Nothing was sent"
BROKEN: Final = (
    ": vpsops failed to run it {count} times because of an internal error. "
    "Report this id, which is in the log, to an operator of vpsops: {error}. Ask again once it is fixed."
)
UNAUTHORIZED: Final = (
    ": the audit trail does not carry its approval ({why}). "
    "Tell an operator of vpsops that the database was changed from outside. "
    "`vpsops audit verify` checks the trail. Ask again."
)
LAPSED: Final = "Its approval ran out before it could be sent. Ask again if it is still needed."
END_PASSED: Final = "The end of the server passed before it could be stopped."
UNVERIFIED: Final = "{message} vpsops is verifying that nothing happened; nothing is sent until then."
DOUBTED_CREATE: Final = (
    "{message} That may be the answer to a repeated request, after the server was made, so vpsops keeps checking "
    "for up to {minutes} minutes; nothing is sent until then."
)
DOUBTED: Final = (
    "It was refused when it was sent, and now {why}. vpsops is checking whether it happened; nothing is sent again."
)


def not_sent(change: Change, rest: str) -> str:
    """State that a write was not sent, then `rest`; the result of an earlier send is stated too."""
    if not change.sends:
        return f"{NOTHING_SENT}{rest}"
    refusal = change.refusal or Refusal("The provider refused it.", again=False)
    return f"{refusal.message} Checks found no trace of it. It was not sent again{rest}"


def unknown_note(why: str) -> str:
    """State why the outcome of a write is not known, and what is done about it."""
    return f"{why[:1].upper()}{why[1:].rstrip('.')}. The outcome is being checked; nothing is sent again."


def remedy_result(error: InvalidInputError) -> Mapping[str, Json]:
    """Return what the result of a change keeps of an unmet precondition: the operation that would meet it."""
    return {REMEDY: error.remedy.stored} if isinstance(error, PreconditionError) else NO_RESULT


def sent_record(change: Change) -> dict[str, Json]:
    """Return what the trail keeps of a change that is about to leave."""
    return {"operation": change.operation, "arguments": dict(change.arguments), "digest": change.digest}


def before(sending: Change) -> Change:
    """Return an unsent change as it was before its intention was stored."""
    return replace(sending, sends=max(sending.sends - 1, 0))


def difference(change: Change, seen: Preview) -> str:
    """Describe how the target differs from the preview that was shown."""
    target, now = change.target, seen.target
    names = ("hostname", "state", "region", "address", "plan", "system")
    parts = [
        f"{name} was {getattr(target, name) or 'unknown'}, is {getattr(now, name) or 'unknown'}"
        for name in names
        if getattr(target, name) != getattr(now, name)
    ]
    if change.cost != seen.cost:
        parts.append(f"the price was {change.cost}, is {seen.cost}")
    before, after = dict.fromkeys(change.facts), dict.fromkeys(seen.facts)
    parts += [f"{fact.line}, as it was shown, is not so any more" for fact in before if fact not in after]
    parts += [f"{fact.line} is new" for fact in after if fact not in before and not parts]
    return "; ".join(parts) or "the request reads differently now"
