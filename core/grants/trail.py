"""What the audit trail keeps of grants, and whether it carries the grant that a change ran by.

All of it stands among the records of the change that opened the grant, so one read of them proves each use.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import Change, GrantWish, Verdict
from vpsops.core.common.json_types import Json
from vpsops.core.grants.model import Grant, own_arguments
from vpsops.core.policy.decision import GrantUse

OPENED: Final = "grant_opened"
USED: Final = "grant_used"
ENDED: Final = "grant_ended"
EVENTS: Final = frozenset({OPENED, USED, ENDED})
"""The events of grants; none of them is a step of the change that they stand with."""
WISH: Final = "grant"
"""Key of a vote's record for what the voter would grant, and of a record of a grant for its id."""

Body = Mapping[str, Json]


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
        "target": {"id": grant.target.id, "hostname": grant.target.hostname, "state": grant.target.state},
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
    votes = [body for body in before if body.get("verdict") == Verdict.APPROVE.value]
    if not votes or not all(GrantWish.from_stored(body.get(WISH)) for body in votes):
        return f"the audit trail does not hold that every vote granted {use.id}"
    return _missing_use(use, change, opened[0], own)


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
    ident = target.get("id") if isinstance(target, Mapping) else None
    if not opened.get("servers") and ident != change.target.id:
        return f"by the audit trail {use.id} is for another server"
    uses = [body for body in own if body["event"] == USED]
    most = opened.get("uses")
    if not isinstance(most, int) or len(uses) > most or not 1 <= use.number <= most:
        return f"by the audit trail {use.id} was used more often than it may be"
    numbered = [body for body in uses if body.get("use") == use.number]
    named = [body.get("lets_through") for body in numbered]
    return "" if named == [change.id] else f"the audit trail holds another use {use.number} of {use.id}"
