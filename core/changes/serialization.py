"""Changes and votes to and from what the database holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, Final

from vpsops.core.changes.model import Change, ChangeOverride, GrantWish, State, Verdict, Vote
from vpsops.core.common.json_types import Json
from vpsops.core.common.stored_values import (
    Row,
    UnreadableValueError,
    list_of,
    mapping_of,
    moment,
    names_of,
    number_of,
    seconds,
    text_of,
)
from vpsops.core.identity.actors import Origin
from vpsops.core.identity.serialization import actor_of, approvers_of
from vpsops.core.operations.facts import Fact
from vpsops.core.operations.target import ServerName, Target, is_grant_request
from vpsops.core.policy.decision import Decision, GrantTerms, GrantUse, Ruling
from vpsops.core.schedule.model import Schedule

PAIR: Final = 2
MOMENTS: Final = ("expires_at", "sent_at", "settled_at", "not_before")
FORMAT: Final = 2
"""What a stored change means. A key that may be left out needs no new number; whatever would run, be shown or be
voted on otherwise does, so that a version which does not know it leaves the change to one that does."""
PLAIN_FORMAT: Final = 1
"""Of a change without a schedule, a grant, an override and an end that is no member of a plan: an older version may
run it."""


def change_values(change: Change) -> dict[str, Any]:
    """Return a new change's columns, its key and lock aside."""
    return _request_values(change) | _progress_values(change)


def _request_values(change: Change) -> dict[str, Any]:
    """Return the columns of what is requested, by whom, and of the ruling."""
    return {
        "id": change.id,
        "version": change.version,
        "state": change.state.value,
        "operation": change.operation,
        "arguments": dict(change.arguments),
        "target": _target_values(change.target),
        "actor": asdict(change.actor),
        "actor_id": change.actor.id,
        "human": (change.actor.account or change.actor.human).lower(),
        "server": change.target.id.lower(),
        "hostname": change.target.hostname.lower(),
        "origin": origin_values(change.origin),
        "reason": change.reason,
        "ruling": ruling_values(change.ruling),
        "digest": change.digest,
        "cost": change.cost,
        "effect": change.effect,
        "facts": [[fact.label, fact.value] for fact in change.facts] or None,
        "format": _format_of(change),
        "plan": change.plan or None,
    }


def _target_values(target: Target) -> dict[str, Any]:
    """Return a target as its column holds it; only a plan has members."""
    return {name: value for name, value in asdict(target).items() if name != "members" or value}


def _format_of(change: Change) -> int:
    """Return the format of a new change: an older version takes a schedule, a plan, a grant and an end for nothing."""
    granted = change.ruling.grant is not None or bool(change.ruling.end) or is_grant_request(change.operation)
    is_plain = change.schedule is None and not granted and not change.plan and "lifetime" not in change.arguments
    return PLAIN_FORMAT if is_plain else FORMAT


def _progress_values(change: Change) -> dict[str, Any]:
    """Return the columns of how far a change is."""
    return {
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
        "not_before": seconds(change.not_before),
        "sends": change.sends,
        "traceparent": change.traceparent or None,
        "run_at": seconds(change.schedule.run_at if change.schedule else None),
        "schedule": change.schedule.stored if change.schedule else None,
        "overridden": override_values(change.override) if change.override is not None else None,
    }


def origin_values(origin: Origin) -> dict[str, Json]:
    """Return an origin as a column holds it; a request without a token has no fingerprint."""
    values = asdict(origin)
    return values if origin.credential else {key: value for key, value in values.items() if key != "credential"}


def ruling_values(ruling: Ruling) -> dict[str, Json]:
    """Return a ruling as a column holds it; most have nothing of grants and ends."""
    absent = {key for key in ("grant_terms", "grant", "end") if not getattr(ruling, key)}
    return {key: value for key, value in asdict(ruling).items() if key not in absent}


def _check_format(row: Row) -> None:
    if row["format"] > FORMAT:
        raise UnreadableValueError(f"format {row['format']}, this version knows {FORMAT}")


def change_of(row: Row, votes: Sequence[Vote]) -> Change:
    """Return the change a row holds; raises `UnreadableValueError` and what else reading a foreign row raises."""
    _check_format(row)
    return Change(
        id=text_of(row, "id"),
        version=row["version"],
        state=State(row["state"]),
        operation=text_of(row, "operation"),
        arguments=mapping_of(row, "arguments"),
        target=target_of(row["target"]),
        actor=actor_of(row["actor"]),
        origin=origin_of(row["origin"]),
        reason=text_of(row, "reason"),
        ruling=ruling_of(row["ruling"]),
        digest=text_of(row, "digest"),
        created_at=datetime.fromtimestamp(row["created_at"], UTC),
        updated_at=datetime.fromtimestamp(row["updated_at"], UTC),
        votes=tuple(votes),
        cost=text_of(row, "cost"),
        effect=text_of(row, "effect"),
        result=mapping_of(row, "result"),
        note=text_of(row, "note"),
        overdue=bool(row["overdue"]),
        sends=row["sends"],
        last_uptime=row["last_uptime"],
        confirmed=text_of(row, "confirmed") if row["confirmed"] is not None else "",
        facts=facts_of(row["facts"]),
        traceparent=row["traceparent"] or "",
        schedule=Schedule.from_stored(row["schedule"]),
        **_later_columns(row),
    )


def _later_columns(row: Row) -> dict[str, Any]:
    """Return what a change gets on its way: when it got there, that it ran without votes, and its plan."""
    moments = {name: moment(row[name]) for name in MOMENTS}
    return {**moments, "override": override_of(row["overridden"]), "plan": row["plan"] or ""}


def override_values(override: ChangeOverride) -> dict[str, Any]:
    """Return an override as its column holds it."""
    return {
        **asdict(override),
        "at": override.at.timestamp(),
        "reviewed_at": seconds(override.reviewed_at),
    }


def override_of(stored: Any) -> ChangeOverride | None:
    """Return the override that a column holds, or None."""
    if stored is None:
        return None
    if not isinstance(stored, Mapping):
        raise UnreadableValueError("overridden is no object")
    reviewer = stored.get("reviewer")
    return ChangeOverride(
        by=actor_of(stored["by"]),
        reason=text_of(stored, "reason"),
        among=names_of(stored, "among"),
        at=datetime.fromtimestamp(stored["at"], UTC),
        reviewer=None if reviewer is None else actor_of(reviewer),
        note=text_of(stored, "note"),
        reviewed_at=moment(stored["reviewed_at"]),
    )


def facts_of(stored: Any) -> tuple[Fact, ...]:
    """Return the facts that a column holds; changes of earlier versions have none."""
    pairs = [] if stored is None else stored
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == PAIR for pair in pairs):
        raise UnreadableValueError("facts are no list of pairs")
    return tuple(Fact(str(label), str(value)) for label, value in pairs)


def origin_of(stored: Row) -> Origin:
    """Return the origin a column holds."""
    return Origin(**_texts(Origin, stored))


def target_of(stored: Row) -> Target:
    """Return the target a column holds."""
    if not isinstance(stored, Mapping):
        raise UnreadableValueError("target is no object")
    labels = names_of(stored, "labels") if stored.get("labels") is not None else None
    texts = {key: value for key, value in stored.items() if key not in {"labels", "members"}}
    return Target(**_texts(Target, texts), labels=labels, members=_members_of(stored))


def _members_of(stored: Row) -> tuple[ServerName, ...]:
    pairs = list_of(stored, "members") if "members" in stored else []
    if not all(isinstance(pair, list) and len(pair) == PAIR for pair in pairs):
        raise UnreadableValueError("members are no list of pairs")
    return tuple(ServerName(str(ident), str(hostname)) for ident, hostname in pairs)


def ruling_of(stored: Row) -> Ruling:
    """Return the ruling a column holds."""
    return Ruling(
        decision=Decision(text_of(stored, "decision")),
        rules=names_of(stored, "rules"),
        votes=int(stored["votes"]),
        approvers=approvers_of(stored["approvers"]),
        reason=text_of(stored, "reason"),
        policy=text_of(stored, "policy"),
        requirements=tuple(approvers_of(requirement) for requirement in list_of(stored, "requirements")),
        expires=float(stored["expires"]),
        confirm_in=names_of(stored, "confirm_in") if "confirm_in" in stored else (),
        monthly=number_of(stored, "monthly"),
        grant_terms=_grant_terms_of(stored.get("grant_terms")),
        grant=_grant_use_of(stored.get("grant")),
        end=text_of(stored, "end") if "end" in stored else "",
        overrides=tuple(approvers_of(overriders) for overriders in list_of(stored, "overrides"))
        if "overrides" in stored
        else (),
    )


def _grant_terms_of(stored: Any) -> GrantTerms | None:
    if stored is None:
        return None
    seconds = number_of(stored, "seconds")
    if seconds is None:
        raise UnreadableValueError("seconds is missing")
    return GrantTerms(seconds, int(stored["uses"]), names_of(stored, "servers"), names_of(stored, "states"))


def _grant_use_of(stored: Any) -> GrantUse | None:
    if stored is None:
        return None
    return GrantUse(text_of(stored, "id"), text_of(stored, "source"), int(stored["number"]), int(stored["uses"]))


def _texts(kind: type[Target | Origin], stored: Row) -> dict[str, str]:
    """Return the fields of a value that is made of texts; keys that this version does not know are left out."""
    if not isinstance(stored, Mapping):
        raise UnreadableValueError(f"{kind.__name__.lower()} is no object")
    return {field.name: text_of(stored, field.name) for field in fields(kind) if field.name in stored}


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
        "granted": vote.grant.stored if vote.grant is not None else None,
    }


def vote_of(row: Row) -> Vote:
    """Return the vote a row holds."""
    return Vote(
        voter=actor_of(row["voter"]),
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        evidence=row["evidence"],
        at=datetime.fromtimestamp(row["at"], UTC),
        grant=GrantWish.from_stored(row["granted"]),
    )
