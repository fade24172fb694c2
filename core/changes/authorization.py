"""What the audit trail says of a change: its latest state, and whether it carries the approval to send it.

An approval is records in the trail, not a word in a row: the runner counts them again in the transaction that stores
`sending`, and `vpsops audit verify` compares every row with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core import audit
from core.audit import Record
from core.changes.model import Actor, ActorKind, Change, Decision, Json, State, Verdict
from core.errors import VpsopsError
from core.storage.tables import AUDIT

MOST_RECORDS: Final = 1000
"""Records of one change that are read before its sending; a change has about ten."""
REQUESTED: Final = "requested"
CONFIRMED: Final = "confirmed"


class UnauthorizedError(VpsopsError):
    """The audit trail does not carry the approval of a change, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Trail:
    """The whole records of one change, as data, oldest first."""

    bodies: Sequence[Mapping[str, Json]]

    @property
    def request(self) -> Mapping[str, Json] | None:
        """The record of the request and its ruling; None unless it is the first record and the only one."""
        found = [body for body in self.bodies if body["event"] == REQUESTED]
        return found[0] if len(found) == 1 and self.bodies[0] is found[0] else None

    @property
    def state(self) -> str:
        """The state that the latest step led to; empty where the trail holds no request."""
        if self.request is None:
            return ""
        allowed = self.request.get("decision") == Decision.ALLOW.value
        first = (State.APPROVED if allowed else State.HELD).value
        return next((str(body["state"]) for body in reversed(self.bodies) if "state" in body), first)


def read_trail(connection: Connection, change_id: str) -> Trail:
    """Read and verify the records of a change; raises `UnauthorizedError` where one is not as it was written."""
    audit.hold_head(connection)  # else a record that comes between two of these queries looks like a broken link
    records = audit.read(connection, change_id=change_id, limit=MOST_RECORDS + 1)
    if len(records) > MOST_RECORDS:
        raise UnauthorizedError(f"the audit trail holds more than {MOST_RECORDS:,} records of it")
    broken = next((record for record in records if not audit.is_whole(record)), None) or _unlinked(connection, records)
    if broken is not None:
        raise UnauthorizedError(f"record {broken.seq} of the audit trail is not as it was written")
    return Trail([record.body for record in records])


def _unlinked(connection: Connection, records: Sequence[Record]) -> Record | None:
    """Return a record that the one after it, or the head, does not vouch for."""
    following = sa.select(AUDIT.c.seq, AUDIT.c.previous).where(AUDIT.c.seq.in_([record.seq + 1 for record in records]))
    vouched = {row.seq - 1: row.previous for row in connection.execute(following)}
    seq, digest = audit.head(connection)
    vouched.setdefault(seq, digest)
    return next((record for record in records if vouched.get(record.seq) != record.hash), None)


def check_authorized(connection: Connection, change: Change) -> None:
    """Raise `UnauthorizedError` unless the audit trail carries what a change needs before it is sent."""
    trail = read_trail(connection, change.id)
    why = missing_authorization(change, trail) or _other_state(change, trail)
    if why:
        raise UnauthorizedError(why)


def _other_state(change: Change, trail: Trail) -> str:
    return "" if trail.state == change.state.value else f"by the audit trail it is {trail.state.replace('_', ' ')}"


def missing_authorization(change: Change, trail: Trail) -> str:
    """Say what the trail of a change lacks for its sending; empty where it lacks nothing."""
    request = trail.request
    if request is None:
        return "the audit trail holds no request for it"
    if request.get("digest") != change.digest or request.get("operation") != change.operation:
        return "the audit trail holds the request for something else"
    if request.get("decision") != change.ruling.decision.value:
        return f"its rule asked for {request.get('decision')}, and its row says {change.ruling.decision.value}"
    match change.ruling.decision:
        case Decision.ALLOW:
            return ""
        case Decision.CONFIRM:
            return _missing_confirmation(request, trail)
        case Decision.APPROVE:
            return _missing_votes(change, request, trail)
        case _:
            return "its rule denied it"


def _missing_confirmation(request: Mapping[str, Json], trail: Trail) -> str:
    asker = _actor(request.get("actor"))
    said = [_actor(body.get("by")) for body in trail.bodies if body["event"] == CONFIRMED]
    return "" if any(one.same_human(asker) for one in said) else "the audit trail holds no confirmation by its human"


def _missing_votes(change: Change, request: Mapping[str, Json], trail: Trail) -> str:
    votes = [body for body in trail.bodies if "verdict" in body]
    if any(vote["verdict"] != Verdict.APPROVE.value for vote in votes):
        return "the audit trail holds a denial"
    asker, voters = _actor(request.get("actor")), list[Actor]()
    for vote in votes:
        voter = _actor(vote.get("by"))
        own = voter.same_human(asker) or (bool(asker.account) and asker.account in {voter.account, voter.id})
        repeated = any(voter.same_human(before) for before in voters)
        if voter.kind is ActorKind.PERSON and not own and not repeated and _is_eligible(change, request, vote):
            voters.append(voter)
    needed = max(int(request.get("votes", change.ruling.votes)), 1)
    return "" if len(voters) >= needed else f"the audit trail holds {len(voters)} of the {needed} votes it needs"


def _is_eligible(change: Change, request: Mapping[str, Json], vote: Mapping[str, Json]) -> bool:
    """Say whether a voter was found among the approvers of each rule; earlier versions recorded no names for that."""
    if "among" not in vote:
        return True
    named = set(vote["among"])
    own = [
        [*one.people, *one.groups, *one.channels] for one in change.ruling.requirements or (change.ruling.approvers,)
    ]
    return all(not named.isdisjoint(names) for names in request.get("approvers", own))


def _actor(written: Json) -> Actor:
    """Return somebody as the trail knows them; nobody where it is not readable."""
    found: Mapping[str, Json] = written if isinstance(written, Mapping) else {}
    kind = ActorKind.PERSON if found.get("kind") == ActorKind.PERSON.value else ActorKind.AGENT
    ident, name, human, account = (str(found.get(key) or "") for key in ("id", "name", "human", "account"))
    return Actor(kind, ident, name, human, account=account)
