"""Notes that a run leaves on its change for people: why it ended, and what was sent."""

from dataclasses import replace
from typing import Final

from vpsops.core.changes.model import Change, Refusal
from vpsops.core.changes.preview import Preview

NOTHING_SENT: Final = "Nothing was sent"
BROKEN: Final = (
    ": vpsops could not carry it out, by a fault of its own, {count} times. "
    "Tell an operator of vpsops this id, which is in its log: {error}. Ask again once that is mended."
)
UNAUTHORIZED: Final = (
    ": the audit trail does not carry its approval ({why}). "
    "Tell an operator of vpsops: somebody wrote to the database. `vpsops audit verify` checks the trail. Ask again."
)
LAPSED: Final = "Nobody could send it while the yes to it counted. Ask again if it is still wanted."
UNVERIFIED: Final = "{message} Looks verify that nothing happened; nothing is sent meanwhile."
DOUBTED_CREATE: Final = (
    "{message} That may be the answer to a repeated request, after the server was made, so looks go on for up to "
    "{minutes} minutes; nothing is sent meanwhile."
)
DOUBTED: Final = (
    "It was refused when it was sent, and now {why}. Looks tell whether it happened; nothing is sent again."
)


def not_sent(change: Change, rest: str) -> str:
    """State that a write was not sent, then `rest`; the result of an earlier send is stated too."""
    if not change.sends:
        return f"{NOTHING_SENT}{rest}"
    refusal = change.refusal or Refusal("The provider refused it.", again=False)
    return f"{refusal.message} Looks found no trace of it. It was not sent again{rest}"


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
