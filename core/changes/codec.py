"""Changes and votes to and from what the database holds; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from core.changes.model import (
    Actor,
    ActorKind,
    Approvers,
    Change,
    Decision,
    Origin,
    Ruling,
    State,
    Target,
    Verdict,
    Vote,
)

Row = Mapping[Any, Any]  # SQLAlchemy's rows are keyed by name or column


def seconds(moment: datetime | None) -> float | None:
    """Return UTC seconds since 1970, as stored."""
    return None if moment is None else moment.timestamp()


def moment(value: float | None) -> datetime | None:
    """Return the aware UTC time of stored seconds."""
    return None if value is None else datetime.fromtimestamp(value, UTC)


def change_values(change: Change) -> dict[str, Any]:
    """Return a new change's columns, its key and lock aside."""
    return {
        "id": change.id,
        "version": change.version,
        "state": change.state.value,
        "operation": change.operation,
        "arguments": dict(change.arguments),
        "target": asdict(change.target),
        "actor": asdict(change.actor),
        "actor_id": change.actor.id,
        "origin": asdict(change.origin),
        "reason": change.reason,
        "ruling": asdict(change.ruling),
        "digest": change.digest,
        "cost": change.cost,
        "effect": change.effect,
        "created_at": change.created_at.timestamp(),
        "updated_at": change.updated_at.timestamp(),
        "expires_at": seconds(change.expires_at),
        "sent_at": seconds(change.sent_at),
        "settled_at": seconds(change.settled_at),
        "result": dict(change.result),
        "note": change.note,
        "overdue": change.overdue,
        "last_uptime": change.last_uptime,
        "sends": 0,
    }


def change_of(row: Row, votes: Sequence[Vote]) -> Change:
    """Return the change a row holds."""
    return Change(
        id=row["id"],
        version=row["version"],
        state=State(row["state"]),
        operation=row["operation"],
        arguments=row["arguments"],
        target=Target(**row["target"]),
        actor=actor_of(row["actor"]),
        origin=Origin(**row["origin"]),
        reason=row["reason"],
        ruling=ruling_of(row["ruling"]),
        digest=row["digest"],
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        expires_at=moment(row["expires_at"]),
        updated_at=datetime.fromtimestamp(row["updated_at"], UTC),
        votes=tuple(votes),
        cost=row["cost"],
        effect=row["effect"],
        sent_at=moment(row["sent_at"]),
        settled_at=moment(row["settled_at"]),
        result=row["result"],
        note=row["note"],
        overdue=bool(row["overdue"]),
        last_uptime=row["last_uptime"],
    )


def actor_of(stored: Row) -> Actor:
    """Return the actor a column holds."""
    return Actor(
        kind=ActorKind(stored["kind"]),
        id=stored["id"],
        name=stored["name"],
        human=stored["human"],
        aliases=tuple(stored["aliases"]),
        groups=tuple(stored["groups"]),
    )


def ruling_of(stored: Row) -> Ruling:
    """Return the ruling a column holds."""
    return Ruling(
        decision=Decision(stored["decision"]),
        rules=tuple(stored["rules"]),
        votes=stored["votes"],
        approvers=approvers_of(stored["approvers"]),
        reason=stored["reason"],
        policy=stored["policy"],
        requirements=tuple(approvers_of(one) for one in stored["requirements"]),
        expires=stored["expires"],
    )


def approvers_of(stored: Row) -> Approvers:
    """Return the approvers a column holds."""
    return Approvers(**{name: tuple(value) for name, value in stored.items()})


def vote_values(change_id: str, vote: Vote) -> dict[str, Any]:
    """Return a vote's columns."""
    return {
        "change_id": change_id,
        "voter_id": vote.voter.id,
        "voter": asdict(vote.voter),
        "verdict": vote.verdict.value,
        "reason": vote.reason,
        "evidence": vote.evidence,
        "at": vote.at.timestamp(),
    }


def vote_of(row: Row) -> Vote:
    """Return the vote a row holds."""
    return Vote(
        voter=actor_of(row["voter"]),
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        evidence=row["evidence"],
        at=datetime.fromtimestamp(row["at"], UTC),
    )
