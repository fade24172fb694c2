"""The dashboard of one person, in one read of the database: holds, their own changes, the trail, settings."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from vpsops.core.audit import queries
from vpsops.core.audit.records import TrailRecord
from vpsops.core.authorization import agent_pause as pause
from vpsops.core.authorization.agent_pause import Pause
from vpsops.core.break_glass import repository as reviews
from vpsops.core.changes import repository
from vpsops.core.changes.model import Change, State
from vpsops.core.changes.scope import Visibility
from vpsops.core.grants.model import Grant
from vpsops.core.grants.queries import open_in
from vpsops.core.identity.actors import Actor
from vpsops.core.messaging import preferences
from vpsops.core.messaging.preferences import Preferences
from vpsops.core.policy.decision import Decision
from vpsops.core.storage.database import Database
from vpsops.core.storage.rows import JsonText
from vpsops.core.storage.tables import CHANGES

HOLDS = 500
OWN = 50
REVIEWS = 50
RECORDS = 40
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Overview:
    """One consistent snapshot; the caller, who knows the person's groups, decides which holds they may vote on."""

    holds: tuple[Change, ...] = ()  # unknown outcomes, then what waits for approval, by expiry
    reviews: tuple[Change, ...] = ()  # ran without approval, and their review is open, oldest first
    own: tuple[Change, ...] = ()  # what this person or an agent of theirs asked for, newest first
    records: tuple[TrailRecord, ...] = ()  # of the trail, what is about them, oldest first
    pause: Pause = field(default_factory=Pause)
    preferences: Preferences = field(default_factory=Preferences)
    grants: tuple[Grant, ...] = ()  # the open ones, newest first


@dataclass(frozen=True, slots=True)
class Onlooker:
    """The reader: a person of a workspace, who sees the changes of these workspaces (empty: of all)."""

    team: str
    person: Actor
    teams: frozenset[str] = frozenset()


async def overview_of(database: Database, who: Onlooker, now: datetime) -> Overview:
    """Return what concerns a person, by all the ids they are known by; raises `StorageError`."""
    return await database.read(lambda connection: _read_dashboard(connection, who, now))


def _read_dashboard(connection: Connection, who: Onlooker, now: datetime) -> Overview:
    return Overview(
        holds=_holds(connection, who.teams, now),
        reviews=_reviews(connection, who.teams),
        own=_own(connection, who, now),
        records=tuple(queries.newest_of(connection, who.person.humans, RECORDS, who.teams)),
        pause=pause.read(connection),
        preferences=preferences.read(connection, who.team, who.person.id),
        grants=tuple(open_in(connection, Visibility(who.teams), now)),
    )


def _holds(connection: Connection, teams: frozenset[str], now: datetime) -> tuple[Change, ...]:
    asked = sa.and_(
        CHANGES.c.state == State.HELD.value,
        CHANGES.c.expires_at > now.timestamp(),
        JsonText(CHANGES.c.ruling, "decision") == Decision.APPROVE.value,
    )
    unclear = CHANGES.c.state == State.NEEDS_PERSON.value
    query = sa.select(CHANGES.c.id).where(*repository.of_teams(teams), sa.or_(asked, unclear))
    ids = list(connection.scalars(query.order_by(~unclear, CHANGES.c.expires_at, CHANGES.c.id).limit(HOLDS)))
    results = {change.id: change for change in repository.select(connection, CHANGES.c.id.in_(ids), limit=HOLDS)}
    return tuple(results[ident] for ident in ids if ident in results)


def _reviews(connection: Connection, teams: frozenset[str]) -> tuple[Change, ...]:
    ids = reviews.open_ids(connection, REVIEWS, teams)
    if not ids:
        return ()
    return tuple(repository.select(connection, CHANGES.c.id.in_(ids), limit=REVIEWS, oldest_first=True))


def _own(connection: Connection, who: Onlooker, now: datetime) -> tuple[Change, ...]:
    ids = sorted(who.person.humans)
    own = sa.or_(
        sa.func.lower(CHANGES.c.actor_id).in_(ids),
        sa.func.lower(JsonText(CHANGES.c.actor, "human")).in_(ids),
        JsonText(CHANGES.c.actor, "account") == (who.person.account or None),
    )
    recent = sa.or_(CHANGES.c.lock.is_not(None), CHANGES.c.created_at > (now - RECENT).timestamp())
    once = CHANGES.c.plan.is_(None)  # a plan stands for its members
    rows = repository.select(connection, own, recent, once, *repository.of_teams(who.teams), limit=OWN)
    return tuple(change for change in rows if who.person.same_human(change.actor))
