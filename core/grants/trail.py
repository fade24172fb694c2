"""What the audit trail keeps of grants, and whether it carries the grant that a change ran by.

All of it stands among the records of the change that opened the grant, so one read of them proves each use.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import AGENT, Change, GrantWish, Verdict
from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import UnreadableValueError
from vpsops.core.grants.model import Grant, own_arguments
from vpsops.core.identity.serialization import actor_of
from vpsops.core.operations.target import Target, granted_in, is_grant_request
from vpsops.core.policy.decision import GrantUse

OPENED: Final = "grant_opened"
USED: Final = "grant_used"
ENDED: Final = "grant_ended"
EVENTS: Final = frozenset({OPENED, USED, ENDED})
"""The events of grants; none of them is a step of the change that they stand with."""
WISH: Final = "grant"
"""Key of a vote's record for what the voter would grant, and of a record of a grant for its id."""

Body = Mapping[str, Json]


def _target(target: Target) -> dict[str, Any]:
    """Return the server of a record, with those of a grant for several."""
    members = {"members": [list(member) for member in target.members]} if target.members else {}
    return {"id": target.id, "hostname": target.hostname, "state": target.state, **members}


def opened_body(grant: Grant) -> dict[str, Any]:
    """Return the record of a grant that was opened."""
    return {
        WISH: grant.id,
        "actor": person(grant.agent),
        "origin": grant.origin.front,
        "team": grant.origin.team,
        "credential": grant.origin.credential,
        "operation": grant.operation,
        "arguments": dict(grant.arguments),
        "target": _target(grant.target),
        "servers": list(grant.servers),
        "states": list(grant.states),
        "uses": grant.uses,
        "until": grant.until.timestamp(),
        "policy": grant.ruling.policy,
        "beat": grant.opened_beat,
    }


def used_body(grant: Grant, change: Change) -> dict[str, Any]:
    """Return the record of a use."""
    target = {"id": change.target.id, "hostname": change.target.hostname, "state": change.target.state}
    return {
        WISH: grant.id,
        "use": grant.used,
        "lets_through": change.id,
        "actor": person(change.actor),
        "target": target,
    }


def missing_grant(use: GrantUse, change: Change, source: Sequence[Body]) -> str:
    """Return the part of a grant that the records of its source lack for a use; empty where they carry it."""
    own = [body for body in source if body["event"] in EVENTS and body.get(WISH) == use.id]
    opened = [body for body in own if body["event"] == OPENED]
    if len(opened) != 1:
        return f"the audit trail does not hold that {use.id} was opened"
    before = source[: source.index(opened[0])]
    return unasked_grant(opened[0], before) or _missing_use(use, change, opened[0], own)


def unasked_grant(opened: Body, before: Sequence[Body]) -> str:
    """Return how a grant is more than was asked for in the records before its opening; empty where it is not.

    It was asked for by every vote on a change, or by a request for it alone.
    """
    request = before[0] if before else {}
    if is_grant_request(str(request.get("operation"))):
        return _beyond_request(opened, request)
    votes = [body for body in before if body.get("verdict") == Verdict.APPROVE.value]
    if not votes or not all(GrantWish.from_stored(body.get(WISH)) for body in votes):
        return f"the audit trail does not hold that every vote granted {opened.get(WISH)}"
    return ""


def _beyond_request(opened: Body, request: Body) -> str:
    """Return what of a grant its request does not hold: compared field by field, its time and uses as bounds."""
    arguments, target = request.get("arguments"), opened.get("target")
    if not isinstance(arguments, Mapping) or not isinstance(target, Mapping):
        return f"the audit trail does not hold what {opened.get(WISH)} was asked for"
    asked = {
        "operation": granted_in(str(request.get("operation"))),
        "arguments": {},
        "actor": stored_person(arguments.get(AGENT)),
        "servers": arguments.get("patterns"),
        "states": arguments.get("states"),
        **{name: arguments.get(name) for name in ("origin", "team", "credential")},
    }
    other = next((name for name, value in asked.items() if opened.get(name) != value), "")
    servers = [ident for ident, _ in target.get("members") or ()] or [target.get("id")]
    other = other or ("list of servers" if servers != arguments.get("servers") else "")
    if not other and not _is_within(opened.get("uses"), arguments.get("uses")):
        other = "number of uses"
    lasts = _lasting(opened)
    if not other and not _is_within(lasts, arguments.get("seconds")):
        other = "time"
    return f"by the audit trail {opened.get(WISH)} has another {other} than its request" if other else ""


def _lasting(opened: Body) -> float | None:
    """Return the seconds between the opening and the end of a grant, without the rounding of dates."""
    until, at = opened.get("until"), opened.get("at")
    return round(until - at, 3) if isinstance(until, int | float) and isinstance(at, int | float) else None


def _is_within(value: Json, most: Json) -> bool:
    numbers = isinstance(value, int | float) and isinstance(most, int | float)
    return numbers and not isinstance(value, bool) and 0 < float(str(value)) <= float(str(most))


def stored_person(stored: Json) -> dict[str, Any]:
    """Return an actor of stored arguments as a record holds one; empty where it is not readable."""
    try:
        return person(actor_of(stored if isinstance(stored, Mapping) else {}))
    except (KeyError, TypeError, ValueError, UnreadableValueError):
        return {}


def row_difference(grant: Grant | None, source: Sequence[Body]) -> str:
    """Return how the row of a grant that is used now differs from its records; empty where it does not."""
    if grant is None:
        return "the grant that it ran by is not known"
    own = [body for body in source if body.get(WISH) == grant.id]
    if any(body["event"] == ENDED for body in own):
        return f"by the audit trail {grant.id} has ended"
    expected = opened_body(grant)
    opened = next((body for body in own if body["event"] == OPENED), {})
    differing = next((name for name, value in expected.items() if opened.get(name) != value), "")
    return f"{grant.id} has another {differing} than it was opened with" if differing else ""


def _missing_use(use: GrantUse, change: Change, opened: Body, own: Sequence[Body]) -> str:
    actor = person(change.actor)
    if opened.get("actor") != actor or opened.get("operation") != change.operation:
        return f"by the audit trail {use.id} is for another agent or operation"
    if opened.get("arguments") != own_arguments(change):
        return f"by the audit trail {use.id} is for other arguments"
    target = opened.get("target")
    granted = target if isinstance(target, Mapping) else {}
    ids = [ident for ident, _ in granted.get("members") or ()] or [granted.get("id")]
    if not opened.get("servers") and change.target.id not in ids:
        return f"by the audit trail {use.id} is for another server"
    uses = [body for body in own if body["event"] == USED]
    most = opened.get("uses")
    if not isinstance(most, int) or len(uses) > most or not 1 <= use.number <= most:
        return f"by the audit trail {use.id} was used more often than it may be"
    numbered = [body for body in uses if body.get("use") == use.number]
    named = [body.get("lets_through") for body in numbered]
    return "" if named == [change.id] else f"the audit trail holds another use {use.number} of {use.id}"
