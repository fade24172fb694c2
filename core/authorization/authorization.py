"""The state of a change by the audit trail, and whether the trail carries the approval to send it.

An approval is records in the trail, not a word in a row: the runner counts them again in the transaction that stores
`sending`, and `vpsops audit verify` compares every row with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.audit.records import TrailRecord, is_whole, redacted
from vpsops.core.changes import repository as change_rows
from vpsops.core.changes.audit_entries import needed
from vpsops.core.changes.model import AGENT, OVERRIDDEN, REVIEWED, Change, State, Verdict, digest_of, shown_facts
from vpsops.core.common.errors import UnknownChangeError, VpsopsError
from vpsops.core.common.json_types import Json
from vpsops.core.ends.trail import missing_end
from vpsops.core.grants import repository
from vpsops.core.grants.trail import OPENED, missing_grant, row_difference
from vpsops.core.identity.actors import Actor, ActorKind
from vpsops.core.operations.target import is_grant_request
from vpsops.core.plans.model import is_running_plan
from vpsops.core.plans.seals import MemberSeals
from vpsops.core.policy.decision import Decision, GrantUse, Ruling
from vpsops.core.storage.tables import AUDIT

MOST_RECORDS: Final = 1000
"""Records of one change that are read before its sending or after a late one; a change has about ten."""
REQUESTED: Final = "requested"
CONFIRMED: Final = "confirmed"
MEMBER_OF: Final = "plan"
PLAN_STARTED: Final = "plan_started"
"""Key of a member's request for the id of its plan, and the event with which a plan begins."""
CLOSES: Final = "closes"
"""Key of a record for a place in which the human of an agent cannot confirm any more."""


class UnauthorizedError(VpsopsError):
    """The audit trail does not carry the approval of a change, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Trail:
    """The whole records of one change, as data, oldest first."""

    bodies: Sequence[Mapping[str, Json]]

    @property
    def request(self) -> Mapping[str, Json] | None:
        """The record of the request and its ruling; None unless it is the first and only record."""
        requests = [body for body in self.bodies if body["event"] == REQUESTED]
        return requests[0] if len(requests) == 1 and self.bodies[0] is requests[0] else None

    @property
    def confirm_in(self) -> list[str]:
        """The places in which a confirmation counts: those of the request, without those that closed since."""
        places = (self.request or {}).get("confirm_in")
        closed = {body.get(CLOSES) for body in self.bodies}
        return [str(place) for place in places if place not in closed] if isinstance(places, list) else []

    @property
    def state(self) -> str:
        """The state that the latest step led to; empty where the trail holds no request."""
        if self.request is None:
            return ""
        allowed = self.request.get("decision") == Decision.ALLOW.value
        agreed = State.SCHEDULED if self.request.get("schedule") else State.APPROVED
        first = (agreed if allowed else State.HELD).value
        return next((str(body["state"]) for body in reversed(self.bodies) if "state" in body), first)


def read_records(connection: Connection, change_id: str) -> list[TrailRecord]:
    """Read all records of a change, oldest first; raises `UnauthorizedError` where there are too many."""
    records = chain.read(connection, change_id=change_id, limit=MOST_RECORDS + 1)
    if len(records) > MOST_RECORDS:
        raise UnauthorizedError(f"the audit trail holds more than {MOST_RECORDS:,} records of it")
    return records


def read_trail(connection: Connection, change_id: str) -> Trail:
    """Read and verify the records of a change; raises `UnauthorizedError` where one was altered."""
    head = chain.lock_head(connection)  # else a record that is added between these queries appears as a broken link
    records = read_records(connection, change_id)
    broken = next((record for record in records if not is_whole(record)), None) or _unlinked(connection, records, head)
    if broken is not None:
        raise UnauthorizedError(f"record {broken.seq} of the audit trail is not as it was written")
    return Trail([record.body for record in records])


def _unlinked(connection: Connection, records: Sequence[TrailRecord], head: tuple[int, str]) -> TrailRecord | None:
    """Return a record that its successor, or the head, does not confirm."""
    following = sa.select(AUDIT.c.seq, AUDIT.c.previous).where(AUDIT.c.seq.in_([record.seq + 1 for record in records]))
    vouched = {row.seq - 1: row.previous for row in connection.execute(following)}
    seq, digest = head
    vouched.setdefault(seq, digest)
    return next((record for record in records if vouched.get(record.seq) != record.hash), None)


def check_authorized(connection: Connection, change: Change, seals: MemberSeals) -> None:
    """Raise `UnauthorizedError` unless the audit trail carries the approval that a change needs before it is sent.

    `seals` are what this process knows of plans that it sent members of before.
    """
    trail = read_trail(connection, change.id)
    plan = read_trail(connection, change.plan) if change.plan else None
    why = missing_authorization(change, trail, plan) or next(row_differences(change, trail), "")
    why = why or (_plan_problem(connection, change, plan, seals) if plan is not None else "")
    if not why and change.ruling.grant is not None:
        why = _ungranted(connection, change, change.ruling.grant)
    if not why and change.ruling.end:
        why = unended(change, read_trail(connection, change.ruling.end))
    if why:
        raise UnauthorizedError(why)


def unended(change: Change, source: Trail) -> str:
    """Return the missing part of what lets a server be stopped at its end: the approval of its create, and the end."""
    return missing_approval(source) or missing_end(change, source.bodies)


def _ungranted(connection: Connection, change: Change, use: GrantUse) -> str:
    source = read_trail(connection, use.source)
    missing = unapproved_source(source) or missing_grant(use, change, source.bodies)
    return missing or row_difference(repository.find(connection, use.id), source.bodies)


def unapproved_source(source: Trail) -> str:
    """Return the missing part of the votes that a grant stands for; empty if they are complete."""
    opened = next((index for index, body in enumerate(source.bodies) if body["event"] == OPENED), 0)
    before = Trail(source.bodies[:opened])
    decision = (before.request or {}).get("decision")
    if decision != Decision.APPROVE.value:
        return "the audit trail holds no votes for its grant"
    return missing_approval(before)


def _plan_problem(connection: Connection, change: Change, trail: Trail, seals: MemberSeals) -> str:
    """Return why a plan does not carry a member, or "": it is the plan as agreed to, it runs, and has this member."""
    try:
        plan = change_rows.load(connection, change.plan)
    except UnknownChangeError:
        return "its plan is gone"
    why = missing_authorization(plan, trail) or next(row_differences(plan, trail), "")
    if why:
        return f"of its plan: {why}"
    if not is_running_plan(plan):
        return f"its plan is {plan.state.value.replace('_', ' ')}"
    return "" if seals.holds(connection, plan, change) else "its plan does not hold it as it was agreed to"


def row_differences(change: Change, trail: Trail) -> Iterator[str]:
    """Yield the differences between the row of a change and its trail; fields without a record are not compared."""
    if trail.state != change.state.value:
        yield f"by the audit trail it is {trail.state.replace('_', ' ')}, and its row says {change.state.value}"
    request = trail.request or {}
    if "digest" in request and request["digest"] != _digest(change):
        yield "its row is not about what was shown and agreed to"
    if "actor" in request and _known_as(_actor(request.get("actor"))) != _known_as(change.actor):
        yield "its row has another asker than its request"
    requested = {
        "schedule": None,
        "end": None,
        **request,
        **({"confirm_in": trail.confirm_in} if "confirm_in" in request else {}),
    }
    for name, own in _row(change).items():
        if name in requested and requested[name] != own:
            yield f"its row has another {NAMES.get(name, name)} than its request"
    voted = {(str(_actor(body.get("by")).id), str(body["verdict"])) for body in trail.bodies if "verdict" in body}
    rows = {(vote.voter.id, vote.verdict.value) for vote in change.votes}
    if rows - voted:
        unrecorded = ", ".join(sorted(ident for ident, _ in rows - voted))
        yield f"it has votes that the audit trail does not hold, by {unrecorded}"
    yield from _override_differences(change, trail)
    if voted - rows:
        yield f"votes of the audit trail are gone from it, by {', '.join(sorted(ident for ident, _ in voted - rows))}"


def _override_differences(change: Change, trail: Trail) -> Iterator[str]:
    """Yield how a row and its trail differ about a run without votes, and about the review of it."""
    overridden = any(body["event"] == OVERRIDDEN for body in trail.bodies)
    if overridden is not (change.override is not None):
        has, other = ("its row", "the audit trail") if change.override is not None else ("the audit trail", "its row")
        yield f"by {has} its asker ran it without votes, and {other} does not hold that"
    reviewed = any(body["event"] == REVIEWED for body in trail.bodies)
    if change.override is not None and reviewed is not (change.override.reviewed_at is not None):
        yield "its row has another review than the audit trail"


NAMES: Final = {
    "schedule": "time",
    "approvers": "list of approvers",
    "override": "list of those who may run it without votes",
    "votes": "number of votes",
    "team": "workspace",
    "end": "end of a server",
}


def _row(change: Change) -> Mapping[str, Json]:
    """Return the contents of the row of a change, in the form of its request's record."""
    ruling, origin, target = change.ruling, change.origin, change.target
    kept = redacted({"arguments": dict(change.arguments)})
    return {
        **kept,
        **needed(ruling),
        "origin": origin.front,
        "team": origin.team,
        "operation": change.operation,
        "target": {"id": target.id, "hostname": target.hostname, "state": target.state},
        "cost": change.cost,
        "decision": ruling.decision.value,
        "rules": list(ruling.rules),
        "policy": ruling.policy,
        "schedule": change.schedule.stored if change.schedule else None,
        "end": ruling.end or None,
    }


def _known_as(actor: Actor) -> tuple[str, ...]:
    return (actor.kind.value, actor.id, actor.name, actor.human, actor.account)


def _digest(change: Change) -> str:
    """Return the digest of what a row would run; empty where its own column differs."""
    facts = shown_facts(change.cost, change.facts)
    own = digest_of(change.operation, change.arguments, change.target, facts, change.ruling.policy, change.schedule)
    return own if own == change.digest else ""


def missing_authorization(change: Change, trail: Trail, plan: Trail | None = None) -> str:
    """Return the reason why a trail does not authorise sending its change; empty where it does.

    A plan's member needs the trail of its plan.
    """
    request = trail.request
    if request is None:
        return "the audit trail holds no request for it"
    if request.get("digest") != change.digest or request.get("operation") != change.operation:
        return "the audit trail holds the request for something else"
    if request.get("decision") != change.ruling.decision.value:
        return f"its rule asked for {request.get('decision')}, and its row says {change.ruling.decision.value}"
    if str(request.get(MEMBER_OF) or "") != change.plan:
        return "the audit trail holds it as a member of another plan"
    return missing_approval(trail, change.ruling, plan)


def missing_approval(trail: Trail, ruling: Ruling | None = None, plan: Trail | None = None) -> str:
    """Return the missing part of the approval that a trail's own request requires; empty if it is complete.

    `ruling` adds the data that records of earlier versions lack: how many votes, and from which people. A member of a
    plan has the approval of its plan; `plan` is the trail of that.
    """
    request = trail.request
    if request is None:
        return "the audit trail holds no request for it"
    if request.get(MEMBER_OF):
        return _missing_of_plan(request, plan)
    match request.get("decision"):
        case Decision.ALLOW.value:
            return ""
        case Decision.CONFIRM.value:
            return _missing_confirmation(request, trail)
        case Decision.APPROVE.value:
            return _missing_votes(ruling or Ruling(Decision.APPROVE, votes=1), request, trail)
        case _:
            return "its rule denied it"


def _missing_of_plan(request: Mapping[str, Json], plan: Trail | None) -> str:
    """Return what a plan's trail lacks to carry a member: its own approval, of the same decision by the same asker."""
    if plan is None or plan.request is None:
        return "the audit trail holds no request for its plan"
    if plan.request.get("decision") != request.get("decision") or plan.request.get("actor") != request.get("actor"):
        return "its plan was asked for otherwise"
    if not any(body["event"] == PLAN_STARTED for body in plan.bodies):
        return "the audit trail does not hold that its plan began"
    why = missing_approval(plan)
    return f"of its plan: {why}" if why else ""


def _missing_confirmation(request: Mapping[str, Json], trail: Trail) -> str:
    asker = _actor(request.get("actor"))
    places = trail.confirm_in if "confirm_in" in request else None
    counted = [
        body for body in trail.bodies if body["event"] == CONFIRMED and (places is None or body.get("in") in places)
    ]
    confirmers = [_actor(body.get("by")) for body in counted]
    return (
        ""
        if any(confirmer.same_human(asker) for confirmer in confirmers)
        else "the audit trail holds no confirmation by its human"
    )


def _missing_votes(ruling: Ruling, request: Mapping[str, Json], trail: Trail) -> str:
    votes = [body for body in trail.bodies if "verdict" in body]
    if any(vote["verdict"] != Verdict.APPROVE.value for vote in votes):
        return "the audit trail holds a denial"
    if _is_overridden(request, trail):
        return ""
    askers, voters = _askers(request), list[Actor]()
    for vote in votes:
        voter = _actor(vote.get("by"))
        own = any(
            voter.same_human(asker) or (bool(asker.account) and asker.account in {voter.account, voter.id})
            for asker in askers
        )
        repeated = any(voter.same_human(before) for before in voters)
        if voter.kind is ActorKind.PERSON and not own and not repeated and _is_eligible(ruling, request, vote):
            voters.append(voter)
    needed = max(int(request.get("votes", ruling.votes)), 1)
    return "" if len(voters) >= needed else f"the audit trail holds {len(voters)} of the {needed} votes it needs"


def _askers(request: Mapping[str, Json]) -> list[Actor]:
    """Return who asked, and the agent that a request for a grant is for: the human of neither may vote."""
    arguments = request.get("arguments")
    agent = arguments.get(AGENT) if isinstance(arguments, Mapping) else None
    granted = is_grant_request(str(request.get("operation")))
    return [_actor(request.get("actor")), *([_actor(agent)] if granted else [])]


def _is_overridden(request: Mapping[str, Json], trail: Trail) -> bool:
    """Return whether its asker, a person that every rule of the request names for it, ran a change without votes."""
    asker, lists = _actor(request.get("actor")), request.get("override")
    if asker.kind is not ActorKind.PERSON or not isinstance(lists, list) or not lists:
        return False
    for body in trail.bodies:
        if body["event"] != OVERRIDDEN:
            continue
        by, among = _actor(body.get("by")), {str(name) for name in body.get("among") or ()}
        named = all(not among.isdisjoint(map(str, names)) for names in lists)
        if by.kind is ActorKind.PERSON and by.same_human(asker) and named:
            return True
    return False


def _is_eligible(ruling: Ruling, request: Mapping[str, Json], vote: Mapping[str, Json]) -> bool:
    """Return whether a voter was found among the approvers of each rule.

    Earlier versions recorded no names for that.
    """
    if "among" not in vote:
        return True
    named = set(vote["among"])
    return all(not named.isdisjoint(names) for names in request.get("approvers", ruling.approver_names))


def _actor(written: Json) -> Actor:
    """Return an actor as the trail records it; an unknown actor where the record is not readable."""
    value: Mapping[str, Json] = written if isinstance(written, Mapping) else {}
    kind = ActorKind.PERSON if value.get("kind") == ActorKind.PERSON.value else ActorKind.AGENT
    ident, name, human, account = (str(value.get(key) or "") for key in ("id", "name", "human", "account"))
    return Actor(kind, ident, name, human, account=account)
