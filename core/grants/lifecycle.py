"""Grants as they are opened, used and ended, each within the caller's transaction, with record and message."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import chain
from vpsops.core.changes import repository as changes
from vpsops.core.changes.audit_entries import person
from vpsops.core.changes.model import Change, State
from vpsops.core.common.json_types import Json
from vpsops.core.common.text import count_text, moment
from vpsops.core.grants import repository, trail
from vpsops.core.grants.model import Grant, GrantState, GrantStep, common_extent, ended_text, mismatch, new_grant
from vpsops.core.grants.requests import requested_grant
from vpsops.core.grants.topics import topic_of
from vpsops.core.identity.actors import Actor
from vpsops.core.messaging import outbox
from vpsops.core.plans.repository import members_of
from vpsops.core.policy.decision import Decision, GrantUse
from vpsops.core.storage.commit_notifier import facts_of
from vpsops.core.storage.leases import latest_beat
from vpsops.core.storage.rows import JsonText
from vpsops.core.storage.tables import GRANTS

MESSAGE: Final = "grant"
"""The kind of the messages that show a grant."""
IS_OPEN: Final = GRANTS.c.state == GrantState.OPEN.value
POLICY: Final = "another policy is in force"
PAUSED: Final = "agents were paused"
WENT_BACK: Final = "the database went back"


@dataclass(frozen=True, slots=True)
class GrantEnd:
    """The end of a grant: its state, why, and what else its record holds."""

    state: GrantState
    note: str
    body: Mapping[str, Json] = field(default_factory=dict)


def open_grant(connection: Connection, change: Change, policy: str, now: datetime) -> Grant | None:
    """Open the grant that all approvals of a change asked for; None where one of them did not, or it cannot be.

    `policy` is the version in force: under another one than the change was asked for nothing is granted.
    """
    what = common_extent(change)
    if change.state is not State.APPROVED or what is None or policy != change.ruling.policy:
        return None
    grant = new_grant(f"gr_{secrets.token_hex(6)}", change, what, now)
    grant = replace(grant, opened_beat=latest_beat(connection))
    repository.insert(connection, grant)
    _record(connection, grant, trail.OPENED, trail.opened_body(grant), now)
    return grant


def open_requested(connection: Connection, change: Change, now: datetime) -> Change:
    """Open the grant that a request was approved for, which is the end of the request."""
    grant = requested_grant(f"gr_{secrets.token_hex(6)}", change, members_of(connection, change.id), now)
    grant = replace(grant, opened_beat=latest_beat(connection))
    repository.insert(connection, grant)
    _record(connection, grant, trail.OPENED, trail.opened_body(grant), now)
    note = f"{grant.id} is open until {moment(grant.until)}, for {count_text(grant.uses, 'use')}."
    values = {"note": note, "settled_at": now.timestamp()}
    return changes.step(connection, change, State.SUCCEEDED, now, event="settled", body={"why": note}, **values)


def use_grant(connection: Connection, change: Change, now: datetime, *, warned: bool = False) -> Change:
    """Return a decided change as allowed by an open grant, whose use is counted; without one as it was.

    A change that the grants of its own human do not let through says why in its note. One with a warning that people
    have to see is not let through.
    """
    if change.ruling.decision is not Decision.APPROVE or change.ruling.grant_terms is None:
        return change
    reasons: list[str] = []
    beat = latest_beat(connection)
    for grant in repository.open_of(connection, change.operation, change.actor):
        reason = mismatch(grant, change, grant.date_by(beat, now)) or (
            "people have to see its warning" if warned else ""
        )
        taken = None if reason else repository.take_use(connection, grant, now)
        if taken is not None:
            _record(connection, taken, trail.USED, trail.used_body(taken, change), now)
            return _allowed(change, taken)
        reasons.append(f"{grant.id} does not let it through: {reason or 'it was used up or ended just now'}.")
    return replace(change, note=reasons[0]) if reasons else change


def _allowed(change: Change, grant: Grant) -> Change:
    use = GrantUse(grant.id, grant.source, grant.used, grant.uses)
    ruling = replace(change.ruling, decision=Decision.ALLOW, grant=use)
    return replace(change, state=State.APPROVED, ruling=ruling, expires_at=None)


def ended_since(connection: Connection, change: Change, policy: str, now: datetime) -> str:
    """Return why the grant of a stored change does not let it be sent any more; empty where it does, or has none."""
    use = change.ruling.grant
    if use is None:
        return ""
    grant = repository.find(connection, use.id)
    if grant is None or grant.source != use.source:
        return f"{use.id} is not known."
    if policy != grant.ruling.policy:
        return f"{use.id} does not hold: {POLICY}."
    used_up = grant.state is GrantState.USED_UP  # a use that was counted before the last one holds as that does
    date = grant.date_by(latest_beat(connection), now)
    reason = ended_text(replace(grant, used=0, state=GrantState.OPEN if used_up else grant.state), date)
    return f"{use.id} does not hold: {reason}." if reason else ""


def end_grant(connection: Connection, grant: Grant, by: Actor, evidence: str, now: datetime) -> Grant:
    """Let a person or agent end a grant; raises `StaleChangeError` where it has ended already."""
    note = f"{by.label} ended it."
    body = {"by": person(by), "evidence": evidence}
    return _end(connection, grant, GrantEnd(GrantState.ENDED, note, body), now)


def end_all(connection: Connection, why: str, now: datetime) -> None:
    """End every open grant for one reason, each with its record, also those that this version cannot read."""
    end = GrantEnd(GrantState.ENDED, f"{why[:1].upper()}{why[1:]}.")
    while batch := repository.select(connection, IS_OPEN):  # some hundreds at a time
        for grant in batch:
            _end(connection, grant, end, now)
    values = {"state": end.state.value, "ended_at": now.timestamp(), "note": end.note}
    unreadable = sa.update(GRANTS).where(IS_OPEN).values(**values).returning(GRANTS.c.id, GRANTS.c.source)
    for row in connection.execute(unreadable).all():
        chain.append(connection, now.timestamp(), trail.ENDED, row.source, {trail.WISH: row.id, "why": end.note})


def is_due(beat: float | None, now: datetime, policy: str | None) -> sa.ColumnElement[bool]:
    """The condition that an open grant is over: by its time, or because another policy is in force, if one is known."""
    ended = repository.is_over(beat, now)
    return IS_OPEN & (ended if policy is None else ended | (JsonText(GRANTS.c.ruling, "policy") != policy))


def has_due(connection: Connection, now: datetime, policy: str | None) -> bool:
    """Return whether an open grant is over."""
    due = is_due(latest_beat(connection), now, policy)
    return connection.scalar(sa.select(GRANTS.c.id).where(due).limit(1)) is not None


def close_due(connection: Connection, policy: str | None, now: datetime) -> int:
    """End the grants that are over, and return how many."""
    beat = latest_beat(connection)
    due = repository.select(connection, is_due(beat, now, policy))
    for grant in due:
        over = GrantEnd(GrantState.EXPIRED, f"Its time ended at {moment(grant.until)}.")
        replaced = GrantEnd(GrantState.ENDED, f"{POLICY.capitalize()}.")
        _end(connection, grant, over if grant.until <= grant.date_by(beat, now) else replaced, now)
    return len(due)


def _end(connection: Connection, grant: Grant, end: GrantEnd, now: datetime) -> Grant:
    ended = repository.end(connection, grant, end.state, now, end.note)
    _record(connection, ended, trail.ENDED, {trail.WISH: grant.id, "why": end.note, **end.body}, now)
    return ended


def _record(connection: Connection, grant: Grant, event: str, body: dict[str, Json], now: datetime) -> None:
    chain.append(connection, now.timestamp(), event, grant.source, body)
    outbox.put(connection, topic_of(grant.id), MESSAGE, {"grant": grant.id}, now)
    facts_of(connection).append(GrantStep(grant.state, grant.operation, event))
