"""Changes and votes to and from what the database holds; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from vpsops.core.changes.model import (
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
from vpsops.core.storage.rows import UnreadableValueError

FORMAT: Final = 1
"""What a stored change means. A key that may be left out needs no new number; whatever would run, be shown or be
voted on otherwise does, so that a version which does not know it leaves the change to one that does."""
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
        "human": (change.actor.account or change.actor.human).lower(),
        "server": change.target.id.lower(),
        "hostname": change.target.hostname.lower(),
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
        "confirmed": change.confirmed,
        "sends": change.sends,
        "format": FORMAT,
    }


def change_of(row: Row, votes: Sequence[Vote]) -> Change:
    """Return the change a row holds; raises `UnreadableValueError` and what else reading a foreign row raises."""
    if row["format"] > FORMAT:
        raise UnreadableValueError(f"format {row['format']}, this version knows {FORMAT}")
    return Change(
        id=_text(row, "id"),
        version=row["version"],
        state=State(row["state"]),
        operation=_text(row, "operation"),
        arguments=_mapping(row, "arguments"),
        target=target_of(row["target"]),
        actor=actor_of(row["actor"]),
        origin=Origin(**_texts(Origin, row["origin"])),
        reason=_text(row, "reason"),
        ruling=ruling_of(row["ruling"]),
        digest=_text(row, "digest"),
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        expires_at=moment(row["expires_at"]),
        updated_at=datetime.fromtimestamp(row["updated_at"], UTC),
        votes=tuple(votes),
        cost=_text(row, "cost"),
        effect=_text(row, "effect"),
        sent_at=moment(row["sent_at"]),
        settled_at=moment(row["settled_at"]),
        result=_mapping(row, "result"),
        note=_text(row, "note"),
        overdue=bool(row["overdue"]),
        sends=row["sends"],
        last_uptime=row["last_uptime"],
        confirmed=_text(row, "confirmed") if row["confirmed"] is not None else "",
    )


def target_of(stored: Row) -> Target:
    """Return the target a column holds."""
    return Target(**_texts(Target, stored))


def actor_of(stored: Row) -> Actor:
    """Return the actor a column holds."""
    return Actor(
        kind=ActorKind(_text(stored, "kind")),
        id=_text(stored, "id"),
        name=_text(stored, "name"),
        human=_text(stored, "human"),
        aliases=_names(stored, "aliases"),
        groups=_names(stored, "groups"),
        account=_text(stored, "account") if "account" in stored else "",  # older changes have none
    )


def ruling_of(stored: Row) -> Ruling:
    """Return the ruling a column holds."""
    return Ruling(
        decision=Decision(_text(stored, "decision")),
        rules=_names(stored, "rules"),
        votes=int(stored["votes"]),
        approvers=approvers_of(stored["approvers"]),
        reason=_text(stored, "reason"),
        policy=_text(stored, "policy"),
        requirements=tuple(approvers_of(one) for one in _list(stored, "requirements")),
        expires=float(stored["expires"]),
        monthly=_number(stored, "monthly"),
    )


def approvers_of(stored: Row) -> Approvers:
    """Return the approvers a column holds; raises on a kind of approvers that this version does not know.

    To leave such a kind out would widen or narrow who may vote.
    """
    unknown = stored.keys() - KINDS_OF_APPROVERS
    if unknown:
        raise UnreadableValueError("approvers of an unknown kind")
    return Approvers(**{name: _names(stored, name) for name in stored})


KINDS_OF_APPROVERS = frozenset(one.name for one in fields(Approvers))


def _texts(kind: type[Target | Origin], stored: Row) -> dict[str, str]:
    """Return the fields of a value that is made of texts; keys that this version does not know are left out."""
    if not isinstance(stored, Mapping):
        raise UnreadableValueError(f"{kind.__name__.lower()} is no object")
    return {one.name: _text(stored, one.name) for one in fields(kind) if one.name in stored}


def _value(stored: object, name: str) -> Any:
    if not isinstance(stored, Mapping) or name not in stored:
        raise UnreadableValueError(f"{name} is missing")
    return stored[name]


def _text(stored: Row, name: str) -> str:
    value = _value(stored, name)
    if not isinstance(value, str):
        raise UnreadableValueError(f"{name} is no text")
    return value


def _number(stored: Row, name: str) -> float | None:
    """Return a number; None where there is none, as in what older versions stored."""
    value = stored.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise UnreadableValueError(f"{name} is no number")
    return None if value is None else float(value)


def _mapping(stored: Row, name: str) -> Mapping[str, Any]:
    value = stored[name]
    if not isinstance(value, dict):
        raise UnreadableValueError(f"{name} is no object")
    return value


def _list(stored: Row, name: str) -> list[Any]:
    value = _value(stored, name)
    if not isinstance(value, list):
        raise UnreadableValueError(f"{name} is no list")
    return value


def _names(stored: Row, name: str) -> tuple[str, ...]:
    value = _list(stored, name)
    if not all(isinstance(one, str) for one in value):
        raise UnreadableValueError(f"{name} holds what is no text")
    return tuple(value)


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
